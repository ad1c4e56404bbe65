/** How good the models are, what they confuse, and how to take one away. */
import { useState } from "preact/hooks";
import type { Confusion, RatedModel } from "../../../src/web/label/api.js";
import { linkTo } from "../shared/hash.js";
import { Matrix, tint } from "../shared/matrix.js";
import { exportAs } from "./actions.js";
import { ErrorChart } from "./error-chart.js";
import type { Studio } from "./use-studio.js";

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

/** "12.0 % (95 %: 5.6 % to 23.8 %)" */
export function errorWords({ error, tested }: RatedModel): string {
  return tested === 0
    ? "not measured yet"
    : `${percent(error.share)} (95 %: ${percent(error.low)} to ${percent(error.high)})`;
}

export function ModelView({ studio }: { readonly studio: Studio }) {
  const { training, tests } = studio.background;
  if (!training) return <p>Nothing is trained: the studio was started with --no-train.</p>;
  const { models, running, waiting, problem, confusion, command } = training;
  const last = models.at(-1);
  return (
    <section class="model" aria-label="Model">
      <h2>Error</h2>
      {last ? (
        <p class="figure">
          <strong>{errorWords(last)}</strong> of {last.tested} test pictures, model <code>{last.run}</code>,{" "}
          {last.labels} labels
        </p>
      ) : (
        <p>No model yet.</p>
      )}
      <p class="soft">
        {running && `Training with ${running.labels} labels. `}
        {!running && waiting !== undefined && `The first model waits for ${waiting}. `}
        The test set holds {tests.labeled} labeled pictures of {tests.most} drawn at random
        {tests.none + tests.skipped > 0 &&
          `, and ${tests.none} in none of the classes and ${tests.skipped} skipped ones that are in no error`}
        . They train no model.
      </p>
      {problem !== undefined && <p class="warning">{problem}</p>}
      <ErrorChart models={models} />
      {confusion && last && last.tested > 0 && <Confused confusion={confusion} />}
      {training.doubts > 0 && (
        <p>
          <a href={linkTo("grid", { show: "doubts" })}>
            {training.doubts === 1 ? "1 label" : `${training.doubts} labels`} that the pictures seem to contradict: look
            again
          </a>
        </p>
      )}
      {training.guesses !== undefined && <Export studio={studio} run={training.guesses} />}
      <details>
        <summary>The same by command</summary>
        <pre>{command}</pre>
        {last && <pre>{`fewlabels predict ${studio.out}/${last.run} FILES...`}</pre>}
        <p class="soft">
          Labels: <code>{studio.out}/labels.csv</code>
        </p>
      </details>
    </section>
  );
}

function Confused({ confusion: { classes, counts } }: { readonly confusion: Confusion }) {
  const most = Math.max(1, ...counts.flat());
  return (
    <>
      <h2>Confusion</h2>
      <Matrix
        classes={classes}
        caption="Test pictures: rows are your labels, columns what the model says"
        cellOf={(i, k) => {
          const n = counts[i]![k]!;
          return { text: n === 0 ? "" : String(n), ground: tint(i === k, n / most) };
        }}
      />
    </>
  );
}

const formats = [
  ["onnx", "ONNX file"],
  ["web", "web page"],
  ["transformers", "transformers.js folder"],
  ["safetensors", "safetensors"],
] as const;

function Export({ studio, run }: { readonly studio: Studio; readonly run: string }) {
  const [format, setFormat] = useState<string>("onnx");
  const [state, setState] = useState<{ readonly words: string; readonly bad?: boolean; readonly busy?: boolean }>();
  return (
    <>
      <h2>Export</h2>
      <form
        class="bar"
        onSubmit={(event) => {
          event.preventDefault();
          setState({ words: "Exporting ...", busy: true });
          exportAs(format).then(
            ({ out, command }) => setState({ words: `Written: ${out}\n${command}` }),
            (error: Error) => setState({ words: error.message, bad: true }),
          );
        }}
      >
        <label>
          {run} as
          <select value={format} onChange={(event) => setFormat(event.currentTarget.value)}>
            {formats.map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <button type="submit" disabled={state?.busy === true}>
          export
        </button>
        <span class="soft">into {studio.out}/export</span>
      </form>
      <pre role="status" class={state?.bad ? "bad" : ""}>
        {state?.words ?? ""}
      </pre>
    </>
  );
}
