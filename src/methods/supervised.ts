/**
 * The baseline: labeled rows only, the same network and augmentation. As in the Mean Teacher paper the exponential moving
 * average of the weights is evaluated beside the network itself, and counts as the result (methods.md 2.1).
 */
import { crossEntropy } from "../losses/index.js";
import { number } from "../options.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
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
    const { student, owned, learn } = averagedStudent(setup, options);
    return {
      ...owned,
      step({ labeled, unlabeled }, now) {
        if (labeled.index.size(0) === 0) {
          learn(undefined, now); // mixed sampling can draw no labeled row: nothing to learn from, and networks take no empty batch
          return { classification: 0 };
        }
        const logits = student.forward(labeled.x.student, "train");
        const divideBy =
          options.classReduction === "batch" ? labeled.index.size(0) + unlabeled.index.size(0) : undefined;
        const classification = crossEntropy(logits, labeled.y, { divideBy, smoothing: options.labelSmoothing });
        learn(classification, now);
        return { classification };
      },
    };
  },
});
