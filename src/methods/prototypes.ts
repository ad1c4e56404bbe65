/**
 * Nearest mean on the features of a pretrained network: each class is the mean direction of its labeled images (the classifier of
 * Prototypical Networks, by cosine). Nothing is trained.
 *
 *   c_k = unit(mean over labeled i of class k of unit(f(x_i)));   p(x) = softmax_k(c_k . f(x) / (T |f|))
 *
 * |f| is the mean length of the labeled features, so that the head stays one linear layer.
 *
 * @see the paper, Section 2.4; docs/methods/prototypes.md; test/methods/feature-heads.test.ts, which computes the same slowly
 */
import { errorOf } from "../features/logistic.js";
import { prototypes as meansOf } from "../features/prototypes.js";
import { number } from "../options.js";
import { defineMethod } from "./method.js";
import { featureHead } from "./parts/feature-head.js";

export const prototypes = defineMethod({
  name: "prototypes",
  paper: "arXiv:1703.05175, Section 2.4",
  summary: "the class whose mean feature points the same way, on a network that stays as it is",
  usesUnlabeled: false,
  onFeatures: true,
  options: {
    temperature: number(0.1, {
      min: 1e-3,
      max: 100,
      doc: "divides the cosines before the softmax: confidence, not the class",
    }),
  },
  views: () => ({ labeled: {}, unlabeled: {} }),
  create: (setup, { temperature }) =>
    featureHead(setup, "prototypes", ({ labeled }) => {
      const head = meansOf(labeled, temperature);
      return { ...head, metrics: { labeledError: errorOf(head, labeled) } };
    }),
});
