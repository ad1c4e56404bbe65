/**
 * The baseline: labeled rows only, the same network and augmentation. As in the Mean Teacher paper the exponential moving
 * average of the weights is evaluated beside the network itself, and counts as the result.
 *
 *   L = (1/B) sum_labeled H(y, p);   th' <- a th' + (1 - a) th
 *
 * @see the paper, Section 3.1; docs/methods/supervised.md; test/methods/formulas.ts, which computes the same slowly
 */
import { number } from "../options.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { classCost, counts } from "./parts/rows.js";
import { classReductionOption, evaluationEmaOptions } from "./parts/shared-options.js";

export const supervised = defineMethod({
  name: "supervised",
  paper: "arXiv:1703.01780, Section 3.1 (baseline)",
  summary: "cross-entropy on the labeled images alone",
  usesUnlabeled: false,
  options: {
    ...classReductionOption,
    ...evaluationEmaOptions,
    labelSmoothing: number(0, { min: 0, max: 1, doc: "share of the target spread evenly over all classes" }),
  },
  views: () => ({ labeled: { student: { augment: "weak" } }, unlabeled: {} }),
  create(setup, options) {
    const { student, rest, descend } = averagedStudent(setup, options);
    return {
      ...rest,
      step(batch, now) {
        if (counts(batch)[0] === 0) {
          descend(undefined, now); // mixed sampling can draw no labeled row: nothing to learn from, and networks take no empty batch
          return { classification: 0 };
        }
        const zl = student.forward(batch.labeled.x.student, "train");
        const classification = classCost(zl, batch.labeled.y, batch, options);
        descend(classification, now);
        return { classification };
      },
    };
  },
});
