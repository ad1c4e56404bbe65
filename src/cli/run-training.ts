/** Runs one configuration with progress and signals: what `train` and `demo` share. */
import type { RunConfig } from "../config/resolve.js";
import type { RunResult, TrainEvent } from "../run/events.js";
import { runInWorker } from "../train/worker.js";
import { onReaderGone } from "./output.js";
import type { Progress } from "./progress.js";

export type Outcome =
  | { readonly kind: "done"; readonly result: RunResult }
  | { readonly kind: "interrupted"; readonly step: number; readonly path: string };

/** What asks a command to stop and leave things so that it can go on later. */
export const stopSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Exit code of a run that was interrupted. */
export const interruptedExitCode = 130;

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
  let asked = false;
  let interrupted: { step: number; path: string } | undefined;
  const stop = () => {
    if (asked) {
      progress.end();
      process.exit(interruptedExitCode);
    }
    asked = true;
    progress.line("stopping after this step to write a checkpoint; interrupt again to quit at once");
    run.stop();
  };
  for (const signal of stopSignals) process.on(signal, stop);
  const stopListening = onReaderGone(() => run.stop());
  try {
    for await (const event of run) {
      if (event.type === "interrupted") interrupted = { step: event.step, path: event.path };
      progress.event(event);
      onEvent(event);
    }
    const result = await run.result;
    if (result) return { kind: "done", result };
    return { kind: "interrupted", ...(interrupted ?? { step: 0, path: config.out }) };
  } finally {
    progress.end();
    stopListening();
    for (const signal of stopSignals) process.off(signal, stop);
  }
}
