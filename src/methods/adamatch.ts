/**
 * AdaMatch (Berthelot et al., arXiv:2106.04732): FixMatch with class frequencies aligned to those predicted for the labeled
 * rows, and a threshold relative to the confidence there.
 *
 *   q~_u = norm(q_u EMA[pl] / EMA[q]);  pl, q: predictions on the weak labeled and unlabeled views
 *   mask_u = [max q~_u >= c mean_l max pl_l]
 *   L = (1/Bl) sum_l H(y_l, p_l) + lambda w(t) (1/Bu) sum_u mask_u H(label(q~_u), softmax(f(A(u))))
 *
 * label is argmax (hard) or q~ itself (soft). EMA[pl] starts at 1/K, EMA[q] at the first batch's mean; both take the batch in
 * before they are used. Without labeled rows the threshold is c itself, the strictest. Defaults are those of the published
 * comparison of FixMatch's successors (c 0.95, hard, w 1). The paper: c 0.9, soft, w(t) = 0.5 - cos(min(pi, 2 pi t / T)) / 2
 * (`warmUp`), and labeled logits at random between those of the joint pass and of one of their own (`interpolateLogits`).
 * Deviations: labeled rows come in a weak view only; 1e-6 is added to both averages, against 0/0; the decay of the
 * evaluated average is held back early on (`emaWarmup`).
 *
 * @see the paper, Section 3; docs/methods/adamatch.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import type { Model } from "../nn/index.js";
import { boolean, choice, number } from "../options.js";
import { cosineUp } from "../schedules/index.js";
import { alignDistribution, confidenceMask, hardLabels, RunningMean } from "../targets/index.js";
import { type KernelRng, type Tensor, uniform, whole } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

/** u z + (1 - u) z', u uniform for each logit, z' of `x` in a batch of its own that leaves the running statistics alone. */
function interpolate(student: Model, z: Tensor, x: Tensor, rng: KernelRng): Tensor {
  if (z.size(0) === 0) return z;
  const alone = student.forward(x, { mode: "train", updateStatistics: false });
  const u = uniform(z.shape, 0, 1, rng, whole, z.device);
  return alone.add(z.sub(alone).mul(u));
}

/** Share of the run in which `warmUp` raises the weight. */
const WARM_UP = 1 / 2;

export const adamatch = defineMethod({
  name: "adamatch",
  paper: "arXiv:2106.04732",
  summary: "FixMatch with aligned class frequencies and a threshold relative to labeled confidence",
  usesUnlabeled: true,
  options: {
    threshold: number(0.95, { min: 0, max: 1, doc: "c, relative to the mean confidence on labeled rows (paper: 0.9)" }),
    labels: choice(["hard", "soft"], "hard", {
      doc: "targets: the aligned prediction's class, or that prediction (paper: soft)",
    }),
    alignmentDecay: number(0.999, {
      min: 0,
      max: 1,
      doc: "share of the old value in the averages of predictions; 0.99 or less in runs of hundreds of steps",
    }),
    warmUp: boolean(false, { doc: "raise the unlabeled weight from 0 over the first half of the run, as the paper" }),
    interpolateLogits: boolean(false, {
      doc: "labeled logits at random between joint and separate batch statistics, as the paper; one more pass",
    }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(
      setup,
      options,
      options.warmUp ? { rampShare: WARM_UP } : {},
    );
    const k = setup.numClasses;
    const guess = guessing(setup, options, device);
    const running = { decay: options.alignmentDecay, shape: [k], device };
    const meanLabeled = new RunningMean({ ...running, start: 1 / k });
    const meanUnlabeled = new RunningMean(running);
    return {
      ...rest,
      state: { ...rest.state, meanLabeled, meanUnlabeled, ...guess.state },
      step(batch, now) {
        const { zl: joint, zw, zs } = forwardViews(student, batch);
        const rng = setup.rng.split(`interpolation:${now.step}`);
        const zl = options.interpolateLogits ? interpolate(student, joint, batch.labeled.x.weak, rng) : joint;
        const pl = zl.detach().softmax(1);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        if (pl.size(0) > 0) meanLabeled.update(pl.mean([0]));
        if (q.size(0) > 0) meanUnlabeled.update(q.mean([0]));
        const aligned = alignDistribution(q, meanLabeled.value, meanUnlabeled.value, 1e-6);
        const threshold = pl.size(0) > 0 ? pl.amax([1]).mean().mul(options.threshold) : options.threshold;
        const mask = confidenceMask(aligned, threshold);

        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), options.labels === "hard" ? hardLabels(aligned) : aligned, {
          rowMask: mask,
        });
        const weight = options.consistencyWeight * (options.warmUp ? cosineUp(now.step, WARM_UP * now.totalSteps) : 1);
        descend(classification.add(consistency.mul(weight)), now);
        return { classification, consistency, weight, kept: meanOrZero(mask), threshold, ...guess.metrics(now) };
      },
    };
  },
});
