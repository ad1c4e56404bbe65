/** Evaluation metrics. To add one: a file here and a row in `evaluationMetrics`; results, events and tables follow. */
import { UsageError } from "../errors.js";
import { error } from "./confusion.js";
import { loss } from "./loss.js";
import type { EvaluationMetric } from "./metric.js";
import { topError } from "./top-error.js";

export { collapsedClass, countOf, emptyConfusion, errorByClass } from "./confusion.js";
export type { Confusion, CountMetric, EvaluationMetric, RowMetric } from "./metric.js";

export interface MetricSettings {
  readonly numClasses: number;
  /** k of the top-k error, 0 for none; if not given, 5 where there are more than 10 classes. */
  readonly topK: number | undefined;
}

/** What is measured on every split, in the order of tables. Throws UsageError where `topK` leaves nothing to be wrong about. */
export function evaluationMetrics({ numClasses, topK }: MetricSettings): readonly EvaluationMetric[] {
  const k = topK ?? (numClasses > 10 ? 5 : 0);
  if (k >= numClasses) {
    throw new UsageError(`--top-k ${k}: expected less than the ${numClasses} classes; the error would always be 0`);
  }
  return [error, ...(k > 0 ? [topError(k)] : []), loss];
}
