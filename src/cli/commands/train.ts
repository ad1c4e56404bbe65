/** `fewlabels train [run.yaml] [flags]`: one run. */
import { lineName } from "../../files/names.js";
import { boolean } from "../../options.js";
import type { RunResult } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import { launchedAs } from "../../torch/index.js";
import { type CommandContext, defineCommand, optionalArgument } from "../command.js";
import { duration, quoted } from "../format.js";
import { print, printError } from "../output.js";
import { errorsOf, Progress } from "../progress.js";
import { configOf } from "../run-config.js";
import { runTraining } from "../run-training.js";
import { interruptedExitCode } from "../signals.js";

export const train = defineCommand({
  name: "train",
  summary: "one run, or the rest of an interrupted one",
  description: "Train one network. Every option is a flag here, a key in the YAML file and a field of the library.",
  arguments: {
    config: optionalArgument("YAML file with run options, or the name of a shipped experiment; flags override it"),
  },
  options: { json: boolean(false, { doc: "print the result as one JSON line at the end; progress goes to stderr" }) },
  takes: "run",
  together: true,
  examples: [
    "fewlabels train --dataset digits --labels 100 --steps 1000 --model.width 0.25",
    "fewlabels train --dataset cifar10 --data cifar-10-batches-bin --labels 4000 --method mean-teacher",
    "fewlabels train run.yaml --seed 2",
    "fewlabels train --resume runs/digits-mean-teacher-20261120-213455",
  ],
  notes:
    "Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 bad data, 130 interrupted (a checkpoint was written).",
  run: ({ config, json }, context) => trainCommand(config, json, context),
});

async function trainCommand(file: string | undefined, json: boolean, context: CommandContext): Promise<void> {
  // Of several processes the first one tells; the others say what goes wrong.
  const place = launchedAs();
  const tells = place === undefined || place.rank === 0;
  const stream = json ? process.stderr : process.stdout;
  const progress = new Progress({ stream: tells ? stream : { write() {} } });
  const config = configOf(file, context);
  if (config.resume !== undefined) {
    const result = RunFolder.open(config.out).result<RunResult>();
    if (result && !tells) return;
    if (result) {
      printError(`${config.out} is finished: all ${result.steps} steps are done; nothing to resume`);
      printResult(result, config.out, json);
      return;
    }
  }
  const outcome = await runTraining(config, progress);
  if (outcome.kind === "done") {
    if (tells) printResult(outcome.result, outcome.out, json);
    if (outcome.trouble) throw outcome.trouble;
  } else {
    if (tells) printError(`continue with: fewlabels train --resume ${quoted(outcome.out)}`);
    process.exitCode ||= interruptedExitCode; // 1 where stdout could not be written
  }
}

function printResult(result: RunResult, out: string, json: boolean): void {
  if (json) {
    print(JSON.stringify(result));
    return;
  }
  const speed = `${Math.round(result.imagesPerSecond)} images/s`;
  const { bestVal } = result;
  print(
    `done in ${duration(result.elapsedSeconds)}: ${errorsOf(result.test)} test error; the result is the ${result.predictor}'s, ${result.error.toFixed(2)} %`,
    ...worstClasses(result.perClass),
    ...(bestVal
      ? [
          `best on validation: step ${bestVal.step} with ${bestVal.valError.toFixed(2)} %; its test error is ${bestVal.error.toFixed(2)} %`,
        ]
      : []),
    `${speed}, ${(result.stepSecondsMedian * 1000).toFixed(1)} ms a step, ${Math.round(result.peakMemoryMB)} MB at most; everything is in ${out}`,
  );
}

/** The classes with the largest errors, where there are more of them than the error of all tells. */
export function worstClasses(perClass: RunResult["perClass"] = [], shown = 3): string[] {
  const known = perClass.filter(({ n }) => n > 0).toSorted((a, b) => b.error - a.error);
  if (known.length < 3 || known[0]!.error === 0) return [];
  const worst = known
    .slice(0, Math.min(shown, known.length - 1))
    .map((one) => `${one.class} ${one.error.toFixed(2)} %`);
  const best = known.at(-1)!;
  return [lineName(`worst classes: ${worst.join(", ")}; best: ${best.class} ${best.error.toFixed(2)} %`)];
}
