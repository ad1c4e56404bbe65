/**
 * Pseudo-Label (Lee, ICML 2013 workshop): the most probable class of an unlabeled image, by the weights of the moment, is
 * its label.
 *
 *   L = (1/Bl) sum H(y, p(x)) + w(t) (1/Bu) sum m_u H(argmax p(u), p(u)),   no gradient through the argmax
 *   lee:        m = 1;                       w = 3 alpha(t), 0 up to step T1, linear, 1 from T2 on
 *   confidence: m = [max p(u) >= 0.95];      w = linear up to 1 over the first 40 % of the run (FixMatch's baseline)
 *
 * The mean is over all unlabeled rows, masked ones too. Label and prediction come from one pass over one weak view. The two
 * parts pass apart, and only the labeled one updates running statistics (batch norm is younger than the paper). The result
 * is the moving average of the weights, as in the baselines this is compared with; the paper has none.
 *
 * @see the paper, eq. 15 and 16; docs/methods/pseudo-label.md; test/methods/pseudo-label.test.ts, which computes the same slowly
 */
import { crossEntropy } from "../losses/index.js";
import { boolean, choice, integer, need, needNotZero, number } from "../options.js";
import { linearBetween } from "../schedules/index.js";
import { confidenceMask, hardLabels } from "../targets/index.js";
import type { Tensor } from "../torch/index.js";
import { defineMethod } from "./method.js";
import { averagedStudent } from "./parts/averaged-student.js";
import { debiasing, debiasOptions } from "./parts/pseudo-labels/debias.js";
import { evaluationEmaOptions } from "./parts/shared-options.js";

/**
 * What is not given. The paper's T1 = 100 and T2 = 600 are epochs of a run whose length it does not state; here they are
 * shares of 1,000.
 */
const forms = {
  lee: { weight: 3, start: 0.1, end: 0.6 },
  confidence: { weight: 1, start: 0, end: 0.4 },
} as const;

export const pseudoLabel = defineMethod({
  name: "pseudo-label",
  paper: "none: Lee, Pseudo-Label, ICML 2013 workshop on challenges in representation learning",
  summary: "the network's own most probable class as label, for all unlabeled images or the confident ones",
  usesUnlabeled: true,
  options: {
    form: choice(["lee", "confidence"], "lee", {
      doc: "lee: every unlabeled row counts, with a weight that starts late; confidence: rows above a threshold",
    }),
    unlabeledWeight: number(undefined, {
      min: 0,
      doc: "largest weight of the unlabeled term; if not given, 3 (lee) or 1 (confidence)",
    }),
    rampStart: integer(undefined, {
      min: 0,
      needs: [needNotZero("method.unlabeledWeight")],
      doc: "step T1 up to which that weight is 0; if not given, 1/10 of the steps (lee) or 0 (confidence)",
    }),
    rampEnd: integer(undefined, {
      min: 0,
      doc: "step T2 from which it is whole; if not given, 6/10 (lee) or 4/10 (confidence) of the steps",
    }),
    confidenceThreshold: number(0.95, {
      min: 0,
      max: 1,
      needs: [need("method.form", "confidence")],
      doc: "confidence: least probability of a label that counts",
    }),
    strictThreshold: boolean(false, {
      needs: [need("method.form", "confidence")],
      doc: "confidence: only probabilities above the threshold, as in FixMatch's code",
    }),
    ...debiasOptions,
    ...evaluationEmaOptions,
    emaDecayRampUp: { ...evaluationEmaOptions.emaDecayRampUp, needs: [needNotZero("method.rampEnd", 2)] },
  },
  views() {
    const views = { student: { augment: "weak" } } as const;
    return { labeled: views, unlabeled: views };
  },
  create(setup, options) {
    const form = forms[options.form];
    const largest = options.unlabeledWeight ?? form.weight;
    const start = options.rampStart ?? Math.round(form.start * setup.totalSteps);
    const end = options.rampEnd ?? Math.round(form.end * setup.totalSteps);
    const { student, rest, descend, device } = averagedStudent(setup, { ...options, rampUpSteps: end });
    const debias = debiasing(options, { numClasses: setup.numClasses, device });
    const threshold = options.form === "lee" ? 0 : options.confidenceThreshold;
    const strict = options.form === "confidence" && options.strictThreshold;

    /** Networks take no empty batch; mixed sampling can draw one. */
    const some = (x: Tensor, loss: () => Tensor) => (x.size(0) === 0 ? undefined : loss());
    return {
      ...rest,
      state: { ...rest.state, ...debias.state },
      step({ labeled, unlabeled }, now) {
        const weight = largest * linearBetween(now.step, start, end);
        let kept: Tensor | number = 0;
        const classification = some(labeled.x.student, () =>
          crossEntropy(student.forward(labeled.x.student, "train"), labeled.y),
        );
        const pseudo = some(unlabeled.x.student, () => {
          const logits = student.forward(unlabeled.x.student, { mode: "train", updateStatistics: false });
          const probs = debias.target(logits).softmax(1);
          const rowMask = confidenceMask(probs, threshold, { strict });
          kept = rowMask.mean();
          return crossEntropy(debias.learned(logits), hardLabels(probs), { rowMask });
        });
        const weighted = pseudo?.mul(weight);
        const loss = classification && weighted ? classification.add(weighted) : (classification ?? weighted)!;
        descend(loss, now);
        return { classification: classification ?? 0, pseudo: pseudo ?? 0, weight, kept, ...debias.metrics() };
      },
    };
  },
});
