/**
 * Temporal Ensembling (Laine & Aila, arXiv:1610.02242, Algorithm 2): the target of an image is the average of what the
 * network said about it in earlier epochs, so one pass a step is enough.
 *
 *   p = softmax(z), one pass;  msq(p, q) = (1/K) sum_k (p_k - q_k)^2;  alpha = ensembleDecay
 *   L = (1/B) sum_labeled H(y, p) + w(t) (1/B) sum m_i msq(p_i, target_i),   m_i = [image i was predicted before]
 *   Z <- alpha Z + (1 - alpha) p at the end of an epoch;  target = Z without its bias;  w = 0 in the first epoch
 *
 * An epoch is a pass of the sampler over the unlabeled stream (two streams; the last prediction of a labeled image in
 * it counts) or over all images (`--sampler mixed`, as published). There is no end-of-epoch call: the first batch of the
 * next pass, where floor(now.epoch) grows, closes the one before. Deviations: images that an epoch passes over keep their
 * Z, those never predicted have no consistency cost, and the ramp goes by steps, not by whole epochs. The moving
 * average of the weights is evaluated as well; it teaches nobody.
 *
 * @see the paper, Section 2.2, Algorithm 2; docs/methods/temporal-ensembling.md; test/methods/temporal-ensembling.test.ts, which computes the same slowly
 */
import { softmaxMse } from "../losses/index.js";
import { choice, number } from "../options.js";
import { BANK_NORMALIZATIONS, BANK_PRECISIONS, EnsembleBank } from "../targets/index.js";
import { cat } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { both, classCost, consistencyRows, labeledOf } from "./parts/rows.js";
import { consistencyOptions, consistencyWeight, evaluationEmaOptions } from "./parts/shared-options.js";

export const temporalEnsembling = defineMethod({
  name: "temporal-ensembling",
  paper: "arXiv:1610.02242",
  summary: "agreement with the average of what the network said about the image in earlier epochs",
  usesUnlabeled: true,
  agreesOnLabeled: ({ consistencyOnLabeled }) => consistencyOnLabeled,
  wantsNoise: true,
  options: {
    ...consistencyOptions,
    view: choice(["weak", "strong"], "weak", { doc: "augmentation of the network's view; strong: see --strong" }),
    ensembleDecay: number(0.6, { min: 0, max: 0.999, doc: "alpha, share of the earlier epochs in that average" }),
    bankNormalization: choice(BANK_NORMALIZATIONS, "rowSum", {
      doc: "how the average loses its bias toward 0: divided by the row's sum, or by 1 - alpha^(epochs the image was seen in)",
    }),
    bankPrecision: choice(BANK_PRECISIONS, "float32", {
      doc: "storage of the predictions, two numbers a class and image: float32, or float16 for half the memory",
    }),
    ...evaluationEmaOptions,
  },
  views({ view }) {
    const views = { student: { augment: view } } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const { student, rest, descend } = averagedStudent(setup, options);
    const bank = new EnsembleBank({
      numExamples: setup.numExamples,
      numClasses: setup.numClasses,
      decay: options.ensembleDecay,
      normalization: options.bankNormalization,
      precision: options.bankPrecision,
      device: student.parameters[0]!.tensor.device,
      dataFingerprint: setup.dataFingerprint,
    });
    const rampedWeight = consistencyWeight(setup, options);
    return {
      ...rest,
      predictor: "student",
      state: { ...rest.state, bank },
      step(batch, now) {
        const epoch = Math.floor(now.epoch);
        const weight = epoch === 0 ? 0 : rampedWeight(now);
        const index = cat([batch.labeled.index, batch.unlabeled.index]);
        bank.enterEpoch(epoch); // Z <- alpha Z + (1 - alpha) p
        const z = student.forward(both(batch, "student"), "train");
        const { probs: target, known: m } = bank.target(index); // Z without its bias

        const { among, divideBy } = consistencyRows(batch, options);
        const classification = classCost(labeledOf(z, batch), batch.labeled.y, batch, options);
        const consistency = softmaxMse(among(z), among(target), { divideBy, rowMask: among(m) });
        bank.record(index, z.detach().softmax(1)); // p of the training pass itself, before this step's update
        descend(classification.add(consistency.mul(weight)), now);
        return { classification, consistency, weight };
      },
    };
  },
});
