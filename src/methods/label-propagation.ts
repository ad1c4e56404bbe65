/**
 * Labels spread over the nearest neighbors of a pretrained network's features to the unlabeled images; a logistic regression on all of
 * them, each as heavy as its label is sure, then judges new images.
 *
 *   a_ij = max(0, cos(f_i, f_j))^gamma for the k nearest j;   W = A + A';   S = D^-1/2 W D^-1/2;   (I - alpha S) Z = Y
 *   y_i = argmax z_i,  w_i = 1 - H(z_i / sum z_i) / log K  (labeled: their label, 1), divided by the weight of the class
 *
 * @see the paper, Section 3; docs/methods/label-propagation.md; test/methods/feature-heads.test.ts, which computes the same slowly
 */
import { errorOf, fitLogistic } from "../features/logistic.js";
import { neighborGraph, propagate, unitRows } from "../features/propagate.js";
import { integer, number } from "../options.js";
import { defineMethod } from "./method.js";
import { featureHead } from "./parts/feature-head.js";

export const labelPropagation = defineMethod({
  name: "label-propagation",
  paper: "arXiv:1904.04717, Section 3 (after Zhou et al., NIPS 2003)",
  summary: "labels spread to the nearest neighbors in the features of a network that stays as it is",
  usesUnlabeled: true,
  needsWholePool: true,
  onFeatures: true,
  options: {
    neighbors: integer(50, { min: 1, doc: "nearest neighbors of each image in the graph" }),
    gamma: number(3, { min: 0, max: 100, doc: "power of the cosine that is an edge's weight" }),
    alpha: number(0.99, {
      min: 0,
      max: 0.9999,
      doc: "how far labels spread: share of the neighbors against the own label",
    }),
    l2: number(0.01, { min: 0, max: 1000, doc: "strength of the penalty of the logistic regression at the end" }),
  },
  views: () => ({ labeled: {}, unlabeled: {} }),
  create: (setup, { neighbors, gamma, alpha, l2 }) =>
    featureHead(setup, "label-propagation", ({ labeled, featuresOf }) => {
      const { numClasses } = setup;
      const known = new Set(setup.labeled.rows);
      const others = setup.unlabeledRows.filter((row) => !known.has(row));
      const count = labeled.y.length;
      const features = new Float32Array(labeled.features.length + others.length * labeled.size);
      features.set(labeled.features);
      features.set(featuresOf(others), labeled.features.length);
      const given = new Int32Array(count + others.length).fill(-1);
      given.set(labeled.y);
      const graph = neighborGraph(unitRows(features, labeled.size), labeled.size, neighbors, gamma);
      const { classes, certainty } = propagate(graph, given, numClasses, alpha);
      classes.set(labeled.y);
      certainty.fill(1, 0, count);
      const heavy = new Float64Array(numClasses);
      for (const [i, k] of classes.entries()) heavy[k]! += certainty[i]!;
      const weights = certainty.map((w, i) => w / Math.max(heavy[classes[i]!]!, 1e-9));
      const head = fitLogistic({ ...labeled, features, y: classes, weights }, l2);
      const rest = certainty.subarray(count);
      const meanCertainty = rest.reduce((a, b) => a + b, 0) / Math.max(1, rest.length);
      return { ...head, metrics: { labeledError: errorOf(head, labeled), certainty: meanCertainty } };
    }),
});
