/** `result.json`, built here alone: of a run that has ended, and of one that is evaluated before it has. */
import type { RunResult } from "../run/events.js";
import type { RunFolder } from "../run/index.js";
import { restoreCheckpoint } from "../session/checkpoint.js";
import type { Session } from "../session/session.js";
import { evaluateSplit } from "./evaluate.js";
import type { EvaluationHistory } from "./evaluation-history.js";
import { shareCheckpoint } from "./together/together.js";

/** What only the run itself knows. Errors and times that are left out are not known yet: NaN. */
export type Outcome = Pick<RunResult, "steps" | "test"> &
  Partial<
    Pick<
      RunResult,
      "val" | "perClass" | "bestVal" | "medianLast20" | "stepSecondsMedian" | "elapsedSeconds" | "peakMemoryMB"
    >
  >;

export function runResult(
  { config, data, method: { predictor }, hardware }: Pick<Session, "config" | "data" | "method" | "hardware">,
  { steps, test, val, perClass = [], bestVal, medianLast20, ...times }: Outcome,
): RunResult {
  const { method, model, dataset, seed, batch } = config;
  const error = test[predictor]?.error ?? Number.NaN;
  const { stepSecondsMedian = Number.NaN, elapsedSeconds = Number.NaN, peakMemoryMB = Number.NaN } = times;
  return {
    method,
    model,
    dataset,
    labels: data.split.labeled.length,
    steps,
    seed,
    ...hardware,
    predictor,
    error,
    test,
    ...(val ? { val } : {}),
    final: { step: steps, error },
    perClass,
    ...(bestVal ? { bestVal } : {}),
    medianLast20: medianLast20 ?? { split: "test", error: Number.NaN, evaluations: 0 },
    imagesPerSecond: batch / stepSecondsMedian,
    stepSecondsMedian,
    elapsedSeconds,
    peakMemoryMB,
  };
}

/**
 * The best step on validation, and the test error of its weights, which are loaded for it: the run is over. Undefined where somebody has
 * removed their checkpoint.
 */
export async function bestResult(
  session: Session,
  folder: RunFolder | undefined,
  history: EvaluationHistory,
  finalError: number,
): Promise<RunResult["bestVal"]> {
  const { method, config, owners } = session;
  const best = history.best()!;
  if (best.step === config.steps) return { ...best, error: finalError };
  const there = folder?.checkpointSteps().includes(best.step);
  const checkpoint = shareCheckpoint(there ? folder!.checkpoint(best.step) : undefined);
  if (!checkpoint) return undefined;
  restoreCheckpoint(checkpoint, owners);
  const model = method.models[method.predictor]!;
  const { best: evaluation } = await evaluateSplit(session, "test", { best: model });
  return { ...best, error: evaluation!.figures.error };
}
