/** Many runs in one command: what is laid over all of them, progress over all of them, stopping and going on. */
import { resolve } from "node:path";
import type { Catalog } from "../../../config/catalog.js";
import { usableCores } from "../../../config/cores.js";
import type { Given } from "../../../config/given.js";
import { runOptions } from "../../../config/run-options.js";
import type { Scale } from "../../../experiments/definition/definition.js";
import type { PlannedRun } from "../../../experiments/plan.js";
import { ExperimentProgress } from "../../../experiments/progress.js";
import { type RunAllEvent, runAll } from "../../../experiments/run-all.js";
import { findMovedData, stateOf } from "../../../experiments/run-state.js";
import { parseOption } from "../../../options.js";
import { holdFolder } from "../../../run/hold-folder.js";
import { duration } from "../../format.js";
import { print, printError } from "../../output.js";
import { untilStopped } from "../../signals.js";

export interface RunningOptions {
  /** Folder of all runs, held meanwhile. */
  readonly out: string;
  readonly jobs: number;
  readonly threads: number;
  readonly json: boolean;
  readonly catalog: Catalog;
}

/** Runs what is left; whether it was interrupted. A failed arm sets the exit code. Throws UsageError where another process is at it. */
export function runWithProgress(runs: readonly PlannedRun[], options: RunningOptions): Promise<boolean> {
  return holdFolder(options.out, () =>
    untilStopped("stopping: the runs write a checkpoint; interrupt again to quit at once", (signal) =>
      runHeld(runs, options, signal),
    ),
  );
}

async function runHeld(
  runs: readonly PlannedRun[],
  { jobs, threads, json, catalog }: RunningOptions,
  signal: AbortSignal,
): Promise<boolean> {
  await findMovedData(runs, catalog);
  const say = json ? printError : print;
  const progress = new ExperimentProgress(runs, jobs);
  const left = runs.filter((run) => stateOf(run) !== "finished").length;
  say(`${runs.length} runs, ${runs.length - left} finished before; ${jobs} at a time with ${threads} threads`);
  let told = 0;
  const onEvent = (event: RunAllEvent) => {
    progress.event(event);
    const { done, total, share, etaSeconds } = progress.state();
    const all = `${done}/${total} runs  ${(100 * share).toFixed(0)} %  ETA ${duration(etaSeconds)}`;
    if (event.type === "finished") say(`${all}  finished ${event.run.key} in ${duration(event.seconds)}`);
    else if (event.type === "failed") printError(`${event.run.key} failed: ${event.message}`);
    else if (event.type === "step" && Date.now() - told > 10_000) {
      told = Date.now();
      say(`${all}  ${event.run.key} step ${event.step}`);
    }
  };
  const { failed, interrupted } = await runAll(runs, { jobs, threads, catalog, onEvent, signal });
  if (failed.length > 0 && !interrupted) process.exitCode = 1;
  return interrupted;
}

/** CPU threads of each of `jobs` runs at a time: what was given, or its share of the cores. Throws UsageError. */
export function threadsOf(asked: unknown, jobs: number, who: string): number {
  if (asked === undefined) return Math.max(1, Math.floor(usableCores() / jobs));
  return parseOption<number | undefined>(runOptions.threads, "--threads", asked, who)!;
}

/** Options laid over every arm, and what makes a run of an experiment: enough points for a curve, one checkpoint to go on from. */
export function overridesOf(given: Given, scale: Scale): Record<string, unknown> {
  const root = given.get("data") ?? (process.env.FEWLABELS_DATA || undefined);
  return {
    logEvery: 10,
    keepCheckpoints: 1,
    ...(scale === "small" && { checkpointEvery: 100 }),
    ...Object.fromEntries(given),
    ...(root !== undefined && { data: resolve(String(root)) }),
  };
}
