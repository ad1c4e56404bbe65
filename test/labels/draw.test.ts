import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.js";
import { drawLabels, drawLongTail, type LabelDraw, longTail } from "../../src/labels/draw.js";
import { Rng } from "../../src/rng.js";

const classes = ["a", "b", "c"];
const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3);
const pool = Int32Array.from({ length: 60 }, (_, i) => i);
const draw = (count: number, rule: LabelDraw = "balanced", seed = 1, from = pool) =>
  drawLabels(labels, from, count, classes, rule, Rng.fromSeed(seed));

describe("drawLabels", () => {
  it("takes exactly count / K of each class, each image once, in ascending order", () => {
    const chosen = draw(12);
    expect(new Set(chosen).size).toBe(12);
    expect([...chosen]).toEqual([...chosen].sort((a, b) => a - b));
    expect([0, 1, 2].map((k) => chosen.filter((i) => labels[i] === k).length)).toEqual([4, 4, 4]);
  });

  it("depends on the seed alone", () => {
    expect(draw(12)).toEqual(draw(12));
    expect(draw(12, "balanced", 2)).not.toEqual(draw(12));
  });

  it("draws only from the pool, and only images with a label", () => {
    const some = pool.filter((i) => i >= 30);
    expect(draw(12, "balanced", 1, some).every((i) => i >= 30)).toBe(true);
    const hidden = labels.map((y, i) => (i < 40 ? -1 : y));
    const chosen = drawLabels(hidden, pool, 9, classes, "random", Rng.fromSeed(3));
    expect(chosen.every((i) => i >= 40)).toBe(true);
  });

  it("takes of each class in proportion to its size, exactly so many in all", () => {
    // Classes of 40, 15 and 5 of 60: 10 labels are 6.67, 2.5 and 0.83, so the floors 6, 2, 0 and one more for c and a.
    const uneven = Int32Array.from({ length: 60 }, (_, i) => (i < 40 ? 0 : i < 55 ? 1 : 2));
    const counts = (count: number) => {
      const chosen = drawLabels(uneven, pool, count, classes, "proportional", Rng.fromSeed(2));
      expect(new Set(chosen).size).toBe(count);
      expect([...chosen]).toEqual([...chosen].sort((a, b) => a - b));
      return [0, 1, 2].map((k) => chosen.filter((i) => uneven[i] === k).length);
    };
    expect(counts(12)).toEqual([8, 3, 1]);
    expect(counts(10)).toEqual([7, 2, 1]);
    expect(counts(60)).toEqual([40, 15, 5]);
  });

  it("takes every image of every class with equal chance", () => {
    const hits = new Float64Array(60);
    for (let seed = 0; seed < 600; seed++) for (const i of draw(30, "balanced", seed)) hits[i]!++;
    // Binomial(600, 1/2): mean 300, deviation 12.2; 5 deviations on either side.
    expect(Math.min(...hits)).toBeGreaterThan(239);
    expect(Math.max(...hits)).toBeLessThan(361);
  });

  it("takes the first ones whatever their class, if asked to", () => {
    expect([...draw(4, "first")]).toEqual([0, 1, 2, 3]);
  });

  it("names the numbers that would divide evenly", () => {
    expect(() => draw(10)).toThrow(UsageError);
    expect(() => draw(10)).toThrow(/10 labels does not divide evenly among 3 classes\. Use 9 or 12/);
  });

  it("names the class that is too small", () => {
    const few = pool.filter((i) => labels[i] !== 2 || i < 6);
    expect(() => draw(12, "balanced", 1, few)).toThrow(/need 4 of each class, but class "c" has 2 images/);
  });

  it("refuses more labels than there are, or none", () => {
    expect(() => draw(61)).toThrow(/only 60 .*held out for validation.*Ask for 60 or fewer$/);
    expect(() => draw(0)).toThrow(UsageError);
  });
});

describe("longTail", () => {
  it("is the usual long-tailed CIFAR-10 and CIFAR-100", () => {
    // Cui et al. 2019 (arXiv 1901.05555), ratio 100: 12,406 and 10,847 images.
    const ten = longTail(new Array<number>(10).fill(5000), 100);
    expect(ten).toEqual([5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]);
    const hundred = longTail(new Array<number>(100).fill(500), 100);
    expect([hundred[0], hundred[99], hundred.reduce((a, b) => a + b)]).toEqual([500, 5, 10_847]);
  });

  it("falls by the same factor from class to class, and rises below 1", () => {
    expect(longTail([81, 81, 81], 9)).toEqual([81, 27, 9]);
    expect(longTail([81, 81, 81], 1 / 9)).toEqual([9, 27, 81]);
    expect(longTail([40, 40], 1)).toEqual([40, 40]);
    expect(longTail([7], 50)).toEqual([7]);
  });

  it("starts from what every class has enough for", () => {
    // 30 of class 1 allow 90 of class 0, not 500.
    expect(longTail([500, 30, 500], 9)).toEqual([90, 30, 10]);
  });
});

describe("drawLongTail", () => {
  const drawn = (count: number | "all", ratio: number, seed = 1) => {
    const chosen = drawLongTail(labels, pool, count, classes, ratio, Rng.fromSeed(seed));
    expect(new Set(chosen).size).toBe(chosen.length);
    expect([...chosen]).toEqual([...chosen].sort((a, b) => a - b));
    return { chosen, counts: [0, 1, 2].map((k) => chosen.filter((i) => labels[i] === k).length) };
  };

  it("takes so many in all, shared out in the proportion, or as many as there are", () => {
    // 13 at 9 : 3 : 1 are exactly that; 14 are 9.69, 3.23 and 1.08, and the missing one goes to the largest remainder.
    expect(drawn(13, 9).counts).toEqual([9, 3, 1]);
    expect(drawn(14, 9).counts).toEqual([10, 3, 1]);
    expect(drawn("all", 4).counts).toEqual([20, 10, 5]);
    expect(drawn(13, 9, 2).chosen).not.toEqual(drawn(13, 9, 1).chosen);
  });

  it("refuses a class without images and one that has too few", () => {
    expect(() => drawn(12, 100)).toThrow(/imbalance 100: leaves class "c" without an image/);
    expect(() => drawn(50, 100)).toThrow(/need 45 of class "a", which has 20/);
    expect(() => drawn(50, 100)).toThrow(UsageError);
  });
});
