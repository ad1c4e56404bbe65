/**
 * FixMatch (Sohn et al., arXiv:2001.07685): the class that a confident prediction on the weak view names is the label of
 * the strong view.
 *
 *   q = sg softmax(f(a(u)));  mask_u = [max q_u >= threshold]
 *   L = (1/Bl) sum_l H(y_l, p_l) + lambda (1/Bu) sum_u mask_u H(argmax q_u, softmax(f(A(u))))
 *
 * The mean is over all Bu rows, not the kept ones. All rows pass through the network together: one batch-norm batch.
 * Deviation: the decay of the evaluated average is held back early on (`emaWarmup`).
 *
 * @see the paper, Section 2.2, eq. 3 and 4; docs/methods/fixmatch.md; test/methods/weak-strong-slow.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { number } from "../options.js";
import { confidenceMask, hardLabels } from "../targets/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { guessing } from "./parts/pseudo-labels/guess.js";
import { meanOrZero } from "./parts/rows.js";
import { forwardViews, weakStrongOptions, weakStrongViews } from "./parts/weak-strong.js";

export const fixmatch = defineMethod({
  name: "fixmatch",
  paper: "arXiv:2001.07685",
  summary: "confident predictions on weak views are the labels of strong views",
  usesUnlabeled: true,
  options: {
    threshold: number(0.95, {
      min: 0,
      max: 1,
      doc: "a row counts if its largest weak probability reaches this (ImageNet: 0.7)",
    }),
    ...weakStrongOptions,
  },
  views: () => weakStrongViews,
  create(setup, options) {
    const { student, rest, descend, device } = averagedStudent(setup, options);
    const guess = guessing(setup, options, device);
    return {
      ...rest,
      state: { ...rest.state, ...guess.state },
      step(batch, now) {
        const { zl, zw, zs } = forwardViews(student, batch);
        const q = guess.target(zw, batch.unlabeled, now).softmax(1);
        const mask = confidenceMask(q, options.threshold);
        const classification = crossEntropy(zl, batch.labeled.y);
        const consistency = crossEntropy(guess.learned(zs), hardLabels(q), { rowMask: mask });
        descend(classification.add(consistency.mul(options.consistencyWeight)), now);
        return { classification, consistency, kept: meanOrZero(mask), ...guess.metrics(now) };
      },
    };
  },
});
