/** `fewlabels predict RUN FILES...`: class and probabilities of pictures. */
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Command, InvalidArgumentError, Option } from "commander";
import { DataError } from "../../errors.js";
import { isFolder, listImages } from "../../images/image-files.js";
import { openPredictor, type Prediction } from "../../inference/predict.js";
import { print, printError } from "../output.js";

interface PredictFlags {
  readonly json?: boolean;
  readonly topK?: number;
  readonly batch: number;
  readonly role?: string;
  readonly device?: string;
  readonly threads?: number;
}

export function addPredict(program: Command): void {
  const command = program
    .command("predict")
    .argument("<run>", "run folder")
    .argument("<files...>", "pictures, folders of pictures, or - for a list of files on stdin, one a line")
    .summary("class and probabilities of pictures")
    .description("Say what a trained run takes pictures for. Needs the run folder alone, not the training data.")
    .option("--json", "print one JSON object a picture: file, class, probability, and probabilities or top; or error")
    .option(
      "--top-k <k>",
      "how many of the most probable classes to print (default: all with --json, else 1)",
      atLeastOne,
    );
  addPredictorFlags(command)
    .addHelpText(
      "after",
      `
Examples:
  fewlabels predict runs/mine holiday.jpg
  fewlabels predict runs/mine pictures/ --json --top-k 3
  find . -name '*.jpg' | fewlabels predict runs/mine - --json

A picture that cannot be read is reported and passed over. Exit codes: 0 at least one picture was predicted, 3 none.`,
    )
    .action(predictCommand);
}

/** The flags that everything that predicts has. */
export function addPredictorFlags(command: Command): Command {
  return command
    .option("--batch <n>", "pictures a pass", atLeastOne, 500)
    .option("--role <model>", "student or teacher (default: the one whose error is the method's result)")
    .addOption(
      new Option("--device <device>", "where to compute (default: the run's)").choices(["auto", "cpu", "cuda", "mps"]),
    )
    .option("--threads <n>", "CPU threads of the engine (default: the run's)", atLeastOne);
}

async function predictCommand(run: string, files: string[], flags: PredictFlags): Promise<void> {
  const predictor = openPredictor(run, flags);
  let predicted = 0;
  for await (const prediction of predictor.predict(allFiles(files), flags.batch)) {
    if (!("error" in prediction)) predicted++;
    if (flags.json) print(JSON.stringify(jsonOf(prediction, predictor.classes, flags.topK)));
    else if ("error" in prediction) printError(`${prediction.file}: ${prediction.error}`);
    else print(lineOf(prediction, predictor.classes, flags.topK ?? 1));
  }
  if (predicted === 0) throw new DataError("fewlabels predict: not one picture could be read");
}

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
    prediction.file,
    ...ranked.map(({ class: name, probability }) => `${name} ${(100 * probability).toFixed(1)} %`),
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

/** Files as they are named, the pictures of folders, and the lines of stdin for "-". */
async function* allFiles(named: readonly string[]): AsyncGenerator<string> {
  for (const name of named) {
    if (name === "-") {
      for await (const line of createInterface({ input: process.stdin })) if (line.trim() !== "") yield line;
    } else if (isFolder(name)) {
      for (const file of listImages(name).files) yield join(name, file);
    } else yield name;
  }
}

function atLeastOne(raw: string): number {
  const value = Number(raw);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError(`Expected a whole number of at least 1, got "${raw}".`);
  return value;
}
