/**
 * A thread that touches the lock of a run for as long as its process lives, whatever that is busy with: where a machine dies in the
 * middle of a job, the process that takes its place sees within half a minute that nobody does.
 */
import { closeSync, fstatSync, openSync } from "node:fs";
import { Worker } from "node:worker_threads";

const BEAT_MS = 5_000;
/** A lock that nobody touched for six beats is nobody's. */
export const WATCH_MS = 30_000;
const LOOK_MS = 250;

/** What launchers and schedulers leave, who start a run again by themselves, maybe elsewhere. */
const marks = "WORLD_SIZE OMPI_COMM_WORLD_SIZE SLURM_JOB_ID PBS_JOBID LSB_JOBID KUBERNETES_SERVICE_HOST".split(" ");

/** Whether such a launcher started this process. */
export function startedByOthers(env: NodeJS.ProcessEnv = process.env): boolean {
  return marks.some((name) => env[name] !== undefined);
}

/** The file may have become another process's lock, which is left alone. */
const thread = `
  const { readFileSync, utimesSync } = require("node:fs");
  const { path, text, every } = require("node:worker_threads").workerData;
  setInterval(() => {
    try {
      if (readFileSync(path, "utf8") === text) utimesSync(path, Date.now() / 1000, Date.now() / 1000);
    } catch {}
  }, every);`;

/** Touches the file `path` for as long as it holds `text`, until the function it returns is called or the process ends. */
export function startHeartbeat(path: string, text: string, every = BEAT_MS): () => void {
  const worker = new Worker(thread, { eval: true, execArgv: [], workerData: { path, text, every } });
  worker.unref();
  worker.on("error", () => {}); // without it the lock is one that nobody touches
  return () => void worker.terminate();
}

/** Waits for a beat of whoever holds the lock: false where one comes within `watchMs`. Blocks the thread. */
export function fellSilent(path: string, watchMs: number): boolean {
  const before = touched(path);
  for (const end = Date.now() + watchMs; Date.now() < end; ) {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, Math.min(LOOK_MS, watchMs));
    if (touched(path) !== before) return false;
  }
  return true;
}

/** Opened to be asked: network file systems answer for a path out of their memory. Undefined where there is none any more. */
function touched(path: string): number | undefined {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return undefined;
  }
  try {
    return fstatSync(file).mtimeMs;
  } finally {
    closeSync(file);
  }
}
