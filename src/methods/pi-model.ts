/**
 * Pi-model (Laine & Aila, arXiv:1610.02242, Algorithm 1): the same network twice, on two views with two draws of dropout
 * and noise; what it predicts should agree.
 *
 *   p1 = softmax(z1), p2 = softmax(z2): the two passes;  msq(p, q) = (1/K) sum_k (p_k - q_k)^2
 *   L = (1/B) sum_labeled H(y, p1) + w(t) (1/B) sum msq(p1, p2),  w(t) = consistencyWeight exp(-5 (1 - t / rampUpSteps)^2)
 *
 * Deviations: the second branch leaves the running statistics alone (in Mean Teacher's code it has its own). The moving
 * average of the weights is evaluated as well; it teaches nobody.
 *
 * @see the paper, Section 2.1, Algorithm 1; docs/methods/pi-model.md; test/methods/formulas.ts, which computes the same slowly
 */
import { softmaxMse, softmaxMseBoth } from "../losses/index.js";
import { boolean, choice } from "../options.js";
import { noGrad } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { both, classCost, consistencyRows, labeledOf } from "./parts/rows.js";
import {
  consistencyOptions,
  consistencyWeight,
  evaluationEmaOptions,
  randomFlips,
  weighed,
} from "./parts/shared-options.js";

export const piModel = defineMethod({
  name: "pi-model",
  paper: "arXiv:1610.02242",
  summary: "one network, two noisy views of each image, agreement between them",
  usesUnlabeled: true,
  agreesOnLabeled: ({ consistencyOnLabeled }) => consistencyOnLabeled,
  wantsNoise: true,
  options: {
    ...consistencyOptions,
    stopGrad: choice(["none", "target"], "none", {
      needs: [weighed],
      doc: "none: the gradient flows into both branches, as published; target: not into the second",
    }),
    sameFlip: boolean(true, {
      needs: randomFlips,
      doc: "both views share the flip draw, not the translation, as published; false: independent",
    }),
    firstView: choice(["weak", "strong"], "weak", {
      doc: "augmentation of the view that the class cost reads; strong: see --strong",
    }),
    secondView: choice(["weak", "strong"], "weak", { doc: "augmentation of the other view" }),
    zeroFirstEpoch: boolean(false, {
      needs: [weighed],
      doc: "consistency weight 0 in the first pass over the data, as published",
    }),
    ...evaluationEmaOptions,
  },
  views({ sameFlip, firstView, secondView }) {
    const second = { augment: secondView, ...(sameFlip && { sameFlipAs: "first" }) } as const;
    const views = { first: { augment: firstView }, second } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const { student, rest, descend } = averagedStudent(setup, options);
    const rampedWeight = consistencyWeight(setup, options);
    return {
      ...rest,
      predictor: "student",
      step(batch, now) {
        const weight = options.zeroFirstEpoch && now.epoch < 1 ? 0 : rampedWeight(now);
        const z1 = student.forward(both(batch, "first"), "train");
        const another = () => student.forward(both(batch, "second"), { mode: "train", updateStatistics: false });
        const z2 = options.stopGrad === "target" ? noGrad(another) : another();

        const classification = classCost(labeledOf(z1, batch), batch.labeled.y, batch, options);
        const { among, divideBy } = consistencyRows(batch, options);
        const consistency =
          options.stopGrad === "target"
            ? softmaxMse(among(z1), among(z2).softmax(1), { divideBy })
            : softmaxMseBoth(among(z1), among(z2), { divideBy });
        descend(classification.add(consistency.mul(weight)), now);
        return { classification, consistency, weight };
      },
    };
  },
});
