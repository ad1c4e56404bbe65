// Classifiers on features against slow or closed-form ways to the same numbers.
import { expect, test } from "vitest";
import { lbfgs } from "../../src/features/lbfgs.js";
import { type Examples, errorOf, fitLogistic, fitOnPath, L2_PATH } from "../../src/features/logistic.js";
import { diffuse, neighborGraph, propagate, unitRows } from "../../src/features/propagate.js";
import { prototypes } from "../../src/features/prototypes.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";

/** Clouds around K corners. */
function clouds(each: number, numClasses: number, size: number, spread: number, seed = 1): Examples {
  const rng = Rng.fromSeed(seed);
  const y = Int32Array.from({ length: each * numClasses }, (_, i) => i % numClasses);
  const features = Float32Array.from({ length: y.length * size }, (_, at) => {
    const [i, d] = [Math.floor(at / size), at % size];
    return (d === y[i]! ? 3 : 0.5) + spread * rng.normal();
  });
  return { features, size, y, numClasses };
}

test("lbfgs finds the bottom of Rosenbrock's valley", () => {
  const found = lbfgs(
    ([x, y]) => {
      const [a, b] = [1 - x!, y! - x! * x!];
      return { value: a * a + 100 * b * b, gradient: Float64Array.of(-2 * a - 400 * x! * b, 200 * b) };
    },
    Float64Array.of(-1.2, 1),
  );
  expect([...found].map((v) => Math.abs(v - 1) < 1e-4)).toEqual([true, true]);
});

describeEngine("logistic regression", () => {
  test("at its minimum the gradient, worked out by loops, is 0, also with weights of examples", () => {
    const examples = { ...clouds(6, 3, 4, 2), weights: Float32Array.from({ length: 18 }, (_, i) => 0.2 + (i % 5)) };
    const l2 = 0.05;
    const { weight, bias } = fitLogistic(examples, l2);
    const { features, size, y, numClasses, weights } = examples;
    const n = y.length;
    const mean = Array.from({ length: size }, (_, d) => y.reduce((s, _k, i) => s + features[i * size + d]! / n, 0));
    const scale = Math.sqrt(features.reduce((s, v, at) => s + (v - mean[at % size]!) ** 2, 0) / features.length);
    const total = weights.reduce((a, b) => a + b, 0);
    const gradient = Array(numClasses * size).fill(0);
    for (let i = 0; i < n; i++) {
      const logits = Array.from({ length: numClasses }, (_, k) => {
        return bias[k]! + mean.reduce((s, _m, d) => s + weight[k * size + d]! * features[i * size + d]!, 0);
      });
      const sum = logits.reduce((s, v) => s + Math.exp(v), 0);
      for (let k = 0; k < numClasses; k++) {
        const error = (weights[i]! / total) * (Math.exp(logits[k]!) / sum - (y[i] === k ? 1 : 0));
        for (let d = 0; d < size; d++) gradient[k * size + d] += (error * (features[i * size + d]! - mean[d]!)) / scale;
      }
    }
    for (const [at, g] of gradient.entries()) expect(Math.abs(g + l2 * weight[at]! * scale)).toBeLessThan(1e-5);
  });

  test("the path: its strength is one of the list, and unseen examples are classified", () => {
    const easy = fitOnPath(clouds(10, 3, 5, 0.3), 5, Rng.fromSeed(1));
    expect([L2_PATH.includes(easy.l2 as 1), easy.error]).toEqual([true, 0]);
    expect(errorOf(easy, clouds(50, 3, 5, 0.3, 2))).toBe(0);
    const hard = fitOnPath(clouds(8, 3, 40, 1), 4, Rng.fromSeed(1));
    const unseen = clouds(50, 3, 40, 1, 2);
    const errors = L2_PATH.map((l2) => errorOf(fitLogistic(clouds(8, 3, 40, 1), l2), unseen));
    expect(Math.max(...errors) - Math.min(...errors)).toBeGreaterThan(1); // the choice matters
    expect(errorOf(hard, unseen)).toBeLessThan(Math.min(...errors) + 3);
    expect(fitOnPath(clouds(1, 3, 5, 0.3), 5, Rng.fromSeed(1))).toMatchObject({ l2: 1e-2, error: undefined });
  });
});

test("prototypes: the nearest mean direction, whatever the lengths; a class without examples comes last", () => {
  const examples = { ...clouds(5, 3, 3, 0.2), numClasses: 4 };
  const head = prototypes(examples, 0.1);
  const scaled = { ...clouds(20, 3, 3, 0.2, 3), numClasses: 4 };
  expect(errorOf(head, scaled)).toBe(0);
  expect(errorOf(head, { ...scaled, features: scaled.features.map((v) => v * 0.01) })).toBe(0);
  expect(head.bias[3]).toBeCloseTo(-20);
});

describeEngine("label propagation", () => {
  const line = unitRows(Float32Array.of(1, 0, 1, 0.1, 1, 0.2, 0.2, 1, 0.1, 1, 0, 1), 2);

  test("the graph is symmetric, without loops, and normalized as in the paper", () => {
    const { begin, column, value } = neighborGraph(line, 2, 2, 3);
    const dense = Array.from({ length: 6 }, () => Array(6).fill(0));
    for (let i = 0; i < 6; i++) for (let at = begin[i]!; at < begin[i + 1]!; at++) dense[i]![column[at]!] = value[at]!;
    // A by loops: for each row its two nearest others.
    const cos = (i: number, j: number) => line[2 * i]! * line[2 * j]! + line[2 * i + 1]! * line[2 * j + 1]!;
    const a = Array.from({ length: 6 }, (_, i) => {
      const others = [0, 1, 2, 3, 4, 5]
        .filter((j) => j !== i)
        .sort((p, q) => cos(i, q) - cos(i, p))
        .slice(0, 2);
      return [0, 1, 2, 3, 4, 5].map((j) => (others.includes(j) ? Math.max(0, cos(i, j)) ** 3 : 0));
    });
    const w = a.map((row, i) => row.map((v, j) => v + a[j]![i]!));
    const degree = w.map((row) => row.reduce((s, v) => s + v, 0));
    for (let i = 0; i < 6; i++) {
      for (let j = 0; j < 6; j++) expect(dense[i]![j]).toBeCloseTo(w[i]![j]! / Math.sqrt(degree[i]! * degree[j]!), 6);
    }
  });

  test("conjugate gradients solve (I - alpha S) z = b: the residual by loops is 0", () => {
    const graph = neighborGraph(line, 2, 3, 3);
    const b = Float64Array.of(1, 0, 0, 0, 0, -2);
    const z = diffuse(graph, b, 0.99);
    for (let i = 0; i < 6; i++) {
      let sum = z[i]!;
      for (let at = graph.begin[i]!; at < graph.begin[i + 1]!; at++)
        sum -= 0.99 * graph.value[at]! * z[graph.column[at]!]!;
      expect(sum).toBeCloseTo(b[i]!, 5);
    }
  });

  test("two labels name both clouds; where none reaches, the certainty is 0", () => {
    const { classes, certainty } = propagate(neighborGraph(line, 2, 2, 3), Int32Array.of(0, -1, -1, -1, -1, 1), 2, 0.9);
    expect([...classes]).toEqual([0, 0, 0, 1, 1, 1]);
    expect(Math.min(...certainty)).toBeGreaterThan(0.3);
    const apart = neighborGraph(Float32Array.of(1, 0, 1, 0, 0, 1, 0, 1), 2, 1, 3);
    expect([...propagate(apart, Int32Array.of(1, -1, -1, -1), 2, 0.9).certainty]).toEqual([1, 1, 0, 0]);
  });
});
