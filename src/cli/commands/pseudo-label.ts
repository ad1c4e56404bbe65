/** `fewlabels pseudo-label RUN --data DIR --out FILE.csv`: labels for unlabeled pictures, as a labels file. */
import { join } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { DataError } from "../../errors.js";
import { isFolder, listImages } from "../../images/image-files.js";
import { openPredictor } from "../../inference/predict.js";
import { LabelWriter } from "../../labels/write-labels.js";
import { count, table } from "../format.js";
import { print, printError } from "../output.js";
import { addPredictorFlags } from "./predict.js";

const who = "fewlabels pseudo-label";

interface PseudoLabelFlags {
  readonly data: string;
  readonly out: string;
  readonly minConfidence: number;
  readonly batch: number;
  readonly json?: boolean;
  readonly role?: string;
  readonly device?: string;
  readonly threads?: number;
}

/** What `--json` prints. */
interface Summary {
  readonly out: string;
  readonly minConfidence: number;
  /** Pictures found; each is labeled, abstained from or damaged. */
  readonly files: number;
  readonly labeled: number;
  readonly abstained: number;
  readonly damaged: number;
  /** Labels given, by class. */
  readonly byClass: Readonly<Record<string, number>>;
}

export function addPseudoLabel(program: Command): void {
  const command = program
    .command("pseudo-label")
    .argument("<run>", "run folder")
    .summary("labels for unlabeled pictures")
    .description(
      "Label pictures with a trained run: CSV with file, label, confidence, which `--labels FILE` takes. Needs the run folder alone.",
    )
    .requiredOption("--data <dir>", "folder with the pictures; where it has a folder `unlabeled`, only those in that")
    .requiredOption("--out <file>", "CSV file to write")
    .option("--min-confidence <p>", "leave pictures out whose most probable class is below p", probability, 0)
    .option("--json", "print the summary as one JSON line");
  addPredictorFlags(command)
    .addHelpText(
      "after",
      `
Examples:
  fewlabels pseudo-label runs/mine --data pictures --out pseudo.csv --min-confidence 0.9
  fewlabels train --dataset folder --data pictures --labels pseudo.csv --dataset.keepLabels`,
    )
    .action(pseudoLabelCommand);
}

async function pseudoLabelCommand(run: string, flags: PseudoLabelFlags): Promise<void> {
  const predictor = openPredictor(run, flags);
  const names = picturesOf(flags.data);
  const byClass: Record<string, number> = Object.fromEntries(predictor.classes.map((name) => [name, 0]));
  let [abstained, damaged, at] = [0, 0, 0];
  const file = new LabelWriter(flags.out);
  try {
    const paths = names.map((name) => join(flags.data, name));
    for await (const prediction of predictor.predict(paths, flags.batch)) {
      const name = names[at++]!;
      if ("error" in prediction) {
        damaged++;
        printError(`${name}: ${prediction.error}`);
      } else if (prediction.probability < flags.minConfidence) {
        abstained++;
      } else {
        byClass[prediction.class]! += 1;
        file.add(name, prediction.class, prediction.probability);
      }
    }
    if (damaged === names.length) throw new DataError(`${who}: not one picture could be read`);
    file.finish();
  } finally {
    file.abandon();
  }
  const labeled = Object.values(byClass).reduce((a, b) => a + b, 0);
  const { out, minConfidence } = flags;
  report({ out, minConfidence, files: names.length, labeled, abstained, damaged, byClass }, flags.json === true);
}

/** Names relative to `dir`, which is what a labels file for `dir` needs. */
function picturesOf(dir: string): readonly string[] {
  if (!isFolder(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data`);
  const inner = ["unlabeled", "unlabelled"].find((name) => isFolder(join(dir, name)));
  const { files } = listImages(inner === undefined ? dir : join(dir, inner));
  if (files.length === 0) throw new DataError(`${who}: found no pictures in ${dir}. Check --data`);
  return inner === undefined ? files : files.map((file) => `${inner}/${file}`);
}

function report(summary: Summary, json: boolean): void {
  if (json) {
    print(JSON.stringify(summary));
    return;
  }
  const { out, files, labeled, abstained, damaged, byClass, minConfidence } = summary;
  print(
    `${count(labeled)} of ${count(files)} pictures labeled in ${out}; ${count(abstained)} left out below confidence ${minConfidence}, ${count(damaged)} damaged`,
    ...table([["class", "labels"], ...Object.entries(byClass).map(([name, n]) => [name, count(n)])]),
  );
}

function probability(raw: string): number {
  const value = Number(raw);
  if (raw.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError(`Expected a number in 0..1, got "${raw}".`);
  return value;
}
