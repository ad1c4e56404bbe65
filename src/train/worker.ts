/** Runs the training loop in a worker thread, so that the main thread stays free for signals and the screen. */
import { fileURLToPath } from "node:url";
import { SHARE_ENV, Worker } from "node:worker_threads";
import type { RunConfig } from "../config/resolve.js";
import {
  DataError,
  DiskError,
  DownloadError,
  EngineError,
  FewlabelsError,
  TrainingError,
  UsageError,
} from "../errors.js";
import { clearLockOfThread } from "../files/lock/lock.js";
import type { RunResult, TrainEvent } from "../run/events.js";

/** What the worker posts. */
export type WorkerMessage =
  | { readonly kind: "event"; readonly event: TrainEvent }
  | { readonly kind: "result"; readonly result: RunResult | undefined }
  | { readonly kind: "error"; readonly error: CrossingError };

/** An error on its way between threads: a class survives no clone, so its name does. */
export interface CrossingError {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
}

export interface WorkerInput {
  readonly config: RunConfig;
  /** One Int32: not 0 asks the loop to stop after the current step. */
  readonly stopFlag: SharedArrayBuffer;
}

/** A run under way: iterate it for its events. */
export interface RunInWorker extends AsyncIterable<TrainEvent> {
  /** Asks for an end after the current step: the loop writes a checkpoint and yields `interrupted`. */
  stop(): void;
  /** Ends the thread at once, in the middle of a step. */
  kill(): Promise<void>;
  /** Settles when the iteration has ended: the result, or undefined if the run was interrupted. */
  readonly result: Promise<RunResult | undefined>;
}

/**
 * Trains `config` in a worker thread. Iteration throws what the loop threw, with class, code and message; `result`
 * rejects with the same. Throws EngineError when started from TypeScript sources, where no compiled worker exists.
 */
export function runInWorker(config: RunConfig): RunInWorker {
  const script = new URL("./worker-main.js", import.meta.url);
  if (import.meta.url.endsWith(".ts")) {
    throw new EngineError(
      `runInWorker: ${fileURLToPath(import.meta.url)} is a TypeScript source; worker threads need the compiled package. ` +
        "Run `npm run build` and import from dist/",
    );
  }
  const stopFlag = new SharedArrayBuffer(4);
  const worker = new Worker(script, {
    workerData: { config, stopFlag } satisfies WorkerInput,
    // The addon reads the process's real environment; a worker's copy would not reach it.
    env: SHARE_ENV,
    resourceLimits: { maxOldGenerationSizeMb: 16_384 },
  });

  const queue: TrainEvent[] = [];
  let folder = config.out;
  let outcome: { readonly result: RunResult | undefined } | { readonly error: Error } | undefined;
  let wake = () => {};
  const settle = (value: NonNullable<typeof outcome>) => {
    outcome ??= value;
    wake();
  };
  let killed = false;
  worker.on("message", (message: WorkerMessage) => {
    if (message.kind === "event") {
      if (message.event.type === "start") folder = message.event.config.out;
      queue.push(message.event);
    } else if (message.kind === "result") settle({ result: message.result });
    else settle({ error: revive(message.error) });
    wake();
  });
  worker.on("error", (error: Error) => settle({ error }));
  worker.on("exit", (code) => {
    if (killed) settle({ result: undefined });
    settle({ error: new TrainingError(`the training thread ended unexpectedly (exit code ${code})`) });
  });

  let settleResult: { resolve: (result: RunResult | undefined) => void; reject: (error: Error) => void };
  const result = new Promise<RunResult | undefined>((resolve, reject) => {
    settleResult = { resolve, reject };
  });
  result.catch(() => {}); // whoever only iterates gets the error there

  async function* events(): AsyncGenerator<TrainEvent> {
    for (;;) {
      while (queue.length > 0) yield queue.shift()!;
      if (outcome) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if ("error" in outcome) {
      settleResult.reject(outcome.error);
      throw outcome.error;
    }
    settleResult.resolve(outcome.result);
  }
  const iterator = events();
  return {
    [Symbol.asyncIterator]: () => iterator,
    stop: () => void Atomics.store(new Int32Array(stopFlag), 0, 1),
    async kill() {
      killed = true;
      await worker.terminate();
      clearLockOfThread(folder);
    },
    result,
  };
}

const classes = {
  UsageError,
  DataError,
  DiskError,
  DownloadError,
  EngineError,
  TrainingError,
  FewlabelsError,
} as const;

/** The error as its own class again; for a programming fault a plain Error with the thread's stack. */
function revive({ name, message, stack }: CrossingError): Error {
  const Class = Object.hasOwn(classes, name) ? classes[name as keyof typeof classes] : Error;
  const error = new Class(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
