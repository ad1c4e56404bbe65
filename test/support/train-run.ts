/** Whole runs through the library's loop, in this process, with every file they leave. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { flatten } from "../../src/config/given.js";
import { type RunConfig, resolveConfig } from "../../src/config/resolve.js";
import { predictRun } from "../../src/inference/prediction-table.js";
import type { RunResult, TrainEvent } from "../../src/run/events.js";
import { savedConfig } from "../../src/train/run.js";
import { trainConfig } from "../../src/train/train.js";
import type { Finished, Running } from "../cli/run-cli.js";

/** A folder for run folders; remove it with `rmSync(folder, { recursive: true })`. */
export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), "fewlabels-test-"));
}

/** A folder of this test file, removed after its tests. */
export function folderOfThisFile(): string {
  const folder = temporaryFolder();
  afterAll(() => removeFolder(folder));
  return folder;
}

/** 120 generated digits, 20 labels, a tiny network: a step takes milliseconds. */
export const smallRun: Readonly<Record<string, unknown>> = {
  dataset: "digits",
  "dataset.train": 120,
  "dataset.test": 60,
  labels: 20,
  model: "convnet-tiny",
  "model.width": 0.25,
  batch: 12,
  labeledBatch: 4,
  threads: 1,
  precision: "fp32",
  seen: 8,
  logEvery: 1,
  evalEvery: 0,
  checkpointEvery: 0,
};

/** Waits until a file or folder is there. Throws where one of those who may write it ends without. */
export async function written(path: string, writers: readonly Running[] = []): Promise<void> {
  let ended: Finished | undefined;
  for (const { finished } of writers) void finished.then((how) => (ended ??= how));
  while (!existsSync(path)) {
    if (ended)
      throw new Error(`${path} is not there, and a process ended with ${ended.code}:\n${ended.out}${ended.err}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

/** Options as words of the command line. */
export function asFlags(given: Readonly<Record<string, unknown>>): string[] {
  const flag = (key: string) => `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  return Object.entries(given).flatMap(([key, value]) => [flag(key), String(value)]);
}

export function configure(out: string, given: Readonly<Record<string, unknown>> = {}): RunConfig {
  return resolveConfig(flatten({ ...smallRun, ...given, out }));
}

export interface Trained {
  readonly events: TrainEvent[];
  readonly result: RunResult | undefined;
}

/** Trains to the end, or until `stopAfter` steps are done. */
export async function trainToEnd(config: RunConfig, stopAfter = Number.POSITIVE_INFINITY): Promise<Trained> {
  const events: TrainEvent[] = [];
  let done = 0;
  const run = trainConfig(config, { stop: () => ++done >= stopAfter });
  for (;;) {
    const next = await run.next();
    if (next.done) return { events, result: next.value };
    events.push(next.value);
  }
}

/** The configuration that continues a run folder, as `--resume` makes it. */
export function continued(out: string): RunConfig {
  return { ...savedConfig(out), out, resume: out };
}

/** Every file of the checkpoint of `step`, byte for byte; in state.json without the time it took. */
export function checkpointFiles(out: string, step: number): Record<string, string> {
  const path = join(out, "checkpoints", `step-${step}`);
  return Object.fromEntries(
    readdirSync(path)
      .sort()
      .map((name) => {
        const bytes = readFileSync(join(path, name));
        if (name !== "state.json") return [name, bytes.toString("base64")];
        const { extra, ...state } = JSON.parse(bytes.toString("utf8"));
        return [name, JSON.stringify({ ...state, extra: Object.keys(extra) })];
      }),
  );
}

export function removeFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
}

/** A table of what a run of one step predicts for the images of `smallRun`, for methods that read one. */
export async function predictionsOf(folder: string): Promise<string> {
  const [run, out] = [join(folder, "predicting"), join(folder, "predictions.table")];
  if (existsSync(out)) return out;
  await trainToEnd(configure(run, { method: "supervised", steps: 1 }));
  await predictRun(run, { out, dtype: "float16" });
  return out;
}
