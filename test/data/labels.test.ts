import { describe, expect, it } from "vitest";
import { drawLabels } from "../../src/data/labels.js";
import { UsageError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";

const classes = ["a", "b", "c"];
const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3);
const pool = Int32Array.from({ length: 60 }, (_, i) => i);
const draw = (count: number, rule: "balanced" | "random" | "first" = "balanced", seed = 1, from = pool) =>
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
    expect(() => draw(61)).toThrow(/only 60/);
    expect(() => draw(0)).toThrow(UsageError);
  });
});
