import { UsageError } from "../errors.js";
import type { Tensor } from "../torch/index.js";
import { checkLogits, describe, inFullPrecision, isFloat, type Reduction, reduceRows, shapeText } from "./reduce.js";

export interface CrossEntropyOptions extends Reduction {
  /** Label smoothing s in 0..1: the target becomes (1 - s) target + s / K. Default 0. */
  readonly smoothing?: number;
}

/**
 * (1 / divideBy) sum_i H(target_i, softmax(logits_i)), with H(q, p) = -sum_k q_k log p_k.
 *
 * @param logits `[N, K]`, any float type; computed in float32 (float64 if given). N may be 0: the loss is then 0.
 * @param target `[N]` int64 class numbers in 0 .. K-1, or `[N, K]` float probabilities. No gradient flows into it.
 * @param options `divideBy` defaults to N, the rows given here. The methods that divide the class loss by the whole
 *   batch (Pi-model, Temporal Ensembling, Mean Teacher) pass Bl + Bu: docs/schedules-and-losses.md.
 * @returns a scalar.
 * @throws UsageError on shapes or types that do not match; EngineError on a class number outside 0 .. K-1.
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { smoothing = 0 } = options;
  checkTarget(logits, target);
  if (!(smoothing >= 0 && smoothing <= 1)) {
    throw new UsageError(`crossEntropy: expected smoothing in 0..1, got ${smoothing}`);
  }
  const logProbs = inFullPrecision(logits).logSoftmax(1);
  const onTarget =
    target.dtype === "int64"
      ? logProbs.gather(1, target.unsqueeze(1)).squeeze(1)
      : logProbs.mul(target.detach().to(logProbs.dtype)).sum([1]);
  const entropy = onTarget.neg();
  if (smoothing === 0) return reduceRows("crossEntropy", entropy, options);
  const uniform = logProbs.mean([1]).neg(); // H(1 / K, p)
  return reduceRows("crossEntropy", entropy.mul(1 - smoothing).add(uniform, smoothing), options);
}

function checkTarget(logits: Tensor, target: Tensor): void {
  checkLogits("crossEntropy", logits);
  const [n, k] = logits.shape;
  const { shape, dtype } = target;
  if (dtype === "int64" && shape.length === 1 && shape[0] === n) return;
  if (isFloat(target) && shape.length === 2 && shape[0] === n && shape[1] === k) return;
  throw new UsageError(
    "crossEntropy: expected target [N] int64 or [N, K] float " +
      `for logits ${shapeText(logits)}, got ${describe(target)}`,
  );
}
