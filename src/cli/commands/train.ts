/** `fewlabels train [run.yaml] [flags]`: one run. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { withMethod } from "../../config/catalog.js";
import { readConfigFile } from "../../config/config-file.js";
import { asFlags, type Describe, type Given } from "../../config/given.js";
import { type RunConfig, resolveConfig } from "../../config/resolve.js";
import { resumeConfig } from "../../config/resume.js";
import { UsageError } from "../../errors.js";
import type { RunResult } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import { type ExternalMethod, withMethodName } from "../external-method.js";
import { addRunFlags, givenFlags } from "../flags.js";
import { duration, quoted } from "../format.js";
import { print, printError } from "../output.js";
import { errorsOf, Progress } from "../progress.js";
import { registries as packaged } from "../registries.js";
import { interruptedExitCode, runTraining } from "../run-training.js";

const who = "fewlabels train";

export function addTrain(program: Command, external?: ExternalMethod): void {
  const command = program
    .command("train")
    .argument("[config]", "YAML file with run options, or the name of a shipped experiment; flags override it")
    .summary("train one network")
    .description("Train one network. Every option is a flag here, a key in the YAML file and a field of the library.")
    .option("--json", "print the result as one JSON line at the end; progress goes to stderr");
  addRunFlags(command, external ? withMethod(packaged, external) : packaged);
  command.addHelpText(
    "after",
    `
Examples:
  fewlabels train --dataset digits --labels 100 --steps 1000 --model.width 0.25
  fewlabels train --dataset cifar10 --data cifar-10-batches-bin --labels 4000 --method mean-teacher
  fewlabels train run.yaml --seed 2
  fewlabels train --resume runs/digits-mean-teacher-20261120-213455

Exit codes: 0 done, 1 failed while running, 2 wrong usage, 3 bad data, 130 interrupted (a checkpoint was written).`,
  );
  command.action((file: string | undefined, values: Record<string, unknown>) =>
    trainCommand(file, givenFlags(values, ["json"], who), values.json === true, external),
  );
}

async function trainCommand(
  file: string | undefined,
  flags: Given,
  json: boolean,
  external: ExternalMethod | undefined,
): Promise<void> {
  const progress = new Progress({ stream: json ? process.stderr : process.stdout });
  const config = configOf(file, flags, (message) => printError(`warning: ${message}`), external);
  if (config.resume !== undefined) {
    const result = RunFolder.open(config.out).result<RunResult>();
    if (result) {
      printError(`${config.out} is finished: all ${result.steps} steps are done; nothing to resume`);
      printResult(result, config, json);
      return;
    }
  }
  const outcome = await runTraining(config, progress);
  if (outcome.kind === "done") printResult(outcome.result, config, json);
  else {
    printError(`continue with: fewlabels train --resume ${quoted(config.out)}`);
    process.exitCode = interruptedExitCode;
  }
}

/** Merges flags over the file, and continues a saved run where `--resume` says so. */
export function configOf(
  file: string | undefined,
  flags: Given,
  warn: (message: string) => void,
  external?: ExternalMethod,
): RunConfig {
  const registries = external ? withMethod(packaged, external) : packaged;
  const yaml = file === undefined ? undefined : readConfigFile(file);
  const given = withMethodName(new Map([...(yaml?.given ?? []), ...flags]), external);
  const describe: Describe = (key) =>
    yaml && !flags.has(key) && yaml.given.has(key) ? yaml.describe(key) : asFlags(who)(key);

  const resume = given.get("resume");
  if (resume === undefined || resume === false) return resolveConfig(given, registries, { describe, warn });
  const out = given.get("out");
  if (resume === true && out === undefined) {
    throw new UsageError(`${who}: --resume needs the run folder: --resume RUN, or --out RUN --resume`);
  }
  if (resume !== true && out !== undefined && String(resume) !== String(out)) {
    throw new UsageError(`${who}: --resume ${resume} continues in that folder; leave --out ${out} out`);
  }
  const folder = String(resume === true ? out : resume);
  if (resume === true && !existsSync(join(folder, "config.json"))) {
    warn(`${folder} holds no run yet; starting from the beginning`);
    return resolveConfig(given, registries, { describe, warn });
  }
  const { versions, dataFingerprint, ...saved } = RunFolder.open(folder).config<RunConfig>();
  return resumeConfig(given, saved as RunConfig, folder, { describe });
}

function printResult(result: RunResult, config: RunConfig, json: boolean): void {
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
    `${speed}, ${(result.stepSecondsMedian * 1000).toFixed(1)} ms a step, ${Math.round(result.peakMemoryMB)} MB at most; everything is in ${config.out}`,
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
  return [`worst classes: ${worst.join(", ")}; best: ${best.class} ${best.error.toFixed(2)} %`];
}
