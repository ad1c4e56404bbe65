/** What an evaluation metric is: a pure function of logits and classes, or of counts. */
import type { Tensor } from "../torch/index.js";

/** `[true class][predicted class]`, counts of images. */
export type Confusion = readonly (readonly number[])[];

/**
 * A mean over images, summed up batch by batch. `sum`: logits `[N, K]` float and y `[N]` int64 on the same device -> a
 * scalar, the sum over the N rows; the mean divides by all images of the split and is multiplied by `scale` (100: percent).
 */
export interface RowMetric {
  readonly name: string;
  readonly scale: number;
  sum(logits: Tensor, y: Tensor): Tensor;
}

/** A number that follows from the confusion matrix of all images. */
export interface CountMetric {
  readonly name: string;
  of(confusion: Confusion): number;
}

export type EvaluationMetric = RowMetric | CountMetric;
