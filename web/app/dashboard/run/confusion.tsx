/** Confusion matrix and error by class of a run, or how they differ between two. */
import { useState } from "preact/hooks";
import type { RunRow, SeenStep } from "../../../../src/web/dashboard/api.js";
import { Matrix, tint } from "../../shared/matrix.js";
import { errorWords, matrixOf, rowErrors, sameClasses } from "./matrix.js";
import { useSeen } from "./use-seen.js";

export function Confusion({ rows }: { readonly rows: readonly RunRow[] }) {
  const [first, second] = [useSeen(rows[0], true), useSeen(rows[1], true)];
  const [role, setRole] = useState<string>();
  const [asPercent, setAsPercent] = useState(true);
  const [difference, setDifference] = useState(true);
  const [chosenStep, setChosenStep] = useState<number>();
  if (first.problem) return <p>{first.problem}</p>;
  const steps = first.steps.filter(({ confusion }) => confusion !== undefined);
  const now = steps.findLast(({ step }) => chosenStep === undefined || step <= chosenStep);
  if (!first.seen) return <p class="soft">Reading ...</p>;
  if (!now?.confusion) {
    return <p>No confusion matrix yet: the run has not evaluated, or it has more than 100 classes.</p>;
  }
  const { classes, predictor } = first.seen.pictures;
  const shown = role !== undefined && role in now.confusion ? role : predictor;
  const other = rows[1] ? second.steps.findLast(({ confusion }) => confusion?.[shown] !== undefined) : undefined;
  const fits = other !== undefined && sameClasses(classes, second.seen?.pictures.classes);
  const compared = difference && fits ? other : undefined;
  return (
    <>
      <div class="bar">
        <label>
          of the
          <select value={shown} onChange={(event) => setRole(event.currentTarget.value)}>
            {Object.keys(now.confusion).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
        <label>
          <input type="checkbox" checked={asPercent} onChange={(event) => setAsPercent(event.currentTarget.checked)} />
          percent of the true class
        </label>
        <label>
          after step
          <input
            type="range"
            min="0"
            max={steps.length - 1}
            value={steps.indexOf(now)}
            aria-valuetext={String(now.step)}
            onInput={(event) => setChosenStep(steps[Number(event.currentTarget.value)]?.step)}
          />
          <output>{now.step}</output>
        </label>
        {fits && (
          <label>
            <input
              type="checkbox"
              checked={difference}
              onChange={(event) => setDifference(event.currentTarget.checked)}
            />
            minus {rows[1]!.id}
          </label>
        )}
      </div>
      <p class="soft">
        {rows[0]!.id}, {now.split} images, step {now.step}
        {compared && `, minus ${rows[1]!.id}, ${compared.split} images, step ${compared.step}`}
        {rows.length < 2 && ". Choose a second run in the list to see the difference of two."}
        {rows[1] && !fits && `. ${rows[1].id} has no matrix of the same classes to compare with.`}
      </p>
      <RunMatrix classes={classes} now={now} compared={compared} role={shown} asPercent={asPercent} />
    </>
  );
}

interface RunMatrixProps {
  readonly classes: readonly string[];
  readonly now: SeenStep;
  readonly compared: SeenStep | undefined;
  readonly role: string;
  readonly asPercent: boolean;
}

function RunMatrix({ classes, now, compared, role, asPercent }: RunMatrixProps) {
  const counts = now.confusion![role]!;
  const others = compared?.confusion?.[role];
  const values = matrixOf(counts, others, asPercent);
  const errors = rowErrors(counts);
  const before = others && rowErrors(others);
  const most = Math.max(
    1e-9,
    ...values.flatMap((line, i) => line.map((value, k) => (i === k && !others ? 0 : Math.abs(value)))),
  );
  const text = (value: number) => {
    const sign = others && value > 0 ? "+" : "";
    return value === 0 ? "" : `${sign}${asPercent ? value.toFixed(value > -10 && value < 10 ? 1 : 0) : value}`;
  };
  const ground = (value: number, diagonal: boolean) => {
    // A good change is green, in both places: more on the diagonal, less beside it.
    const good = others ? value > 0 === diagonal : diagonal;
    const strength = Math.min(
      1,
      Math.abs(value) / (others || !diagonal ? most : asPercent ? 100 : Math.max(...counts.flat(), 1)),
    );
    return tint(good, strength);
  };
  const shownError = (i: number) => errorWords(errors[i]!.error, before?.[i]?.error);
  return (
    <Matrix
      classes={classes}
      caption="Rows are true classes, columns what they were taken for"
      cellOf={(i, k) => ({
        text: text(values[i]![k]!),
        ground: ground(values[i]![k]!, i === k),
        title: `${classes[i]} taken for ${classes[k]}: ${counts[i]![k]}`,
      })}
      more={[
        { head: "error", style: "whole", of: shownError },
        { head: "images", of: (i) => errors[i]!.n },
      ]}
    />
  );
}
