import { describe, expect, it } from "vitest";
import { drawWeak } from "../../src/augment/weak.js";
import { Rng } from "../../src/rng.js";

const rng = Rng.fromSeed(3).split("student");

describe("drawWeak", () => {
  it("draws translations uniformly in -t..t and flips half of the rows", () => {
    const { dy, dx, flip } = drawWeak(rng, 5, 50_000, { translate: 2, flip: true });
    for (const draws of [dy, dx]) {
      for (let k = -2; k <= 2; k++) {
        const share = draws.filter((d) => d === k).length / 50_000;
        expect(Math.abs(share - 0.2)).toBeLessThan(0.009); // 5 deviations
      }
      expect(draws.every((d) => Math.abs(d) <= 2)).toBe(true);
    }
    expect(Math.abs(flip.reduce((a, b) => a + b, 0) / 50_000 - 0.5)).toBeLessThan(0.0112);
    const both = dy.filter((d, i) => d === 1 && dx[i] === 1).length / 50_000;
    expect(Math.abs(both - 0.04)).toBeLessThan(0.0044);
  });

  it("depends on generator, step and row alone", () => {
    const options = { translate: 4, flip: true };
    expect(drawWeak(rng, 7, 10, options)).toEqual(drawWeak(rng, 7, 10, options));
    expect([...drawWeak(rng, 7, 10, options).dy]).toEqual([...drawWeak(rng, 7, 20, options).dy.subarray(0, 10)]);
    expect(drawWeak(rng, 8, 40, options).dy).not.toEqual(drawWeak(rng, 7, 40, options).dy);
    expect(drawWeak(Rng.fromSeed(3).split("teacher"), 7, 40, options).dy).not.toEqual(drawWeak(rng, 7, 40, options).dy);
  });

  it("leaves out what is switched off without touching the rest", () => {
    const on = drawWeak(rng, 1, 30, { translate: 2, flip: true });
    expect(drawWeak(rng, 1, 30, { translate: 2, flip: false })).toEqual({ ...on, flip: new Uint8Array(30) });
    expect(drawWeak(rng, 1, 30, { translate: 0, flip: true })).toEqual({
      dy: new Int32Array(30),
      dx: new Int32Array(30),
      flip: on.flip,
    });
  });
});
