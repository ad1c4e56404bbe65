/**
 * Unsupervised Data Augmentation (Xie et al., arXiv:1904.12848): the strong view of an image should be predicted as its
 * weak view is, sharpened, wherever that prediction is confident.
 *
 *   pu = softmax(f(a(u)));  q = sharpen(pu, tau);  mask_u = [max pu > beta]
 *   L  = Ls + lambda (1/Bu) sum_u mask_u KL(q_u || softmax(f(A(u)))) + lambda_ent (1/Bu) sum_u H(pu_u)
 *   Ls = sum_l keep_l H(y_l, p_l) / max(1, sum_l keep_l),  keep_l = [p_l(y_l) <= eta(t)]    (all kept without TSA)
 *
 * All rows pass through the network together: one batch-norm batch. Defaults are the authors' newest recipe for CIFAR-10 and
 * SVHN. Deviation: the decay of the evaluated average is held back early on (`emaWarmup`), so that short runs work.
 *
 * @see the paper, Section 2; docs/methods/uda.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy, entropy, klDivergence } from "../losses/index.js";
import { choice, number } from "../options.js";
import { TSA_SCHEDULES, type TsaSchedule, tsaThreshold } from "../schedules/index.js";
import { confidenceMask } from "../targets/index.js";
import type { Tensor } from "../torch/index.js";
import { defineMethod, type Progress } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { emaDecayOption } from "./parts/shared-options.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

export const udaOptions = {
  consistencyWeight: weakStrongOptions.consistencyWeight,
  threshold: number(0.8, {
    min: 0,
    max: 1,
    doc: "beta: a row counts if its largest weak probability exceeds this (ImageNet: 0.5)",
  }),
  temperature: number(0.4, { min: 1e-3, doc: "tau: the target is softmax(logits / tau); below 1 it is sharpened" }),
  maskOn: choice(["raw", "sharpened"], "raw", {
    doc: "probability that beta is compared with; sharpened: as Meta Pseudo Labels' public code, which selects far more rows",
  }),
  entropyWeight: number(0, { min: 0, doc: "weight of the entropy of the weak predictions (full ImageNet runs)" }),
  tsa: choice(TSA_SCHEDULES, "none", {
    doc: "training signal annealing: labeled rows already predicted above eta(t) do not count",
  }),
};

export interface UdaLossOptions {
  readonly consistencyWeight: number;
  readonly threshold: number;
  readonly temperature: number;
  readonly maskOn?: "raw" | "sharpened";
  /** Rows at exactly the threshold do not count. Default true; Meta Pseudo Labels' code counts them. */
  readonly strict?: boolean;
  readonly entropyWeight?: number;
  readonly tsa?: TsaSchedule;
  /** Of the labeled term. Default 0; Meta Pseudo Labels' teacher smooths. */
  readonly labelSmoothing?: number;
}

export interface UdaLogits {
  /** `[Bl, K]` */
  readonly labeled: Tensor;
  /** `[Bu, K]`, weak and strong views of the same images. */
  readonly weak: Tensor;
  readonly strong: Tensor;
  /** What target and mask are made of, `[Bu, K]`; default `weak`. */
  readonly target?: Tensor;
}

/** Ls: the cross-entropy of the labeled rows; with TSA the mean over those still kept, and the share of them. */
function annealedClassification(zl: Tensor, y: Tensor, options: UdaLossOptions, now: Progress) {
  const { tsa = "none", labelSmoothing: smoothing = 0 } = options;
  if (tsa === "none") return { classification: crossEntropy(zl, y, { smoothing }), keptLabeled: 1 };
  const correct = zl.detach().softmax(1).gather(1, y.unsqueeze(1)).squeeze(1);
  const keep = correct.le(tsaThreshold(tsa, now.step / now.totalSteps, zl.size(1))).float();
  const sum = crossEntropy(zl, y, { smoothing, rowMask: keep, divideBy: 1 });
  return { classification: sum.div(keep.sum().clampMin(1)), keptLabeled: meanOrZero(keep) };
}

/** The formula above. `loss` is a scalar with a gradient into all logits, but none into weak ones through q or the mask. */
export function udaLoss(logits: UdaLogits, y: Tensor, options: UdaLossOptions, now: Progress) {
  const { labeled: zl, weak: zw, strong: zs, target: zt = zw } = logits;
  const { maskOn = "raw", strict = true, entropyWeight = 0 } = options;
  const q = zt.detach().div(options.temperature).softmax(1); // sharpen(pu, tau), without powers that underflow
  const mask = confidenceMask(maskOn === "raw" ? zt.softmax(1) : q, options.threshold, { strict });
  const { classification, keptLabeled } = annealedClassification(zl, y, options, now);
  const consistency = klDivergence(zs, q, { rowMask: mask });
  const doubt = entropy(zw);
  const loss = classification.add(consistency.mul(options.consistencyWeight)).add(doubt.mul(entropyWeight));
  return { loss, metrics: { classification, consistency, entropy: doubt, kept: meanOrZero(mask), keptLabeled } };
}

/** The largest decay of the average by default. */
const MOST_DECAY = 0.9999;

export const uda = defineMethod({
  name: "uda",
  paper: "arXiv:1904.12848",
  summary: "strong views should be predicted as the sharpened, confident predictions on weak views",
  usesUnlabeled: true,
  options: {
    ...udaOptions,
    ...weakStrongOptions,
    ...emaDecayOption(MOST_DECAY),
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options, { most: MOST_DECAY });
    const guess = guessing(setup, options, device);
    return {
      ...rest,
      state: { ...rest.state, ...guess.state },
      step(batch, now) {
        const { zl, zw, zs } = forwardViews(student, batch);
        const target = guess.target(zw, batch.unlabeled, now);
        const logits = { labeled: zl, weak: zw, strong: guess.learned(zs), target };
        const { loss, metrics } = udaLoss(logits, batch.labeled.y, options, now);
        descend(loss, now);
        return { ...metrics, ...guess.metrics(now) };
      },
    };
  },
});
