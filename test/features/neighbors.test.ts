// The choice of k against loops.
import { expect, test } from "vitest";
import { chooseNeighbors, dealt, K_PATH } from "../../src/features/neighbors.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";

const rng = Rng.fromSeed(3);
const [n, size, numClasses] = [60, 3, 4];
/** Class 3 has one example. */
const y = Int32Array.from({ length: n }, (_, i) => (i === 0 ? 3 : i % 3));
const features = Float32Array.from({ length: n * size }, (_, at) => {
  const [i, d] = [Math.floor(at / size), at % size];
  return (y[i] === d ? 1.2 : 0) + rng.normal();
});
const examples = { features, size, y, numClasses };

test("folds hold every class in equal shares", () => {
  const foldOf = dealt(y, numClasses, 5, rng);
  for (let k = 0; k < numClasses; k++) {
    const counts = [0, 1, 2, 3, 4].map((fold) => y.filter((v, i) => v === k && foldOf[i] === fold).length);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(2);
  }
});

describeEngine("chooseNeighbors", () => {
  const row = (i: number) => [...features.subarray(i * size, (i + 1) * size)];
  const cosine = (a: number[], b: number[]) => {
    const dot = (p: number[], q: number[]) => p.reduce((s, v, d) => s + v * q[d]!, 0);
    return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
  };
  const slowErrors = (temperature: number) => {
    const foldOf = dealt(y, numClasses, 5, Rng.fromSeed(1));
    return K_PATH.filter((k) => k <= n).map((k) => {
      const wrong = [...y].filter((truth, i) => {
        const others = [...y.keys()].filter((j) => foldOf[j] !== foldOf[i]);
        const near = others.map((j) => ({ s: cosine(row(i), row(j)), c: y[j]! })).sort((a, b) => b.s - a.s);
        const votes = [0, 0, 0, 0];
        for (const { s, c } of near.slice(0, k)) votes[c]! += Math.exp(s / temperature);
        return votes.indexOf(Math.max(...votes)) !== truth;
      });
      return (100 * wrong.length) / n;
    });
  };

  test.each([0.07, 1])("temperature %d: the least error of the loops, the largest k of equals", (temperature) => {
    const errors = slowErrors(temperature);
    const least = Math.min(...errors);
    expect(new Set(errors).size).toBeGreaterThan(1);
    const { k, error } = chooseNeighbors(examples, temperature, { folds: 5, rng: Rng.fromSeed(1) });
    expect(error).toBeCloseTo(least, 6);
    expect(k).toBe(K_PATH[errors.lastIndexOf(least)]);
  });

  test("one example of each class: nothing to choose by", () => {
    const few = { features: features.slice(0, 3 * size), size, y: Int32Array.of(0, 2, 1), numClasses };
    expect(chooseNeighbors(few, 0.07, { folds: 5, rng })).toEqual({ k: 2, error: undefined });
  });
});
