/** Evaluates the latest checkpoint of a run folder. */
import { DataError, UsageError } from "../errors.js";
import { RunFolder } from "../run/index.js";
import { restoreCheckpoint } from "./checkpoint.js";
import type { RunConfig } from "./config.js";
import { evaluateAll, roleResults, type Split, splitImages } from "./evaluate.js";
import type { RunEvaluation, RunResult } from "./events.js";
import { openSession } from "./session.js";

export interface EvaluateOptions {
  readonly split: Split;
  /** Folder of the data set, where it is no longer that of the training run. */
  readonly data?: string | undefined;
}

/** Throws UsageError where there is nothing to evaluate, DataError where data or checkpoint are damaged. */
export async function evaluateRun(path: string, { split, data: dir }: EvaluateOptions): Promise<RunEvaluation> {
  const folder = RunFolder.open(path);
  const saved = folder.config<RunConfig>();
  const checkpoint = folder.latestCheckpoint();
  if (!checkpoint) throw new UsageError(`${path}: there is no checkpoint to evaluate yet`);
  if (split === "val" && saved.val === 0)
    throw new UsageError(`${path}: the run held no validation images out (--val was 0)`);
  const config: RunConfig = { ...saved, data: dir ?? saved.data };
  const session = await openSession(config);
  const { data, method, hardware } = session;
  try {
    if (data.fingerprint !== saved.dataFingerprint) {
      throw new DataError(
        `${path}: the data are not those of the run (fingerprint ${data.fingerprint}, then ${saved.dataFingerprint})`,
      );
    }
    restoreCheckpoint(checkpoint, session.owners);
    const images = splitImages(data, split, config, hardware.device);
    const evaluations = evaluateAll(method.models, images, data.classes.length);
    const roles = roleResults(evaluations);
    const finished = folder.result<RunResult>();
    const base: RunResult =
      finished ?? unfinished(config, checkpoint.step, hardware, data.split.labeled.length, method.predictor);
    const result =
      split === "val" ? { ...base, val: roles } : { ...base, test: roles, error: roles[method.predictor]!.error };
    const confusion = Object.fromEntries(Object.entries(evaluations).map(([role, e]) => [role, e.confusion]));
    const perClass = Object.fromEntries(
      Object.entries(confusion).map(([role, matrix]) => [role, matrix.map(classError)]),
    );
    return { result, split, classes: data.classes, perClass, confusion };
  } finally {
    data.release();
  }
}

/** Error and number of images of one true class. */
function classError(row: readonly number[], k: number): { error: number; n: number } {
  const n = row.reduce((sum, count) => sum + count, 0);
  return { error: n === 0 ? Number.NaN : (100 * (n - row[k]!)) / n, n };
}

/** The result of a run that has not ended: what is known at its last checkpoint. */
function unfinished(
  { method, model, dataset, seed }: RunConfig,
  steps: number,
  hardware: { readonly device: string; readonly precision: string },
  labels: number,
  predictor: string,
): RunResult {
  const unknown = Number.NaN;
  return {
    method,
    model,
    dataset,
    labels,
    steps,
    seed,
    ...hardware,
    predictor,
    error: unknown,
    test: {},
    imagesPerSecond: unknown,
    stepSecondsMedian: unknown,
    elapsedSeconds: unknown,
    peakMemoryMB: unknown,
  };
}
