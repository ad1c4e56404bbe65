/** Evaluates the latest checkpoint of a run folder. */

import type { Catalog } from "../config/catalog.js";
import type { RunConfig } from "../config/resolve.js";
import { UsageError } from "../errors.js";
import type { RunEvaluation, RunResult } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { classResults, evaluateSplit, roleResults, type Split } from "../train/evaluate.js";
import { runResult } from "../train/result.js";
import { type Moved, openTrainedRun, type WhichCheckpoint } from "./open.js";

export interface EvaluateOptions extends Moved {
  readonly split: Split;
  /** Default `final`, the latest. */
  readonly checkpoint?: WhichCheckpoint;
  /** What the names in the run's configuration mean; default what comes with the package, and its recorded files. */
  readonly catalog?: Catalog;
}

/** Throws UsageError where there is nothing to evaluate, DataError where data or checkpoint are damaged. */
export async function evaluateRun(
  path: string,
  { split, checkpoint: which, catalog, ...moved }: EvaluateOptions,
): Promise<RunEvaluation> {
  const folder = RunFolder.open(path);
  const saved = folder.config<RunConfig>();
  if (split === "val" && saved.val === 0)
    throw new UsageError(`${path}: the run held no validation images out (--val was 0)`);
  const { session, checkpoint, config } = await openTrainedRun(folder, moved, which, catalog);
  const { data, method } = session;
  try {
    const evaluations = await evaluateSplit(session, split);
    const roles = roleResults(evaluations);
    const base = folder.result<RunResult>() ?? runResult({ ...session, config }, { steps: checkpoint.step, test: {} });
    const confusion = Object.fromEntries(Object.entries(evaluations).map(([role, e]) => [role, e.confusion]));
    const perClass = Object.fromEntries(
      Object.entries(evaluations).map(([role, evaluation]) => [role, classResults(evaluation, data.classes)]),
    );
    const result =
      split === "val"
        ? { ...base, val: roles }
        : { ...base, test: roles, error: roles[method.predictor]!.error, perClass: perClass[method.predictor]! };
    return {
      result,
      step: checkpoint.step,
      totalSteps: saved.steps,
      split,
      classes: data.classes,
      perClass,
      confusion,
    };
  } finally {
    data.release();
  }
}
