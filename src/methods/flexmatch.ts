/**
 * FlexMatch (Zhang et al., arXiv:2110.08263): FixMatch with a threshold for each class, lower for those learned less.
 *
 *   n_c    = images whose latest confident label (max q >= threshold) is c;  n_none = images that never had one
 *   beta_c = n_c / max(max_c n_c, n_none)                                    (without n_none: `thresholdWarmUp` false)
 *   mask_u = [max q_u >= threshold * M(beta_c)],  c = argmax q_u,  M(x) = x / (2 - x)
 *   L      = (1/Bl) sum_l H(y_l, p_l) + lambda (1/Bu) sum_u mask_u H(argmax q_u, softmax(f(A(u))))
 *
 * The labels of a batch are stored after its mask is made. n_none counts the images that can come as unlabeled rows.
 * Deviation: the decay of the evaluated average is held back early on (`emaWarmup`).
 *
 * @see the paper, Section 3; docs/methods/flexmatch.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { boolean, number } from "../options.js";
import { confidenceMask, hardLabels, LabelBank } from "../targets/index.js";
import { maximum, type Tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

/** M(x) = x / (2 - x), from 0 at 0 to 1 at 1, below x in between: early differences between classes weigh more. */
export function convexMap(x: Tensor): Tensor {
  return x.div(x.neg().add(2));
}

/** `[K]` thresholds out of the counts n_c `[K]` of `images` images. */
export function flexibleThresholds(
  counts: Tensor,
  images: number,
  { threshold, thresholdWarmUp }: { readonly threshold: number; readonly thresholdWarmUp: boolean },
): Tensor {
  const most = counts.amax([0]);
  const none = counts.sum().neg().add(images);
  const beta = counts.div((thresholdWarmUp ? maximum(most, none) : most).clampMin(1));
  return convexMap(beta).mul(threshold);
}

export const flexmatch = defineMethod({
  name: "flexmatch",
  paper: "arXiv:2110.08263",
  summary: "FixMatch with lower thresholds for classes that are learned less",
  usesUnlabeled: true,
  options: {
    threshold: number(0.95, { min: 0, max: 1, doc: "threshold of the class learned best, and of counting as learned" }),
    thresholdWarmUp: boolean(true, { doc: "count images never labeled so far: thresholds rise slowly from 0" }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options);
    const guess = guessing(setup, options, device);
    const bank = new LabelBank({ numExamples: setup.numExamples, device });
    const images = setup.unlabeledRows.length;
    return {
      ...rest,
      state: { ...rest.state, bank, ...guess.state },
      step(batch, now) {
        const { zl, zw, zs } = forwardViews(student, batch);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        const labels = hardLabels(q);
        const thresholds = flexibleThresholds(bank.counts(setup.numClasses), images, options);
        const mask = confidenceMask(q, thresholds.indexSelect(0, labels));
        bank.update(batch.unlabeled.index, labels, q.amax([1]).ge(options.threshold));

        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), labels, { rowMask: mask });
        descend(classification.add(consistency.mul(options.consistencyWeight)), now);
        return {
          classification,
          consistency,
          kept: meanOrZero(mask),
          threshold: thresholds.mean(),
          ...guess.metrics(now),
        };
      },
    };
  },
});
