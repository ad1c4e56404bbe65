import type { Tensor } from "../torch/index.js";
import { checkLogits, checkSameShape, inFullPrecision, type Reduction, reduceRows } from "./reduce.js";

export interface ConsistencyOptions extends Reduction {
  /** Lets the gradient flow into the target as well: the Pi-model's both-branch form. Default false. */
  readonly gradToTarget?: boolean;
}

/**
 * (1 / divideBy) sum_i msq(softmax(logits_i), target_i), with msq(p, q) = (1 / K) sum_k (p_k - q_k)^2: a mean over
 * classes and, by default, over rows.
 *
 * @param logits `[N, K]`, any float type; computed in float32 (float64 if given). N may be 0: the loss is then 0.
 * @param targetProbs `[N, K]` probabilities.
 * @returns a scalar.
 * @throws UsageError on shapes that do not match.
 * @see docs/schedules-and-losses.md; Tarvainen & Valpola, arXiv:1703.01780, section 2
 */
export function softmaxMse(logits: Tensor, targetProbs: Tensor, options: ConsistencyOptions = {}): Tensor {
  checkSameShape("softmaxMse", logits, targetProbs, "targetProbs");
  const probs = inFullPrecision(logits).softmax(1);
  const target = (options.gradToTarget ? targetProbs : targetProbs.detach()).to(probs.dtype);
  const difference = probs.sub(target);
  return reduceRows("softmaxMse", difference.mul(difference).mean([1]), options);
}

/**
 * The same between two branches of one network, with gradient into both: the Pi-model as published.
 *
 * @param first `[N, K]` logits.
 * @param second `[N, K]` logits of the same rows in another view.
 * @see Laine & Aila, arXiv:1610.02242, algorithm 1
 */
export function softmaxMseBoth(first: Tensor, second: Tensor, reduction: Reduction = {}): Tensor {
  checkLogits("softmaxMseBoth", second, "second");
  return softmaxMse(first, inFullPrecision(second).softmax(1), { ...reduction, gradToTarget: true });
}
