/** The labelling studio: its head, and the view that the address names. */
import { useMemo, useState } from "preact/hooks";
import { usePlace } from "../shared/hash.js";
import { Page } from "../shared/page.js";
import { actionsOf } from "./actions.js";
import { GridView } from "./grid-view.js";
import { MapView } from "./map.js";
import { errorWords, ModelView } from "./model-view.js";
import { Single } from "./single.js";
import { type Counts, countsOf, type Studio, useStudio } from "./use-studio.js";

const views = [
  ["label", "Label"],
  ["grid", "Many at once"],
  ["map", "Map"],
  ["model", "Model"],
] as const;

const PERSON = "fewlabels-person";

export function Label() {
  const studio = useStudio();
  const { view, query } = usePlace();
  const [current] = views.find(([name]) => name === view) ?? views[0];
  const [by, setBy] = useState(() => localStorage.getItem(PERSON) ?? "");
  const [said, setSaid] = useState("");
  const [problem, setProblem] = useState("");
  const actions = useMemo(
    () =>
      actionsOf(
        by,
        (text) => {
          setSaid(text);
          setProblem("");
        },
        setProblem,
      ),
    [by],
  );
  const counts = useMemo(() => (studio ? countsOf(studio) : undefined), [studio?.codes, studio?.classes]);
  const row = query.get("row");
  const person = (
    <label class="person">
      I am
      <input
        value={by}
        size={10}
        maxLength={60}
        placeholder="name"
        onInput={(event) => {
          setBy(event.currentTarget.value);
          localStorage.setItem(PERSON, event.currentTarget.value);
        }}
      />
    </label>
  );
  return (
    <Page
      name="label"
      views={views}
      current={current}
      extra={person}
      lost={studio?.connected === false}
      problem={problem}
    >
      {!studio || !counts ? <p class="soft">Reading the folder ...</p> : <Progress studio={studio} counts={counts} />}
      <p role="status" class="hidden" data-said>
        {said}
      </p>
      {studio && counts && current === "label" && (
        <Single
          key={row ?? ""}
          studio={studio}
          counts={counts}
          actions={actions}
          only={row === null ? undefined : Number(row)}
        />
      )}
      {studio && counts && current === "grid" && (
        <GridView studio={studio} counts={counts} actions={actions} show={query.get("show") ?? "open"} />
      )}
      {studio && counts && current === "map" && <MapView studio={studio} counts={counts} actions={actions} />}
      {studio && current === "model" && <ModelView studio={studio} />}
    </Page>
  );
}

function Progress({ studio, counts }: { readonly studio: Studio; readonly counts: Counts }) {
  const labeled = counts.byClass.reduce((sum, n) => sum + n, 0);
  const { background, count, folder } = studio;
  const { training, reading, problem } = background;
  const last = training?.models.at(-1);
  return (
    <p class="progress">
      <span class="meter" aria-hidden="true">
        <span style={{ width: `${(100 * (count - counts.open)) / Math.max(1, count)}%` }} />
      </span>
      <span>
        {labeled} labels, {counts.none} in none, {counts.skipped} skipped, of {count} pictures in <code>{folder}</code>
      </span>
      <span data-error>
        {last ? `error ${errorWords(last)}` : training ? "no model yet" : ""}
        {/* Its place is kept: a line that breaks anew moves all below it from under the pointer. */}
        {training && <span style={{ visibility: training.running ? "visible" : "hidden" }}>, training ...</span>}
      </span>
      <span class="soft">{reading ? `reading pictures: ${reading.done} of ${reading.total}` : (problem ?? "")}</span>
    </p>
  );
}
