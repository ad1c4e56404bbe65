// What data audit is made of: confident learning by the paper's formulas, folds that no copy crosses, pairs and outliers that were planted.
import { expect, test } from "vitest";
import { alikePairs, farOut, loneliness } from "../../src/features/alike.js";
import { labelErrors } from "../../src/features/confident.js";
import { outOfFold } from "../../src/features/out-of-fold.js";
import { PATCH_FEATURES, patchFeatures } from "../../src/features/patches.js";
import { unitRows } from "../../src/features/propagate.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";

test("labelErrors: thresholds, joint and ranking of an example worked out by hand", () => {
  // Labels 0 0 0 0 1 1 1 1; rows 3 and 7 look like the other class, row 2 is unsure.
  const first = [0.9, 0.8, 0.5, 0.1, 0.2, 0.1, 0.3, 0.95];
  const probabilities = Float64Array.from(first.flatMap((p) => [p, 1 - p]));
  const y = Int32Array.of(0, 0, 0, 0, 1, 1, 1, 1);
  const { thresholds, joint, doubts } = labelErrors({ probabilities, y, numClasses: 2 });
  expect(thresholds[0]).toBeCloseTo((0.9 + 0.8 + 0.5 + 0.1) / 4, 12); // 0.575
  expect(thresholds[1]).toBeCloseTo((0.8 + 0.9 + 0.7 + 0.05) / 4, 12); // 0.6125
  // Label 0: rows 0 and 1 confident of 0, row 3 of 1, row 2 of neither. Label 1: rows 4, 5, 6 of 1, row 7 of 0.
  expect([...joint].map((v) => v * 8)).toEqual(
    [(2 / 3) * 4, (1 / 3) * 4, (1 / 4) * 4, (3 / 4) * 4].map((v) => expect.closeTo(v, 12)),
  );
  expect(doubts.map(({ row, suggested }) => [row, suggested])).toEqual([
    [7, 0],
    [3, 1],
  ]);
  expect(doubts[0]!.margin).toBeCloseTo(0.9, 12);
});

test("labelErrors doubts nothing where every label is the likeliest class, and passes over a class without examples", () => {
  const probabilities = Float64Array.of(0.6, 0.3, 0.1, 0.2, 0.7, 0.1, 0.5, 0.4, 0.1, 0.3, 0.4, 0.3);
  const { doubts, thresholds } = labelErrors({ probabilities, y: Int32Array.of(0, 1, 0, 1), numClasses: 3 });
  expect(doubts).toEqual([]);
  expect(thresholds[2]).toBeNaN();
});

test("farOut: what lies three quartile distances above the upper quartile", () => {
  const values = Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 21, 30);
  expect(farOut(values)).toEqual([9]); // quartiles 3 and 8: more than 23
});

describeEngine("with the engine", () => {
  const SIZE = 6;
  /** Clouds around the axes 0 .. K - 1. */
  function clouds(each: number, K: number, spread: number, seed = 1) {
    const rng = Rng.fromSeed(seed);
    const y = Int32Array.from({ length: each * K }, (_, i) => i % K);
    const features = Float32Array.from({ length: y.length * SIZE }, (_, at) => {
      return (at % SIZE === y[Math.floor(at / SIZE)]! ? 2 : 0) + spread * rng.normal();
    });
    return { features, size: SIZE, y, numClasses: K };
  }

  test("outOfFold: wrong labels planted in clear clouds are the likeliest doubts, each of them and no other", () => {
    const made = clouds(20, 3, 0.3);
    const planted = [4, 17, 33, 58];
    for (const i of planted) made.y[i] = (made.y[i]! + 1) % 3;
    const { probabilities, error } = outOfFold(made, Int32Array.from(made.y.keys()), 5, Rng.fromSeed(1));
    for (let i = 0; i < made.y.length; i++) {
      expect(probabilities.subarray(3 * i, 3 * i + 3).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    }
    expect(error).toBeCloseTo((100 * 4) / 60, 9);
    const { doubts } = labelErrors({ ...made, probabilities });
    expect(doubts.map(({ row }) => row).sort((a, b) => a - b)).toEqual(planted);
    for (const { row, suggested } of doubts) expect(suggested).toBe(row % 3);
  });

  test("outOfFold: a picture and its copy are judged together, so that one does not vouch for the other's wrong label", () => {
    const rng = Rng.fromSeed(3);
    const made = clouds(8, 2, 0.2);
    // Far from both clouds, twice, both labeled 1, and nearer to cloud 0.
    for (const row of [0, 1])
      for (let d = 0; d < SIZE; d++) made.features[row * SIZE + d] = d === 0 ? 1.2 : d === 1 ? 0.9 : d === 2 ? 9 : 0;
    made.y[0] = 1;
    const own = Int32Array.from(made.y.keys());
    const apart = outOfFold(made, own, 8, rng.split("a")).probabilities;
    const together = outOfFold(made, own.with(1, 0), 8, rng.split("a")).probabilities;
    expect(together[1]!).toBeLessThan(apart[1]! - 0.02);
  });

  test("alikePairs: planted repeats and mirrored ones, once each; a row of nothing is like none", () => {
    const rng = Rng.fromSeed(5);
    const size = 40;
    const rows = Float32Array.from({ length: 300 * size }, () => rng.normal());
    const turn = (row: number) => rows.slice(row * size, (row + 1) * size).reverse();
    rows.set(
      rows.slice(7 * size, 8 * size).map((v) => v + 0.02 * rng.normal()),
      290 * size,
    );
    rows.set(turn(11), 280 * size);
    rows.fill(0, 100 * size, 102 * size);
    const unit = unitRows(rows, size);
    const turned = unit.slice();
    for (let row = 0; row < 300; row++) turned.set(unit.slice(row * size, (row + 1) * size).reverse(), row * size);
    const pairs = alikePairs(unit, size, 0.98, [turned]);
    expect(pairs.map(({ first, second }) => [first, second])).toEqual([
      [11, 280],
      [7, 290],
    ]);
    expect(alikePairs(unit, size, 0.98).map(({ second }) => second)).toEqual([290]);
  });

  test("loneliness: against loops; the row that is like no other is far out", () => {
    const made = clouds(15, 3, 0.2);
    for (let d = 0; d < SIZE; d++) made.features[20 * SIZE + d] = d === 5 ? -4 : 0;
    const got = loneliness(made.features, SIZE, 4);
    const n = made.y.length;
    const mean = Array.from({ length: SIZE }, (_, d) =>
      made.y.reduce((s, _k, i) => s + made.features[i * SIZE + d]! / n, 0),
    );
    const x = Array.from({ length: n }, (_, i) => mean.map((m, d) => made.features[i * SIZE + d]! - m));
    const cosine = (a: number[], b: number[]) => {
      const dot = (p: number[], q: number[]) => p.reduce((s, v, d) => s + v * q[d]!, 0);
      return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
    };
    for (const i of [0, 7, 20]) {
      const near = x.flatMap((row, j) => (j === i ? [] : [cosine(x[i]!, row)])).sort((a, b) => b - a);
      expect(got[i]).toBeCloseTo(1 - near.slice(0, 4).reduce((a, b) => a + b, 0) / 4, 5);
    }
    expect(farOut(got)[0]).toBe(20);
  });

  test("patchFeatures: same seed, same numbers; standardized columns; stripes of two directions lie apart", () => {
    const n = 24;
    const pixels = new Uint8Array(n * 3072);
    const rng = Rng.fromSeed(2);
    for (let i = 0; i < n; i++)
      for (let c = 0; c < 3; c++)
        for (let y = 0; y < 32; y++)
          for (let x = 0; x < 32; x++)
            pixels[(i * 3 + c) * 1024 + y * 32 + x] = 90 + 60 * Math.sin((i % 2 ? x : y) + i) + rng.integer(40);
    const features = patchFeatures(pixels, Rng.fromSeed(1));
    expect(features).toEqual(patchFeatures(pixels, Rng.fromSeed(1)));
    expect(features).toHaveLength(n * PATCH_FEATURES);
    const column = Array.from({ length: n }, (_, i) => features[i * PATCH_FEATURES + 3]!);
    expect(column.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 3);
    expect(column.reduce((a, b) => a + b * b, 0) / n).toBeCloseTo(1, 2);
    const y = Int32Array.from({ length: n }, (_, i) => i % 2);
    const judged = outOfFold(
      { features, size: PATCH_FEATURES, y, numClasses: 2 },
      Int32Array.from(y.keys()),
      4,
      Rng.fromSeed(1),
    );
    expect(judged.error).toBe(0);
  });
});
