import type { Tensor } from "../torch/index.js";
import { checkLogits, inFullPrecision, type Reduction, reduceRows } from "./reduce.js";

/**
 * (1 / divideBy) sum_i H(p_i), with p = softmax(logits) and H(p) = -sum_k p_k log p_k; the gradient flows through both
 * factors. Minimizing it makes predictions confident.
 *
 * @param logits `[N, K]`, any float type; computed in float32 (float64 if given). N may be 0: the loss is then 0.
 * @param options `divideBy` defaults to N.
 * @returns a scalar.
 * @see Grandvalet & Bengio, NeurIPS 2004
 */
export function entropy(logits: Tensor, options: Reduction = {}): Tensor {
  checkLogits("entropy", logits);
  const z = inFullPrecision(logits);
  return reduceRows("entropy", z.softmax(1).mul(z.logSoftmax(1)).sum([1]).neg(), options);
}
