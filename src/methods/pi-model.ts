/**
 * Pi-model (Laine & Aila, arXiv:1610.02242, Algorithm 1): the same network twice, on two views with two draws of dropout
 * and noise; what it predicts should agree.
 *
 *   L = (1/B) sum_labeled H(y, p1) + w(t) (1/B) sum msq(p1, p2)
 *
 * Deviations: the second branch leaves the running statistics alone (in Mean Teacher's code it has its own). The moving
 * average of the weights is evaluated as well; it teaches nobody.
 */
import { crossEntropy, softmaxMse, softmaxMseBoth } from "../losses/index.js";
import { splitRows } from "../nn/index.js";
import { boolean, choice } from "../options.js";
import { cat, noGrad } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { consistencyRows } from "./parts/rows.js";
import { consistencyOptions, consistencyWeight, evaluationEmaOptions } from "./parts/shared-options.js";

export const piModel = defineMethod({
  name: "pi-model",
  paper: "arXiv:1610.02242",
  summary: "one network, two noisy views of each image, agreement between them",
  usesUnlabeled: true,
  options: {
    ...consistencyOptions,
    stopGrad: choice(["none", "target"], "none", {
      doc: "none: the gradient flows into both branches, as published; target: not into the second",
    }),
    sameFlip: boolean(true, {
      doc: "both views share the flip draw, not the translation, as published; false: independent",
    }),
    zeroFirstEpoch: boolean(false, { doc: "consistency weight 0 in the first pass over the data, as published" }),
    ...evaluationEmaOptions,
  },
  views({ sameFlip }) {
    const second = sameFlip ? ({ augment: "weak", sameFlipAs: "first" } as const) : ({ augment: "weak" } as const);
    const views = { first: { augment: "weak" }, second } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const { student, owned, learn } = averagedStudent(setup, options);
    const rampedWeight = consistencyWeight(setup, options);
    return {
      ...owned,
      predictor: "student",
      step({ labeled, unlabeled }, now) {
        const counts = [labeled.index.size(0), unlabeled.index.size(0)] as const;
        const rows = counts[0] + counts[1];
        const weight = options.zeroFirstEpoch && now.epoch < 1 ? 0 : rampedWeight(now.step);
        const first = student.forward(cat([labeled.x.first, unlabeled.x.first]), "train");
        const another = () =>
          student.forward(cat([labeled.x.second, unlabeled.x.second]), { mode: "train", updateStatistics: false });
        const second = options.stopGrad === "target" ? noGrad(another) : another();

        const zl = splitRows(first, counts)[0]!;
        const classification = crossEntropy(zl, labeled.y, {
          divideBy: options.classReduction === "batch" ? rows : undefined,
        });
        const { select, divideBy } = consistencyRows(options, counts);
        const consistency =
          options.stopGrad === "target"
            ? softmaxMse(select(first), select(second).softmax(1), { divideBy })
            : softmaxMseBoth(select(first), select(second), { divideBy });
        learn(classification.add(consistency.mul(weight)), now);
        return { classification, consistency, weight };
      },
    };
  },
});
