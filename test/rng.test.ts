import { describe, expect, it } from "vitest";
import { philox, Rng } from "../src/rng.js";

const hex = (words: Uint32Array) => [...words].map((word) => word.toString(16).padStart(8, "0")).join(" ");

describe("philox", () => {
  it("gives the known answers of Random123's Philox4x32-10", () => {
    expect(hex(philox(0, 0, 0, 0, 0, 0))).toBe("6627e8d5 e169c58d bc57ac4c 9b00dbd8");
    expect(hex(philox(-1, -1, -1, -1, -1, -1))).toBe("408f276d 41c83b0e a20bc7c6 6d5451fd");
    const [k0, k1] = [0xa4093822, 0x299f31d0];
    expect(hex(philox(k0, k1, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344))).toBe(
      "d16cfe09 94fdcceb 5001e420 24126ea1",
    );
  });
});

describe("Rng", () => {
  it("continues exactly from a saved state, at every position in a block", () => {
    for (let drawn = 0; drawn < 9; drawn++) {
      const rng = Rng.fromSeed(7);
      for (let i = 0; i < drawn; i++) rng.uint32();
      const copy = new Rng(rng.state());
      const restored = Rng.fromSeed(7);
      restored.restore(rng.state());
      const next = Array.from({ length: 6 }, () => rng.uint32());
      expect(Array.from({ length: 6 }, () => copy.uint32())).toEqual(next);
      expect(Array.from({ length: 6 }, () => restored.uint32())).toEqual(next);
    }
  });

  it("refuses the state of another stream", () => {
    expect(() => Rng.fromSeed(1).restore(Rng.fromSeed(2).state())).toThrow(/another seed or another stream/);
  });

  it("counts blocks given to kernels from the next whole one", () => {
    const rng = Rng.fromSeed(1);
    expect(rng.reserveBlocks(3)).toBe(0);
    rng.uint32();
    expect(rng.reserveBlocks(2)).toBe(4);
    expect(rng.state().drawn).toBe(24);
  });

  it("splits by name: same name same stream, whatever was drawn; other name or seed other stream", () => {
    const rng = Rng.fromSeed(3);
    const before = rng.split("a").uint32();
    rng.uint32();
    expect(rng.split("a").uint32()).toBe(before);
    const streams = ["b", "aa", "", "A"].map((name) => rng.split(name).uint32());
    const seeds = [4, 3 + 2 ** 40].map((seed) => Rng.fromSeed(seed).split("a").uint32());
    expect(new Set([before, ...streams, ...seeds]).size).toBe(7);
  });

  it("draws floats in [0, 1) and normals with the right moments", () => {
    const rng = Rng.fromSeed(5);
    const floats = Array.from({ length: 20_000 }, () => rng.float());
    expect(Math.min(...floats)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...floats)).toBeLessThan(1);
    const normals = Array.from({ length: 20_000 }, () => rng.normal());
    const mean = normals.reduce((a, b) => a + b, 0) / normals.length;
    const variance = normals.reduce((a, b) => a + (b - mean) ** 2, 0) / normals.length;
    expect(Math.abs(mean)).toBeLessThan(0.03); // 4 standard errors
    expect(Math.abs(variance - 1)).toBeLessThan(0.04);
  });

  it.each([
    [0.5, 0.5],
    [0.75, 0.75],
    [2, 5],
    [1, 1],
    [0.01, 0.01],
  ])("draws Beta(%d, %d) with the right mean and variance, in 0 .. 1", (a, b) => {
    const rng = Rng.fromSeed(11);
    const n = 20_000;
    const draws = Array.from({ length: n }, () => rng.beta(a, b));
    expect(draws.every((x) => x >= 0 && x <= 1)).toBe(true);
    const mean = draws.reduce((sum, x) => sum + x, 0) / n;
    const square = draws.reduce((sum, x) => sum + (x - a / (a + b)) ** 2, 0) / n;
    const variance = (a * b) / ((a + b) ** 2 * (a + b + 1));
    expect(Math.abs(mean - a / (a + b))).toBeLessThan(4 * Math.sqrt(variance / n));
    // The fourth central moment of a number in 0 .. 1 is at most its variance: a bound on the error of the estimate.
    expect(Math.abs(square - variance)).toBeLessThan(4 * Math.sqrt(variance / n) * Math.sqrt(0.25));
  });

  it("draws gamma numbers with mean and variance equal to the shape", () => {
    for (const shape of [0.3, 1, 4.5]) {
      const rng = Rng.fromSeed(12);
      const n = 20_000;
      const draws = Array.from({ length: n }, () => Math.exp(rng.logGamma(shape)));
      const mean = draws.reduce((sum, x) => sum + x, 0) / n;
      const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / n;
      expect(Math.abs(mean - shape)).toBeLessThan(4 * Math.sqrt(shape / n));
      // Var of the sample variance: (mu4 - sigma^4) / n, with mu4 = 3 a^2 + 6 a.
      expect(Math.abs(variance - shape)).toBeLessThan(4 * Math.sqrt((2 * shape ** 2 + 6 * shape) / n));
    }
  });

  it("refuses a Beta distribution that there is none of", () => {
    expect(() => Rng.fromSeed(1).beta(0, 1)).toThrow(/above 0, got 0 and 1/);
  });

  it("draws whole numbers evenly, also where 2^32 does not divide", () => {
    const rng = Rng.fromSeed(6);
    const counts = new Array<number>(7).fill(0);
    for (let i = 0; i < 14_000; i++) counts[rng.integer(7)]! += 1;
    const chiSquared = counts.reduce((sum, n) => sum + (n - 2000) ** 2 / 2000, 0);
    expect(chiSquared).toBeLessThan(22.5); // 6 degrees of freedom, p = 0.001
    // With n = 3 * 2^30 a plain remainder would give the lower third twice as often.
    const low = Array.from({ length: 6000 }, () => rng.integer(3 * 2 ** 30) < 2 ** 30).filter(Boolean).length;
    expect(Math.abs(low - 2000)).toBeLessThan(150);
  });

  it("permutes: every number once, and every order as often", () => {
    const rng = Rng.fromSeed(8);
    expect([...rng.permutation(100)].sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    const orders = new Map<string, number>();
    for (let i = 0; i < 6000; i++) {
      const order = rng.permutation(3).join("");
      orders.set(order, (orders.get(order) ?? 0) + 1);
    }
    expect(orders.size).toBe(6);
    for (const n of orders.values()) expect(Math.abs(n - 1000)).toBeLessThan(130);
  });
});
