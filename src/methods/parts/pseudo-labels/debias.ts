/**
 * Pseudo-labels that do not lean to the classes predicted most: logits less a share of the logarithm of the running mean of predictions.
 *
 *   target logits  z_u - lambda log p;   p <- m p + (1 - m) mean_u softmax(z_u), from 1/K;   loss on  z_s + lambda log p   (the margin)
 *
 * The target takes p before the batch moves it, the margin after, as in the authors' code.
 *
 * @see Wang et al., Debiased Learning from Naturally Imbalanced Pseudo-Labels, arXiv:2201.01490, Section 4 (counterfactual reasoning,
 *   adaptive marginal loss); docs/debias.md
 */
import { needPositive, number } from "../../../options.js";
import type { Stateful } from "../../../stateful.js";
import { RunningMean } from "../../../targets/index.js";
import type { Tensor } from "../../../torch/index.js";
import type { Metrics } from "../../method.js";

const on = [needPositive("method.debias")];

export const debiasTargetOptions = {
  debias: number(0, {
    min: 0,
    max: 10,
    doc: "lambda of DebiasPL, against pseudo-labels that lean to frequent classes: log of their running mean taken off the target's logits; 0: off (paper: 0.4 on ImageNet)",
  }),
  debiasDecay: number(0.999, {
    min: 0,
    max: 1,
    needs: on,
    doc: "debias: share of the old value in that running mean; 0.99 or less in runs of hundreds of steps",
  }),
};

export const debiasOptions = {
  ...debiasTargetOptions,
  debiasMargin: number(undefined, {
    min: 0,
    max: 10,
    needs: on,
    doc: "debias: its lambda where it is added to the logits that learn, so that rare classes keep a larger margin; if not given, that of debias; 0: no margin",
  }),
};

export interface GivenDebias {
  readonly debias: number;
  readonly debiasDecay: number;
  readonly debiasMargin?: number | undefined;
}

/** Logarithms of classes never predicted are no smaller than this one's. */
const LEAST = 1e-6;

/** With lambda 0 all of it gives back what it is given, and owns nothing. */
export function debiasing(
  { debias: lambda, debiasDecay: decay, debiasMargin: margin = lambda }: GivenDebias,
  { numClasses, device }: { readonly numClasses: number; readonly device: string },
) {
  const mean = lambda > 0 ? new RunningMean({ decay, shape: [numClasses], start: 1 / numClasses, device }) : undefined;
  const shift = ({ value }: RunningMean, by: number) => value.clampMin(LEAST).log().mul(by);
  const state: Readonly<Record<string, Stateful>> = mean ? { debiasMean: mean } : {};
  return {
    state,
    /** `[Bu, K]` logits that labels are made of -> the same, debiased, without a gradient. Takes the batch into the mean. */
    target(logits: Tensor): Tensor {
      const z = logits.detach();
      if (!mean) return z;
      const debiased = z.sub(shift(mean, lambda));
      if (z.size(0) > 0) mean.update(z.softmax(1).mean([0]));
      return debiased;
    },
    /** `[Bu, K]` logits that learn those labels -> the same with the margin. */
    learned: (logits: Tensor): Tensor => (mean && margin > 0 ? logits.add(shift(mean, margin)) : logits),
    /** The largest share of a class in the mean. */
    metrics: (): Metrics => (mean ? { mostPredicted: mean.value.amax([0]) } : {}),
  };
}
