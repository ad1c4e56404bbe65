/**
 * Logistic regression on the features of a pretrained network, its L2 strength chosen on folds of the labeled images.
 *
 *   min over W, b of (1/N) sum_i H(y_i, softmax(W f(x_i) + b)) + (l2 / 2) |W|^2
 *
 * f are the features less their mean, divided by one number that makes their mean squared length their count.
 *
 * @see the paper, Section 3.2 and Appendix A.3; docs/methods/linear-probe.md; test/methods/feature-heads.test.ts, which computes the same slowly
 */
import { errorOf, fitLogistic, fitOnPath } from "../features/logistic.js";
import { integer, number } from "../options.js";
import { defineMethod } from "./method.js";
import { featureHead } from "./parts/feature-head.js";

export const linearProbe = defineMethod({
  name: "linear-probe",
  paper: "arXiv:2103.00020, Section 3.2 and Appendix A.3",
  summary: "logistic regression on the features of a network that stays as it is",
  usesUnlabeled: false,
  onFeatures: true,
  options: {
    l2: number(undefined, {
      min: 0,
      max: 1000,
      doc: "strength of the penalty; if not given, the best of 1e-5 .. 1 on folds of the labeled images",
    }),
    folds: integer(5, { min: 2, max: 20, doc: "folds for that choice, no more than the rarest class has labels" }),
  },
  views: () => ({ labeled: {}, unlabeled: {} }),
  create: (setup, { l2, folds }) =>
    featureHead(setup, "linear-probe", ({ labeled }) => {
      if (l2 !== undefined) {
        const head = fitLogistic(labeled, l2);
        return { ...head, metrics: { labeledError: errorOf(head, labeled), l2 } };
      }
      const { weight, bias, l2: chosen, error } = fitOnPath(labeled, folds, setup.rng.split("folds"));
      const metrics = { labeledError: errorOf({ weight, bias }, labeled), l2: chosen };
      return { weight, bias, metrics: error === undefined ? metrics : { ...metrics, foldError: error } };
    }),
});
