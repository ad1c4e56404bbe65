/** `fewlabels predictions RUN --out TABLE`: what a trained run predicts for every training image, as a file. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { predictRun } from "../../inference/prediction-table.js";
import { TABLE_DTYPES, type TableDType } from "../../targets/index.js";
import { count } from "../format.js";
import { print, printError } from "../output.js";

interface Given {
  readonly out: string;
  readonly dtype: TableDType;
  readonly batch?: number;
  readonly data?: string;
  readonly json?: boolean;
}

/** Seconds between two lines of progress. */
const PROGRESS_SECONDS = 5;

export function addPredictions(program: Command): void {
  program
    .command("predictions")
    .argument("<run>", "run folder")
    .summary("store a run's predictions on all training images, for reduced-meta-pseudo-labels")
    .description(
      "Store what a run's model predicts for every training image, not augmented: N rows of K probabilities in one file, by position.",
    )
    .requiredOption("--out <file>", "the table to write")
    .addOption(new Option("--dtype <type>", "size of a number in the table").choices(TABLE_DTYPES).default("float16"))
    .option("--batch <n>", "images a pass (default: the run's --test-batch)", wholeNumber)
    .option("--data <dir>", "folder with the data set's files, where it is not the one of the training run")
    .option("--json", "print what was written as one JSON line")
    .addHelpText(
      "after",
      "\nExample:\n  fewlabels predictions runs/large --out large.table\n  fewlabels train --method reduced-meta-pseudo-labels --method.table large.table --dataset cifar10 --data DIR",
    )
    .action(async (run: string, { json, ...given }: Given) => {
      let shown = Date.now();
      const onProgress = (done: number, total: number) => {
        if (done < total && Date.now() - shown < 1000 * PROGRESS_SECONDS) return;
        shown = Date.now();
        printError(`predicted ${count(done)} of ${count(total)} images`);
      };
      const result = await predictRun(run, { ...given, onProgress });
      const { out, rows, classes, dtype, predictor } = result;
      if (json) print(JSON.stringify(result));
      else
        print(`${out}: ${count(rows)} rows of ${count(classes)} ${dtype} probabilities, predicted by the ${predictor}`);
    });
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new InvalidArgumentError("expected a whole number of at least 1");
}
