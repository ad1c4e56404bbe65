/** `fewlabels predict RUN FILES...`: class and probabilities of pictures. */
import { join } from "node:path";
import { DataError } from "../../errors.js";
import { lineName, nameLines } from "../../files/names.js";
import { isFolder, listImages } from "../../images/image-files.js";
import { openPredictor, type Prediction } from "../../inference/predict.js";
import { boolean, integer } from "../../options.js";
import { argument, defineCommand, restArguments } from "../command.js";
import { print, printError } from "../output.js";
import { predictorOptions } from "../predictor-options.js";

export const predict = defineCommand({
  name: "predict",
  summary: "class and probabilities for pictures",
  description: "Say what a trained run takes pictures for. Needs the run folder alone, not the training data.",
  arguments: {
    run: argument("run folder"),
    files: restArguments("pictures, folders of pictures, or - for a list of files on stdin, one a line"),
  },
  options: {
    json: boolean(false, {
      doc: "print one JSON object a picture: file, class, probability, and probabilities or top; or error",
    }),
    topK: integer(undefined, {
      min: 1,
      doc: "how many of the most probable classes to print (default: all with --json, else 1)",
    }),
    ...predictorOptions,
  },
  examples: [
    "fewlabels predict runs/mine holiday.jpg",
    "fewlabels predict runs/mine pictures/ --json --top-k 3",
    "find . -name '*.jpg' | fewlabels predict runs/mine - --json",
  ],
  notes:
    "A picture that cannot be read is reported and passed over. Exit codes: 0 at least one picture was predicted, 3 none.",
  async run({ run, files, json, topK, ...options }, { who }) {
    const predictor = await openPredictor(run, options);
    let predicted = 0;
    for await (const prediction of predictor.predict(allFiles(files), options.batch)) {
      if (!("error" in prediction)) predicted++;
      if (json) print(JSON.stringify(jsonOf(prediction, predictor.classes, topK)));
      else if ("error" in prediction) printError(`${lineName(prediction.file)}: ${prediction.error}`);
      else print(lineOf(prediction, predictor.classes, topK ?? 1));
    }
    if (predicted === 0) throw new DataError(`${who}: not one picture could be read`);
  },
});

type Judged = Exclude<Prediction, { readonly error: string }>;

/** One JSON line; probabilities keep seven digits, all that float32 has. */
function jsonOf(prediction: Prediction, classes: readonly string[], topK: number | undefined): object {
  if ("error" in prediction) return prediction;
  const { file, class: name, probability } = prediction;
  const ranked = mostProbable(prediction, classes, topK ?? classes.length);
  return topK === undefined
    ? {
        file,
        class: name,
        probability: short(probability),
        probabilities: Object.fromEntries(classes.map((c, k) => [c, short(prediction.probabilities[k]!)])),
      }
    : { file, class: name, probability: short(probability), top: ranked };
}

function lineOf(prediction: Judged, classes: readonly string[], topK: number): string {
  const ranked = mostProbable(prediction, classes, topK);
  return [
    lineName(prediction.file),
    ...ranked.map(({ class: name, probability }) => `${lineName(name)} ${(100 * probability).toFixed(1)} %`),
  ].join("\t");
}

function mostProbable({ probabilities }: Judged, classes: readonly string[], topK: number) {
  return classes
    .map((name, k) => ({ class: name, probability: short(probabilities[k]!) }))
    .map((entry, k) => ({ entry, k }))
    .sort((a, b) => probabilities[b.k]! - probabilities[a.k]! || a.k - b.k)
    .slice(0, topK)
    .map(({ entry }) => entry);
}

function short(probability: number): number {
  return Number(probability.toPrecision(7));
}

/** Files as they are named, the pictures of folders, and the lines of stdin for the first "-": a second one finds it at its end. */
export async function* allFiles(named: readonly string[]): AsyncGenerator<string> {
  const first = named.indexOf("-");
  for (const [i, name] of named.entries()) {
    if (name === "-") {
      if (i === first) yield* nameLines(process.stdin);
    } else if (isFolder(name)) {
      for (const file of listImages(name).files) yield join(name, file);
    } else yield name;
  }
}
