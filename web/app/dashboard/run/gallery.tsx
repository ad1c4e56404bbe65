/** Unlabeled pictures with what the model believes of them, and how it came to it. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { RunRow, SeenPictures } from "../../../../src/web/dashboard/api.js";
import { percent } from "../words.js";
import { type Filter, filters, kept, pseudoLabels, type Seeing, seeings } from "./beliefs.js";
import { PseudoLabelHistogram } from "./histogram.js";
import { Sprite } from "./sprite.js";
import { useSeen } from "./use-seen.js";
import { Views } from "./views.js";

/** Cards drawn at first, and more each time the end comes into sight. */
const PAGE = 120;

export function Gallery({ row }: { readonly row: RunRow }) {
  const { seen, steps, problem } = useSeen(row, true);
  const [filter, setFilter] = useState<Filter>("all");
  const [predicted, setPredicted] = useState<number>();
  const [threshold, setThreshold] = useState(0.95);
  const [chosenStep, setChosenStep] = useState<number>();
  const [open, setOpen] = useState<number>();
  const last = steps.at(-1)?.step ?? 0;
  const step = chosenStep ?? last;
  const pictures = seen?.pictures;
  const all = useMemo(() => (pictures ? seeings(pictures, steps, step) : []), [pictures, steps, step]);
  const shown = useMemo(() => kept(all, filter, threshold, predicted), [all, filter, threshold, predicted]);
  const [limit, setLimit] = useState(PAGE);
  useEffect(() => setLimit(PAGE), [filter, predicted, row.id]);
  if (problem) return <p>{problem}</p>;
  if (!pictures) return <p class="soft">Reading ...</p>;
  if (steps.length === 0) return <p>The run has not evaluated yet; pictures appear with its first evaluation.</p>;
  const place = steps.findIndex((one) => one.step === step);
  const opened = open === undefined ? undefined : all[open];
  return (
    <>
      <div class="bar">
        <label>
          Show
          <select value={filter} onChange={(event) => setFilter(event.currentTarget.value as Filter)}>
            {filters.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          taken for
          <select
            value={predicted ?? ""}
            onChange={(event) =>
              setPredicted(event.currentTarget.value === "" ? undefined : Number(event.currentTarget.value))
            }
          >
            <option value="">any class</option>
            {pictures.classes.map((name, k) => (
              <option key={name} value={k}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          sure from
          <input
            type="number"
            min="0"
            max="1"
            step="0.01"
            value={threshold}
            onInput={(event) => setThreshold(Math.min(1, Math.max(0, Number(event.currentTarget.value))))}
          />
        </label>
        <label>
          after step
          <input
            type="range"
            min="0"
            max={steps.length - 1}
            value={place < 0 ? steps.length - 1 : place}
            aria-valuetext={String(step)}
            onInput={(event) => {
              const at = Number(event.currentTarget.value);
              setChosenStep(at === steps.length - 1 ? undefined : steps[at]!.step);
            }}
          />
          <output>{step}</output>
        </label>
        <span role="status" class="soft">
          {shown.length} of {all.length} pictures
        </span>
      </div>
      <PseudoLabelHistogram
        pictures={pictures}
        labels={pseudoLabels(all, pictures.prior, threshold)}
        threshold={threshold}
      />
      {opened && <Detail run={row.id} pictures={pictures} seeing={opened} onClose={() => setOpen(undefined)} />}
      <ul class="gallery" aria-label="Pictures">
        {shown.slice(0, limit).map((seeing) => (
          <Card
            key={seeing.index}
            run={row.id}
            pictures={pictures}
            seeing={seeing}
            open={seeing.place === open}
            onOpen={() => setOpen(seeing.place === open ? undefined : seeing.place)}
          />
        ))}
      </ul>
      {shown.length > limit && (
        <p>
          <button type="button" onClick={() => setLimit(limit + 4 * PAGE)}>
            {shown.length - limit} more
          </button>
        </p>
      )}
      <Views run={row.id} />
    </>
  );
}

interface CardProps {
  readonly run: string;
  readonly pictures: SeenPictures;
  readonly seeing: Seeing;
  readonly open: boolean;
  readonly onOpen: () => void;
}

function Card({ run, pictures, seeing, open, onOpen }: CardProps) {
  const { belief, other, changed, truth, place, index } = seeing;
  const best = belief[0]!;
  const name = (k: number) => pictures.classes[k] ?? String(k);
  const marks = [
    ...(changed ? ["changed"] : []),
    ...(other && other.class !== best.class ? [`other: ${name(other.class)}`] : []),
    ...(truth !== undefined && truth !== best.class ? [`is ${name(truth)}`] : []),
  ];
  return (
    <li>
      <button type="button" class="card" aria-pressed={open} onClick={onOpen} data-class={name(best.class)}>
        {pictures.sheet && (
          <Sprite
            run={run}
            name="pictures"
            sheet={pictures.sheet}
            cell={place}
            count={pictures.index.length}
            size={72}
            label={`picture ${index}`}
          />
        )}
        <span class="guess">
          {name(best.class)} {best.probability.toFixed(2)}
        </span>
        <span class="meter" aria-hidden="true">
          <span style={{ width: `${100 * best.probability}%` }} />
        </span>
        <span class="marks">{marks.join(", ")}</span>
      </button>
    </li>
  );
}

function Detail({
  run,
  pictures,
  seeing,
  onClose,
}: {
  readonly run: string;
  readonly pictures: SeenPictures;
  readonly seeing: Seeing;
  readonly onClose: () => void;
}) {
  const name = (k: number) => pictures.classes[k] ?? String(k);
  const { belief, other, truth, history, index, place } = seeing;
  return (
    <section class="detail" aria-label={`Picture ${index}`}>
      {pictures.sheet && (
        <Sprite
          run={run}
          name="pictures"
          sheet={pictures.sheet}
          cell={place}
          count={pictures.index.length}
          size={160}
          label={`picture ${index}, large`}
        />
      )}
      <div>
        <h3>Picture {index} of the training set</h3>
        <p>
          The {pictures.predictor} says{" "}
          {belief.map((one) => `${name(one.class)} ${percent(100 * one.probability)}`).join(", ")}.{" "}
          {other && `The other model says ${name(other.class)} ${percent(100 * other.probability)}. `}
          {truth !== undefined && `The data set says ${name(truth)}; training does not know.`}
        </p>
        <table>
          <caption class="hidden">What it was taken for</caption>
          <thead>
            <tr>
              <th class="number">step</th>
              <th>taken for</th>
              <th class="number">probability</th>
            </tr>
          </thead>
          <tbody>
            {history.slice(-12).map((one) => (
              <tr key={one.step}>
                <td class="number">{one.step}</td>
                <td>{name(one.class)}</td>
                <td class="number">{one.probability.toFixed(2)}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <button type="button" onClick={onClose}>
          Close
        </button>
      </div>
    </section>
  );
}
