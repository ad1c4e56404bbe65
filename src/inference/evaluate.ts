/** Evaluates the latest checkpoint of a run folder. */

import type { RunConfig } from "../config/resolve.js";
import { UsageError } from "../errors.js";
import type { RunEvaluation, RunResult } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { classResults, evaluateAll, roleResults, type Split, splitImages } from "../train/evaluate.js";
import { openTrainedRun, type WhichCheckpoint } from "./open.js";

export interface EvaluateOptions {
  readonly split: Split;
  /** Folder of the data set, where it is no longer that of the training run. */
  readonly data?: string | undefined;
  /** Default `final`, the latest. */
  readonly checkpoint?: WhichCheckpoint;
}

/** Throws UsageError where there is nothing to evaluate, DataError where data or checkpoint are damaged. */
export async function evaluateRun(
  path: string,
  { split, data: dir, checkpoint: which }: EvaluateOptions,
): Promise<RunEvaluation> {
  const folder = RunFolder.open(path);
  const saved = folder.config<RunConfig>();
  if (split === "val" && saved.val === 0)
    throw new UsageError(`${path}: the run held no validation images out (--val was 0)`);
  const { session, checkpoint, config } = await openTrainedRun(folder, dir, which);
  const { data, method, hardware } = session;
  try {
    const images = splitImages(data, split, config, hardware.device);
    const evaluations = await evaluateAll(method.models, images, data.classes.length);
    const roles = roleResults(evaluations);
    const finished = folder.result<RunResult>();
    const base: RunResult =
      finished ?? unfinished(config, checkpoint.step, hardware, data.split.labeled.length, method.predictor);
    const confusion = Object.fromEntries(Object.entries(evaluations).map(([role, e]) => [role, e.confusion]));
    const perClass = Object.fromEntries(
      Object.entries(evaluations).map(([role, evaluation]) => [role, classResults(evaluation, data.classes)]),
    );
    const result =
      split === "val"
        ? { ...base, val: roles }
        : { ...base, test: roles, error: roles[method.predictor]!.error, perClass: perClass[method.predictor]! };
    return { result, step: checkpoint.step, split, classes: data.classes, perClass, confusion };
  } finally {
    data.release();
  }
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
    perClass: [],
    final: { step: steps, error: unknown },
    medianLast20: { split: "test", error: unknown, evaluations: 0 },
    imagesPerSecond: unknown,
    stepSecondsMedian: unknown,
    elapsedSeconds: unknown,
    peakMemoryMB: unknown,
  };
}
