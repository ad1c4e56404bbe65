/**
 * FreeMatch (Wang et al., arXiv:2205.07246): FixMatch whose thresholds follow the network's own confidence, and a term
 * that keeps its classes in balance.
 *
 *   tau  <- m tau + (1 - m) mean_u max q_u        p~ <- m p~ + (1 - m) mean_u q_u        (starts: 1/K)
 *   h~   <- m h~ + (1 - m) histogram_u(argmax q_u)
 *   mask_u = [max q_u >= tau p~_c / max p~],  c = argmax q_u
 *   Lf   = sum_c SN(p~ / h~)_c log SN(pS / hS)_c,  SN(v) = v / sum v;  pS, hS: p~, h~ of the masked strong predictions now
 *   L    = (1/Bl) sum_l H(y_l, p_l) + lambda (1/Bu) sum_u mask_u H(argmax q_u, softmax(f(A(u)))) + lambda_f Lf
 *
 * The averages take the batch in before it is masked. 1/0 counts as 0; without a masked row Lf is 0. Deviations: tau is
 * clipped where it is used, not in the average; the decay of the evaluated average is held back early on (`emaWarmup`).
 *
 * @see the paper, Section 4; docs/methods/freematch.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { number } from "../options.js";
import { confidenceMask, hardLabels, RunningMean } from "../targets/index.js";
import { countsOf, type Tensor, where, zerosLike } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

/** SN(v / h) of `[K]` and `[K]`, 1/0 = 0; zeros if there is nothing to sum up. */
function balance(v: Tensor, h: Tensor): Tensor {
  const inverse = where(h.gt(0), h.pow(-1), zerosLike(h)); // h has no gradient: no 0 times infinity on the way back
  const scaled = v.mul(inverse);
  return scaled.div(scaled.sum().clampMin(1e-12));
}

/**
 * Lf, a scalar: minus the cross-entropy of the balanced strong predictions under the balanced running ones. Gradient into
 * `strong` alone.
 *
 * @param strong `[Bu, K]` logits. @param mask `[Bu]` 0 or 1. @param mean `[K]` p~. @param histogram `[K]` h~.
 */
export function fairness(strong: Tensor, mask: Tensor, mean: Tensor, histogram: Tensor): Tensor {
  const probs = strong.softmax(1);
  const now = probs.mul(mask.unsqueeze(1)).sum([0]); // SN takes the denominators of pS and hS out
  const counts = countsOf(hardLabels(probs), probs.size(1), mask);
  const anyKept = mask.sum().gt(0).float();
  return balance(mean, histogram).mul(balance(now, counts).add(1e-12).log()).sum().mul(anyKept);
}

export const freematch = defineMethod({
  name: "freematch",
  paper: "arXiv:2205.07246",
  summary: "FixMatch with thresholds that follow the network's confidence, and balanced classes",
  usesUnlabeled: true,
  options: {
    thresholdDecay: number(0.999, {
      min: 0,
      max: 1,
      doc: "m, share of the old value in the three running averages; 0.99 or less in runs of hundreds of steps",
    }),
    minThreshold: number(0, { min: 0, max: 1, doc: "least global threshold tau (0.9 for SVHN in the paper)" }),
    maxThreshold: number(1, { min: 0, max: 1, doc: "largest global threshold tau (0.95 for SVHN)" }),
    fairnessWeight: number(0.001, {
      min: 0,
      doc: "lambda_f, weight of the fairness term (the public code's default: 0.01)",
    }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options);
    const k = setup.numClasses;
    const guess = guessing(setup, options, device);
    const running = { decay: options.thresholdDecay, start: 1 / k, device };
    const confidence = new RunningMean({ ...running, shape: [] });
    const meanProbs = new RunningMean({ ...running, shape: [k] });
    const histogram = new RunningMean({ ...running, shape: [k] });
    return {
      ...rest,
      state: { ...rest.state, confidence, meanProbs, histogram, ...guess.state },
      step(batch, now) {
        const { zl, zw, zs } = forwardViews(student, batch);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        const labels = hardLabels(q);
        if (q.size(0) > 0) {
          confidence.update(q.amax([1]).mean());
          meanProbs.update(q.mean([0]));
          histogram.update(countsOf(labels, k).div(q.size(0)));
        }
        const tau = confidence.value.clampMin(options.minThreshold).clampMax(options.maxThreshold);
        const thresholds = meanProbs.value.div(meanProbs.value.amax([0])).mul(tau);
        const mask = confidenceMask(q, thresholds.indexSelect(0, labels));

        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), labels, { rowMask: mask });
        const fair = fairness(zs, mask, meanProbs.value, histogram.value);
        const unlabeled = consistency.mul(options.consistencyWeight).add(fair.mul(options.fairnessWeight));
        descend(classification.add(unlabeled), now);
        return {
          classification,
          consistency,
          fairness: fair,
          kept: meanOrZero(mask),
          threshold: thresholds.mean(),
          ...guess.metrics(now),
        };
      },
    };
  },
});
