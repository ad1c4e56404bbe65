/** From probabilities to labels: hard, sampled or sharpened, and which of them to believe. No gradient flows through any. */
import { type KernelRng, type Tensor, uniform, whole } from "../torch/index.js";

/** `[N, K]` probabilities -> `[N]` int64, the most probable class (the first of equals). */
export function hardLabels(probs: Tensor): Tensor {
  return probs.detach().argmax(1);
}

/** `[N, K]` probabilities -> `[N]` int64, a class drawn from each row by inverting its cumulative sum. */
export function sampleLabels(probs: Tensor, rng: KernelRng): Tensor {
  const [n, k] = [probs.size(0), probs.size(1)];
  const cumulative = probs.detach().float().cumsum(1);
  const total = cumulative.narrow(1, k - 1, 1); // 1 up to rounding
  const draws = uniform([n, 1], 0, 1, rng, whole, probs.device).mul(total);
  return cumulative
    .le(draws)
    .to("int64")
    .sum([1])
    .clampMax(k - 1);
}

/**
 * `[N, K]` -> `[N, K]`: each row's p_k^(1/T), made to sum to 1. T in (0, 1) sharpens; with logits, softmax(z / T) is the same.
 * The largest of a row counts as 1 before the power: powers of small probabilities would all be 0 in float32.
 */
export function sharpen(probs: Tensor, temperature: number): Tensor {
  const all = probs.detach();
  const powers = all.div(all.amax([1], true)).pow(1 / temperature);
  return powers.div(powers.sum([1], true));
}

export interface ConfidenceOptions {
  /** Only probabilities above the threshold count, not those equal to it. Default false. */
  readonly strict?: boolean;
}

/** `[N, K]` probabilities -> `[N]` float32: 1 where the largest reaches the threshold (a number, or one for each row `[N]`), else 0. */
export function confidenceMask(
  probs: Tensor,
  threshold: number | Tensor,
  { strict = false }: ConfidenceOptions = {},
): Tensor {
  const largest = probs.detach().amax([1]);
  return (strict ? largest.gt(threshold) : largest.ge(threshold)).float();
}

/** Distribution alignment: `norm(q * wanted / actual)`, row by row. `probs` `[N, K]`; `wanted`, `actual` `[K]`. */
export function alignDistribution(probs: Tensor, wanted: Tensor, actual: Tensor, eps = 0): Tensor {
  const aligned = probs.detach().mul(wanted.add(eps)).div(actual.add(eps));
  return aligned.div(aligned.sum([1], true));
}
