/** Runs one configuration with progress and signals: what `train` and `demo` share. */
import type { RunConfig } from "../config/resolve.js";
import { DiskError } from "../errors.js";
import type { RunResult, TrainEvent } from "../run/events.js";
import { runInWorker } from "../train/worker.js";
import { onReaderGone } from "./output.js";
import type { Progress } from "./progress.js";
import { onStopSignals, quitAtOnce } from "./signals.js";

export type Outcome =
  | {
      readonly kind: "done";
      readonly out: string;
      readonly result: RunResult;
      /** What could not be written of it. */
      readonly trouble?: Error;
    }
  | { readonly kind: "interrupted"; readonly out: string; readonly step: number; readonly path: string };

/**
 * Trains in a worker. The first SIGINT, SIGTERM or SIGHUP (or a reader that goes away) asks for a checkpoint and an end;
 * the second ends the process at once. Throws what the loop throws.
 */
export async function runTraining(
  config: RunConfig,
  progress: Progress,
  onEvent: (event: TrainEvent) => void = () => {},
): Promise<Outcome> {
  const run = runInWorker(config);
  let interrupted: { step: number; path: string } | undefined;
  let { out } = config;
  let done: RunResult | undefined;
  const stop = (times: number) => {
    if (times > 1) {
      progress.end();
      quitAtOnce();
    }
    progress.line("stopping after this step to write a checkpoint; interrupt again to quit at once");
    run.stop();
  };
  const ignoreSignals = onStopSignals(stop, {
    onHangup: () => progress.line("hangup, and no terminal is attached: going on"),
  });
  const stopListening = onReaderGone(() => run.stop());
  try {
    for await (const event of run) {
      if (event.type === "start") out = event.config.out;
      if (event.type === "done") done = event.result;
      if (event.type === "interrupted") interrupted = { step: event.step, path: event.path };
      progress.event(event);
      onEvent(event);
    }
    const result = await run.result;
    if (result) return { kind: "done", out, result };
    return { kind: "interrupted", out, ...(interrupted ?? { step: 0, path: out }) };
  } catch (error) {
    if (done && error instanceof DiskError) return { kind: "done", out, result: done, trouble: error };
    throw error;
  } finally {
    progress.end();
    stopListening();
    ignoreSignals();
  }
}
