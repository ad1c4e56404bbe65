/** Times the real training loop, data and all, without evaluation: what `bench` and `doctor` share. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RunConfig } from "../../config/resolve.js";
import { DiskError } from "../../errors.js";
import type { StartEvent } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import { resolveDevice } from "../../session/device.js";
import { runInWorker } from "../../train/worker.js";
import { onStopSignals, quitAtOnce } from "../signals.js";

export interface Measurement {
  readonly start: StartEvent;
  readonly versions: Readonly<Record<string, string>>;
  /** Seconds of each measured step; on a GPU of a step of each interval of ten. */
  readonly stepSeconds: readonly number[];
  /** Resident memory of the process in MB, after each measured step. */
  readonly memoryMB: readonly number[];
  /** Mean seconds a step by phase, where the loop reports them. */
  readonly phases: Readonly<Record<string, number>>;
}

/** Steps between two waits for a GPU. */
const INTERVAL = 10;

/** Throws DiskError where none can be made. */
function temporaryFolder(): string {
  try {
    return mkdtempSync(join(tmpdir(), "fewlabels-bench-"));
  } catch (error) {
    throw new DiskError(
      `cannot make a temporary folder (${(error as Error).message}). Set TMPDIR to a folder that you may write to`,
    );
  }
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
  const folder = temporaryFolder();
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const ignoreSignals = onStopSignals(() => {
    remove();
    quitAtOnce();
  });
  try {
    // More steps than are needed: the run is stopped before its end, which would evaluate the whole test set.
    // On a GPU the steps of an interval run without a wait between them, as they do in a run.
    const every = resolveDevice(config.device) === "cpu" ? 1 : Math.min(INTERVAL, steps);
    const quiet = { evalEvery: 0, checkpointEvery: 0, logEvery: every, resume: undefined, out: join(folder, "run") };
    const run = runInWorker({ ...config, ...quiet, steps: warmup + steps + 10_000 });
    const [stepSeconds, memoryMB]: [number[], number[]] = [[], []];
    const wanted = Math.ceil(steps / every);
    const sums: Record<string, number> = {};
    let start: StartEvent | undefined;
    for await (const event of run) {
      if (event.type === "start") start = event;
      if (event.type !== "step" || stepSeconds.length === wanted) continue;
      onStep(event.step, event.stepSeconds);
      if (event.step <= warmup) continue;
      stepSeconds.push(event.stepSeconds);
      memoryMB.push(process.memoryUsage.rss() / 2 ** 20);
      for (const [name, seconds] of Object.entries(event.phases ?? {}))
        sums[name] = (sums[name] ?? 0) + seconds / wanted;
      if (stepSeconds.length === wanted) run.stop();
    }
    const { versions } = RunFolder.open(join(folder, "run")).config();
    return { start: start!, versions, stepSeconds, memoryMB, phases: sums };
  } finally {
    ignoreSignals();
    remove();
  }
}
