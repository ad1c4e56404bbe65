/** CTAugment's weights against the formulas of methods.md 4.4, worked out by hand. */
import { describe, expect, it } from "vitest";
import { CtWeights } from "../../src/augment/ct-augment.js";
import { drawProgram, planStrong, probedOps } from "../../src/augment/strong.js";
import { Rng } from "../../src/rng.js";
import { IMAGE_OP_ARGUMENTS, imageOps } from "../../src/torch/index.js";

const canvas = { width: 32, height: 32 };
const planOf = (options: object) => {
  const plan = planStrong({ name: "ctaugment", ...options });
  if (plan.kind !== "recipe") throw new Error("no recipe");
  return plan;
};

describe("CtWeights", () => {
  it("moves the bin that was used toward 1 - |p - onehot| / 2, and no other", () => {
    const weights = new CtWeights({ bins: 4, decay: 0.9, threshold: 0.8 });
    // |0.7 - 0| + |0.1 - 1| + |0.2 - 0| = 1.8, so the closeness is 0.1.
    weights.observe(
      [
        { name: "rotate", u: 0.6 },
        { name: "color", u: 0 },
      ],
      [0.7, 0.1, 0.2],
      1,
    );
    const moved = 0.9 * 1 + 0.1 * 0.1;
    expect([...weights.of("rotate")]).toEqual([1, 1, expect.closeTo(moved, 12), 1]);
    expect([...weights.of("color")]).toEqual([expect.closeTo(moved, 12), 1, 1, 1]);
    expect([...weights.of("shearX")]).toEqual([1, 1, 1, 1]);
    weights.observe([{ name: "rotate", u: 0.6 }], [0, 1, 0], 1);
    expect(weights.of("rotate")[2]).toBeCloseTo(0.9 * moved + 0.1, 12);
  });

  it("draws bins in proportion to weight + 1 - decay, and never those below the threshold of the largest", () => {
    const weights = new CtWeights({ bins: 4, decay: 0.9, threshold: 0.8 });
    weights.of("rotate").set([0.4, 0.35, 0.29, 0.05]);
    // q = 0.5, 0.45, 0.39, 0.15; the last two are below 0.8 of the largest.
    const p = weights.probabilities("rotate");
    expect([...p]).toEqual([expect.closeTo(1 / 1.9, 12), expect.closeTo(0.9 / 1.9, 12), 0, 0]);
    const bins = [0, 0, 0, 0];
    for (let i = 0; i < 1000; i++) bins[Math.floor(4 * weights.level("rotate", (i + 0.5) / 1000, 0.3))]!++;
    expect(bins).toEqual([526, 474, 0, 0]);
    expect(weights.level("rotate", 0, 0.5)).toBe(0.125);
    expect(weights.level("rotate", 1 - 2 ** -32, 0.5)).toBe(0.375);
    weights.of("rotate").set([0.1, 0.1, 0.1, 0.9]);
    expect(weights.level("rotate", 0, 0)).toBe(0.75);
    expect(weights.level("rotate", 1 - 2 ** -32, 1 - 2 ** -32)).toBeLessThan(1);
  });

  it("saves and restores, and refuses what is no such state", () => {
    const weights = new CtWeights();
    weights.observe([{ name: "cutout", u: 0.99 }], [1, 0], 1);
    const other = new CtWeights();
    expect(other.restore(JSON.parse(JSON.stringify(weights.save())))).toBe(true);
    expect(other.save()).toEqual(weights.save());
    for (const bad of [undefined, null, 3, [], { rotate: [1, 2] }, { rotate: new Array(17).fill("1") }]) {
      expect(new CtWeights().restore(bad)).toBe(false);
    }
  });
});

describe("the recipe ctaugment", () => {
  const turns = (plan: ReturnType<typeof planOf>) => {
    const { ops, values } = drawProgram(plan, Rng.fromSeed(1), 3, 3000, canvas);
    return Array.from(ops.keys())
      .filter((at) => ops[at] === imageOps.affineNearest && values[at * IMAGE_OP_ARGUMENTS] !== 1)
      .map(
        (at) => (Math.atan2(-values[at * IMAGE_OP_ARGUMENTS + 1]!, values[at * IMAGE_OP_ARGUMENTS]!) * 180) / Math.PI,
      );
  };

  it("draws two operations of every strength at first, and as strong as it has learned later", () => {
    const weights = new CtWeights();
    const before = turns(planOf({ weights })).map(Math.abs);
    expect(Math.max(...before)).toBeGreaterThan(44);
    expect(Math.max(...before)).toBeLessThan(45);
    weights.of("rotate").fill(0).fill(1, 0, 2); // two of 17 bins: up to 2 / 17 of 45 degrees
    const after = turns(planOf({ weights }));
    expect(Math.max(...after)).toBeLessThan((45 * 2) / 17);
    expect(Math.max(...after)).toBeGreaterThan(5);
    expect(Math.min(...after)).toBeLessThan(-5);
    // A probe tries every strength all the same.
    expect(Math.max(...turns(planOf({ weights, probe: true })))).toBeGreaterThan(44);
  });

  it("reports of a probe just what it draws, and leaves the final cutout out of it", () => {
    const plan = planOf({ weights: new CtWeights(), probe: true });
    const seed = Rng.fromSeed(4);
    const { ops, values } = drawProgram(plan, seed, 7, 500, canvas);
    const reported = probedOps(plan, seed, 7, 500);
    expect(reported).toHaveLength(500);
    reported.forEach((row, i) => {
      row.forEach(({ name, u }, slot) => {
        const at = 3 * i + slot;
        const value = values[at * IMAGE_OP_ARGUMENTS]!;
        if (name === "brightness") expect([ops[at], value]).toEqual([imageOps.brightness, 0.1 + (2 - 0.1) * u]);
        if (name === "posterize") expect([ops[at], value]).toEqual([imageOps.posterize, 8 - Math.trunc(8 * u)]);
        if (name === "invert") expect(ops[at]).toBe(imageOps.invert);
      });
      const last = values.slice((3 * i + 2) * IMAGE_OP_ARGUMENTS);
      expect(last[2]! - last[0]!).toBe(0);
    });
  });
});
