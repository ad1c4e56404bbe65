import type { Tensor } from "../torch/index.js";
import { checkSameShape, inFullPrecision, type Reduction, reduceRows } from "./reduce.js";

export interface LogitDistanceOptions extends Reduction {
  /** Over classes: `sum` as in the authors' TensorFlow code, `mean` as in their PyTorch code. A factor of K. Default `mean`. */
  readonly classes?: "sum" | "mean";
}

/**
 * D = (1 / divideBy) sum_i d_i with d_i = sum_k (c_ik - r_ik)^2, or that over K: ties the two heads of a network
 * together. The gradient flows into both.
 *
 * @param first `[N, K]` logits of the class head; computed in float32 (float64 if given). N may be 0: 0.
 * @param second `[N, K]` logits of the consistency head.
 * @returns a scalar.
 * @see docs/schedules-and-losses.md
 */
export function logitDistance(first: Tensor, second: Tensor, options: LogitDistanceOptions = {}): Tensor {
  checkSameShape("logitDistance", first, second, "second");
  const difference = inFullPrecision(first).sub(inFullPrecision(second));
  const squares = difference.mul(difference);
  const perRow = options.classes === "sum" ? squares.sum([1]) : squares.mean([1]);
  return reduceRows("logitDistance", perRow, options);
}
