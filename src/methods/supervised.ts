/**
 * The baseline: labeled rows only, the same network and augmentation. As in the Mean Teacher paper the exponential moving
 * average of the weights is evaluated beside the network itself, and counts as the result.
 *
 *   L = (1/B) sum_labeled H(y, p);   th' <- a th' + (1 - a) th
 *
 * With `--sampler mixed` B counts rows without a label, which have no loss but pass through the network, as in Temporal
 * Ensembling's baseline.
 *
 * @see the paper, Section 3.1; docs/methods/supervised.md; test/methods/formulas.ts, which computes the same slowly
 */
import { need, number } from "../options.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { both, classCost, counts, labeledOf } from "./parts/rows.js";
import { classReductionOption, evaluationEmaOptions } from "./parts/shared-options.js";

export const supervised = defineMethod({
  name: "supervised",
  paper: "arXiv:1703.01780, Section 3.1 (baseline)",
  summary: "cross-entropy on the labeled images alone",
  usesUnlabeled: false,
  options: {
    // Otherwise every row of the batch is labeled.
    classReduction: { ...classReductionOption.classReduction, needs: [need("sampler", "mixed")] },
    ...evaluationEmaOptions,
    labelSmoothing: number(0, { min: 0, max: 1, doc: "share of the target spread evenly over all classes" }),
  },
  views() {
    const views = { student: { augment: "weak" } } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const { student, rest, descend } = averagedStudent(setup, options);
    return {
      ...rest,
      step(batch, now) {
        // With mixed sampling the batch has rows without a label: they pass as well, for batch norm sees the whole batch.
        const mixed = counts(batch)[1] > 0;
        const z = student.forward(mixed ? both(batch, "student") : batch.labeled.x.student, "train");
        const classification = classCost(labeledOf(z, batch), batch.labeled.y, batch, options);
        descend(classification, now);
        return { classification };
      },
    };
  },
});
