import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/errors.js";
import { redrawLabels } from "../../src/labels/label-noise.js";
import { Rng } from "../../src/rng.js";

const CLASSES = 10;
const COUNT = 5000;
/** Every fourth image has no label that training may see. */
const y = Int32Array.from({ length: COUNT }, (_, i) => (i % 4 === 3 ? -1 : (i * 7) % CLASSES));
const labeled = Int32Array.from(y.keys()).filter((i) => y[i]! >= 0);
const redraw = (percent: number, seed = 3) => redrawLabels({ labeled, y }, percent, CLASSES, Rng.fromSeed(seed));
const differing = (a: Int32Array) => [...a.keys()].filter((i) => a[i] !== y[i]);

describe("redrawLabels", () => {
  it("changes nothing at 0 percent", () => {
    expect(redraw(0)).toEqual({ y, redrawn: 0, changed: 0 });
  });

  it("leaves about 1/K of the labels right at 100 percent", () => {
    const { y: noisy, redrawn } = redraw(100);
    expect(redrawn).toBe(labeled.length);
    const right = labeled.filter((i) => noisy[i] === y[i]).length / labeled.length;
    // 3,750 draws: the standard deviation of this share is 0.005
    expect(Math.abs(right - 1 / CLASSES)).toBeLessThan(0.025);
  });

  it("draws every class equally often, the true one too", () => {
    const { y: noisy } = redraw(100);
    for (let k = 0; k < CLASSES; k++) {
      const share = labeled.filter((i) => noisy[i] === k).length / labeled.length;
      expect(Math.abs(share - 1 / CLASSES)).toBeLessThan(0.025);
    }
  });

  it("redraws exactly floor(M r / 100) labels and counts those that changed", () => {
    for (const percent of [20, 33.3, 50, 80, 90]) {
      const { y: noisy, redrawn, changed } = redraw(percent);
      expect(redrawn).toBe(Math.floor((labeled.length * percent) / 100));
      expect(changed).toBe(differing(noisy).length);
      expect(changed).toBeLessThanOrEqual(redrawn);
      // 0.9 of them change; the standard deviation of that share is below 0.011
      expect(Math.abs(changed / redrawn - 0.9)).toBeLessThan(0.045);
    }
    for (const [count, percent, exact] of [
      [1000, 32.3, 323],
      [1000, 64.1, 641],
      [2000, 65.1, 1302],
    ] as const)
      expect(redrawLabels({ labeled: labeled.slice(0, count), y }, percent, CLASSES, Rng.fromSeed(1)).redrawn).toBe(
        exact,
      );
    expect(redrawLabels({ labeled: labeled.slice(0, 7), y }, 50, CLASSES, Rng.fromSeed(1)).redrawn).toBe(3);
  });

  it("touches no image without a label, and not the labels it was given", () => {
    const before = y.slice();
    const { y: noisy } = redraw(100);
    expect(y).toEqual(before);
    for (let i = 3; i < COUNT; i += 4) expect(noisy[i]).toBe(-1);
  });

  it("is the same for a seed, and another for another", () => {
    expect(redraw(50)).toEqual(redraw(50));
    expect(redraw(50, 4).y).not.toEqual(redraw(50).y);
  });

  it("redraws the same images, and more, at a larger percentage", () => {
    const [some, more] = [redraw(20).y, redraw(60).y];
    for (const i of differing(some)) expect(more[i]).toBe(some[i]);
  });

  it("refuses percentages outside 0..100", () => {
    for (const percent of [-1, 101, Number.NaN]) expect(() => redraw(percent)).toThrow(UsageError);
  });
});
