/** Times the real training loop, data and all, without evaluation: what `bench` and `doctor` share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunConfig } from "../../config/resolve.js";
import type { StartEvent } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import { runInWorker } from "../../train/worker.js";

export interface Measurement {
  readonly start: StartEvent;
  readonly versions: Readonly<Record<string, string>>;
  /** Seconds of each measured step. */
  readonly stepSeconds: readonly number[];
  /** Resident memory of the process in MB, after each measured step. */
  readonly memoryMB: readonly number[];
  /** Mean seconds a step by phase, where the loop reports them. */
  readonly phases: Readonly<Record<string, number>>;
}

/** Runs `warmup` + `steps` steps of `config` in a temporary run folder, which is removed, and keeps the last `steps`. */
export async function measure(
  config: RunConfig,
  {
    warmup,
    steps,
    onStep = () => {},
  }: { warmup: number; steps: number; onStep?: (step: number, seconds: number) => void },
): Promise<Measurement> {
  const folder = mkdtempSync(join(tmpdir(), "fewlabels-bench-"));
  try {
    // More steps than are needed: the run is stopped before its end, which would evaluate the whole test set.
    const quiet = { evalEvery: 0, checkpointEvery: 0, logEvery: 1, resume: undefined, out: join(folder, "run") };
    const run = runInWorker({ ...config, ...quiet, steps: warmup + steps + 10_000 });
    const stepSeconds: number[] = [];
    const memoryMB: number[] = [];
    const sums: Record<string, number> = {};
    let start: StartEvent | undefined;
    for await (const event of run) {
      if (event.type === "start") start = event;
      if (event.type !== "step" || stepSeconds.length === steps) continue;
      onStep(event.step, event.stepSeconds);
      if (event.step <= warmup) continue;
      stepSeconds.push(event.stepSeconds);
      memoryMB.push(process.memoryUsage.rss() / 2 ** 20);
      for (const [name, seconds] of Object.entries(event.phases ?? {}))
        sums[name] = (sums[name] ?? 0) + seconds / steps;
      if (stepSeconds.length === steps) run.stop();
    }
    const { versions } = RunFolder.open(join(folder, "run")).config();
    return { start: start!, versions, stepSeconds, memoryMB, phases: sums };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
