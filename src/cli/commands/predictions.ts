/** `fewlabels predictions RUN --out TABLE`: what a trained run predicts for every training image, as a file. */
import { predictRun } from "../../inference/prediction-table.js";
import { boolean, choice, integer, required, text } from "../../options.js";
import { TABLE_DTYPES } from "../../targets/index.js";
import { argument, defineCommand } from "../command.js";
import { count } from "../format.js";
import { makePlaces, print, printError } from "../output.js";

/** Seconds between two lines of progress. */
const PROGRESS_SECONDS = 5;

export const predictions = defineCommand({
  name: "predictions",
  summary: "a trained network's predictions for the training images: the table that Reduced Meta Pseudo Labels reads",
  description:
    "Store what a run's model predicts for every training image, not augmented: N rows of K probabilities in one file, by position.",
  arguments: { run: argument("run folder") },
  options: {
    out: required(text(undefined, { value: "file", doc: "the table to write" })),
    dtype: choice(TABLE_DTYPES, "float16", { doc: "size of a number in the table" }),
    batch: integer(undefined, { min: 1, doc: "images a pass (default: the run's --test-batch)" }),
    data: text(undefined, {
      value: "folder",
      doc: "folder with the data set's files, where it is not the one of the training run",
    }),
    labels: text(undefined, {
      value: "file",
      doc: "the run's labels file, where it does not lie where the training run had it",
    }),
    json: boolean(false, { doc: "print what was written as one JSON line" }),
  },
  examples: [
    "fewlabels predictions runs/large --out large.table",
    "fewlabels train --method reduced-meta-pseudo-labels --method.table large.table --dataset cifar10 --data DIR",
  ],
  async run({ run, json, ...options }, { who }) {
    makePlaces(who, { out: options.out });
    let shown = Date.now();
    const onProgress = (done: number, total: number) => {
      if (done < total && Date.now() - shown < 1000 * PROGRESS_SECONDS) return;
      shown = Date.now();
      printError(`predicted ${count(done)} of ${count(total)} images`);
    };
    const result = await predictRun(run, { ...options, onProgress });
    const { out, rows, classes, dtype, predictor } = result;
    if (json) print(JSON.stringify(result));
    else
      print(`${out}: ${count(rows)} rows of ${count(classes)} ${dtype} probabilities, predicted by the ${predictor}`);
  },
});
