/** The worker thread's side of `runInWorker`: runs the loop and posts its events. */
import { parentPort, workerData } from "node:worker_threads";
import { trainConfig } from "./train.js";
import type { WorkerInput, WorkerMessage } from "./worker.js";

const { config, stopFlag } = workerData as WorkerInput;
const flag = new Int32Array(stopFlag);
const post = (message: WorkerMessage) => parentPort!.postMessage(message);

try {
  const run = trainConfig(config, { stop: () => Atomics.load(flag, 0) !== 0 });
  let interrupted = false;
  for (;;) {
    const next = await run.next();
    if (next.done) {
      post({ kind: "result", result: interrupted ? undefined : next.value });
      break;
    }
    if (next.value.type === "interrupted") interrupted = true;
    post({ kind: "event", event: next.value });
  }
} catch (thrown) {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  post({ kind: "error", error: { name: error.name, message: error.message, stack: error.stack } });
}
