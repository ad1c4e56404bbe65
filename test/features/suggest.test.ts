// Which rows get a label next: every group once, none twice, and later the least certain.
import { expect, test } from "vitest";
import { suggest } from "../../src/features/suggest.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";

const SIZE = 8;
/** `counts[k]` rows around axis k. */
function groups(counts: readonly number[], spread = 0.15, seed = 1) {
  const rng = Rng.fromSeed(seed);
  const of = counts.flatMap((count, k) => Array<number>(count).fill(k));
  const features = Float32Array.from(
    of.flatMap((k) => Array.from({ length: SIZE }, (_, d) => (d === k ? 1 : 0) + spread * rng.normal())),
  );
  return { features, size: SIZE, y: new Int32Array(of.length).fill(-1), numClasses: 0, of };
}

describeEngine("suggest", () => {
  test("without labels: one of each group, however unequal, where chance misses some", () => {
    const counts = [60, 30, 10, 5, 4];
    for (const seed of [1, 2, 3]) {
      const made = groups(counts, 0.08, seed);
      const { rows, by } = suggest(made, 5, Rng.fromSeed(seed));
      expect(by).toBe("typical");
      expect(rows.map((row) => made.of[row]).sort()).toEqual([0, 1, 2, 3, 4]);
      const random = Rng.fromSeed(seed).permutation(made.y.length).slice(0, 5);
      expect(new Set([...random].map((row) => made.of[row])).size).toBeLessThan(5);
    }
  });

  test("groups with a label come last; what has a label is never suggested", () => {
    const made = groups([20, 20, 20, 20], 0.08);
    made.y[3] = 0;
    made.y[25] = 1;
    const two = suggest({ ...made, numClasses: 4 }, 2, Rng.fromSeed(1)).rows;
    expect(two.map((row) => made.of[row]).sort()).toEqual([2, 3]);
    const all = suggest({ ...made, numClasses: 4 }, 1000, Rng.fromSeed(1)).rows;
    expect([...all].sort((a, b) => a - b)).toEqual([...made.y.keys()].filter((i) => made.y[i]! < 0));
  });

  test("nothing is suggested where every row has a label, where there is no row, and where none is wanted", () => {
    const made = groups([6, 6]);
    const none = { ...made, features: new Float32Array(0), y: new Int32Array(0) };
    const few = new Int32Array(12).fill(-1);
    few[0] = 0;
    for (const y of [new Int32Array(12), few.with(1, 1).map((k, i) => (k < 0 ? i % 2 : k))]) {
      expect(suggest({ ...made, y, numClasses: 2 }, 5, Rng.fromSeed(1)).rows).toEqual([]);
    }
    expect(suggest(none, 5, Rng.fromSeed(1)).rows).toEqual([]);
    expect(suggest({ ...made, y: few, numClasses: 2 }, 0, Rng.fromSeed(1)).rows).toEqual([]);
  });

  test("the same picture twice is suggested once", () => {
    const made = groups([6, 6]);
    const twice = {
      ...made,
      y: new Int32Array(24).fill(-1),
      features: Float32Array.of(...made.features, ...made.features),
    };
    const { rows } = suggest(twice, 24, Rng.fromSeed(1));
    expect(new Set(rows.map((row) => row % 12)).size).toBe(12);
    expect(rows).toHaveLength(12);
  });

  test("with four labels a class: rows between the classes, not those that are plain", () => {
    const made = groups([30, 30], 0.1);
    for (const i of [0, 1, 2, 3]) {
      made.y[i] = 0;
      made.y[30 + i] = 1;
    }
    const between = [10, 40];
    for (const [at, row] of between.entries()) {
      for (let d = 0; d < SIZE; d++) made.features[row * SIZE + d] = d < 2 ? 0.7 : d === 2 + at ? 0.5 : 0;
    }
    const { rows, by } = suggest({ ...made, numClasses: 2 }, 3, Rng.fromSeed(1));
    expect(by).toBe("uncertain");
    expect(rows).toHaveLength(3);
    expect(between).toContain(rows[0]); // one of each group, and these two are one
  });
});
