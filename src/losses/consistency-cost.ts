/** The cost family between mean squared error and Kullback-Leibler divergence, and the choice among its members. */
import { UsageError } from "../errors.js";
import type { Tensor } from "../torch/index.js";
import { klDivergence } from "./kl.js";
import { checkSameShape, reduceRows } from "./reduce.js";
import { type ConsistencyOptions, softmaxMse } from "./softmax-mse.js";

export const CONSISTENCY_COSTS = ["mse", "kl", "tau"] as const;

/** `mse`: softmaxMse. `kl`: the raw divergence. `tau`: the family below. */
export type ConsistencyCostName = (typeof CONSISTENCY_COSTS)[number];

export interface TauOptions extends ConsistencyOptions {
  /** Multiplier 2 (1 - 1/K) / (K^2 tau^2) of the authors' code instead of the paper's 2 / (K^2 tau^2). Default false. */
  readonly legacyScale?: boolean;
}

export interface ConsistencyCostOptions extends TauOptions {
  readonly cost: ConsistencyCostName;
  /** For cost `tau`: 0 (squared error) .. 1 (scaled divergence). */
  readonly tau?: number;
}

/** Below this the mixture is so near its limit that rounding, even in float64, would outweigh the difference. */
const SMALLEST_TAU = 1e-3;

/**
 * The multiplier Z of the divergence, chosen so that tau -> 0 gives the squared error: paper 2 / (K^2 tau^2); legacy
 * the same times 1 - 1/K. At K = 10: 0.02 at tau 1, 0.08 at tau 0.5; legacy 0.018 and 0.072.
 */
export function tauScale(tau: number, numClasses: number, legacyScale = false): number {
  return (2 * (legacyScale ? 1 - 1 / numClasses : 1)) / (numClasses * tau) ** 2;
}

/**
 * C_tau = Z_tau KL(q_tau || p_tau), with p_tau = tau p + (1 - tau) / K and likewise q_tau, p = softmax(logits), q the
 * target. tau = 0 (and below 1e-3) is msq(p, q) exactly; tau = 1 is Z_1 KL(q || p) by log-softmax. In between it is
 * computed in float64, as float32 loses most digits at small tau; the result has the type of the logits.
 *
 * @param logits `[N, K]`. @param targetProbs `[N, K]` probabilities. Mean over rows unless `divideBy` says otherwise.
 * @throws UsageError on a tau outside 0..1 or shapes that do not match.
 * @see Tarvainen & Valpola, arXiv:1703.01780, appendix C; docs/schedules-and-losses.md
 */
export function tauCost(logits: Tensor, targetProbs: Tensor, tau: number, options: TauOptions = {}): Tensor {
  if (!(tau >= 0 && tau <= 1)) throw new UsageError(`tauCost: expected tau in 0..1, got ${tau}`);
  checkSameShape("tauCost", logits, targetProbs, "targetProbs");
  const { gradToTarget = false, legacyScale = false } = options;
  if (tau < SMALLEST_TAU) return softmaxMse(logits, targetProbs, options);
  const numClasses = logits.size(1);
  const scale = tauScale(tau, numClasses, legacyScale);
  if (tau === 1) return klDivergence(logits, targetProbs, options).mul(scale);

  const mix = (probs: Tensor) => probs.mul(tau).add((1 - tau) / numClasses);
  const p = mix(logits.to("float64").softmax(1));
  const q = mix((gradToTarget ? targetProbs : targetProbs.detach()).to("float64"));
  const perRow = q.mul(q.log().sub(p.log())).sum([1]); // both at least (1 - tau) / K: no logarithm of 0
  const cost = reduceRows("tauCost", perRow, options).mul(scale);
  return logits.dtype === "float64" ? cost : cost.float();
}

/**
 * The consistency cost by name. A weight W of `mse` corresponds to 2 W / K^2 of `kl`, and to W of `tau`.
 *
 * @param logits `[N, K]`. @param targetProbs `[N, K]` probabilities; no gradient flows into them unless `gradToTarget`.
 * @returns a scalar: (1 / divideBy) sum over rows, divideBy N by default.
 */
export function consistencyCost(logits: Tensor, targetProbs: Tensor, options: ConsistencyCostOptions): Tensor {
  const { cost, tau = 0, ...rest } = options;
  if (cost === "mse") return softmaxMse(logits, targetProbs, rest);
  if (cost === "kl") return klDivergence(logits, targetProbs, rest);
  if (cost === "tau") return tauCost(logits, targetProbs, tau, rest);
  throw new UsageError(`consistencyCost: unknown cost "${cost}". Valid: ${CONSISTENCY_COSTS.join(", ")}`);
}
