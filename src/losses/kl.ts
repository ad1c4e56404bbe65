import type { Tensor } from "../torch/index.js";
import { checkSameShape, inFullPrecision, reduceRows } from "./reduce.js";
import type { ConsistencyOptions } from "./softmax-mse.js";

/** Probabilities below this count as this inside a logarithm; the product with the probability itself is then ~0. */
const TINY = 1e-12;

/**
 * (1 / divideBy) sum_i KL(target_i || softmax(logits_i)), with KL(q || p) = sum_k q_k (log q_k - log p_k). The target
 * (teacher) comes first; not divided by K; a mean over rows by default.
 *
 * @param logits `[N, K]`, any float type; computed in float32 (float64 if given) by log-softmax. N may be 0: 0.
 * @param targetProbs `[N, K]` probabilities; zeros are fine.
 * @returns a scalar.
 * @throws UsageError on shapes that do not match.
 * @see docs/schedules-and-losses.md
 */
export function klDivergence(logits: Tensor, targetProbs: Tensor, options: ConsistencyOptions = {}): Tensor {
  checkSameShape("klDivergence", logits, targetProbs, "targetProbs");
  const logProbs = inFullPrecision(logits).logSoftmax(1);
  const target = (options.gradToTarget ? targetProbs : targetProbs.detach()).to(logProbs.dtype);
  const terms = target.mul(target.clampMin(TINY).log().sub(logProbs));
  return reduceRows("klDivergence", terms.sum([1]), options);
}
