import { describe, expect, it } from "vitest";
import { digits, drawDigits } from "../../src/data/digits.js";
import { fingerprint } from "../../src/data/fingerprint.js";
import { dataSets, findDataSet } from "../../src/data/index.js";
import { drawMoons, twoMoons } from "../../src/data/two-moons.js";
import { UsageError } from "../../src/errors.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";

describe("digits", () => {
  const load = async (seed: number, train = 100) =>
    digits.load({ dir: undefined, rng: Rng.fromSeed(seed), options: { train, test: 20, difficulty: 1 } });

  it("draws the same pictures from the same seed, and others from another", async () => {
    const [a, b, c] = [await load(1), await load(1), await load(2)];
    expect(fingerprint(a)).toBe(fingerprint(b));
    expect(fingerprint(a)).not.toBe(fingerprint(c));
  });

  it("draws a picture that depends on its index, not on how many are drawn", async () => {
    const [few, many] = [await load(1, 30), await load(1, 60)];
    expect(many.train.pixels.subarray(0, few.train.pixels.length)).toEqual(few.train.pixels);
  });

  it("is balanced, and shares no picture between train and test", async () => {
    const { train, test } = await load(1);
    for (let k = 0; k < 10; k++) expect(train.labels.filter((y) => y === k).length).toBe(10);
    const picture = (pixels: Uint8Array | Float32Array, i: number) =>
      Buffer.from(pixels.subarray(i * 3072, (i + 1) * 3072)).toString("hex");
    const seen = new Set(Array.from({ length: 100 }, (_, i) => picture(train.pixels, i)));
    expect(seen.size).toBe(100);
    for (let i = 0; i < 20; i++) expect(seen.has(picture(test.pixels, i))).toBe(false);
  });

  it("get harder to tell apart by nearest class mean with the difficulty", () => {
    const error = (difficulty: number) => {
      const train = drawDigits(Rng.fromSeed(1), 600, difficulty);
      const test = drawDigits(Rng.fromSeed(2), 300, difficulty);
      // Gray, standardized, sign of the contrast removed by the corner: what a fair template matcher would do.
      const feature = (set: typeof train, i: number) => {
        const gray = Float64Array.from({ length: 1024 }, (_, k) => {
          const at = i * 3072 + k;
          return set.pixels[at]! + set.pixels[at + 1024]! + set.pixels[at + 2048]!;
        });
        const mean = gray.reduce((a, b) => a + b, 0) / 1024;
        const norm = Math.sqrt(gray.reduce((a, b) => a + (b - mean) ** 2, 0)) * Math.sign(gray[0]! - mean || 1);
        return gray.map((g) => (g - mean) / norm);
      };
      const means = Array.from({ length: 10 }, () => new Float64Array(1024));
      for (let i = 0; i < train.count; i++)
        feature(train, i).forEach((v, k) => {
          means[train.labels[i]!]![k]! += v;
        });
      let wrong = 0;
      for (let i = 0; i < test.count; i++) {
        const f = feature(test, i);
        const scores = means.map((m) => m.reduce((a, v, k) => a + v * f[k]!, 0) / Math.hypot(...m));
        if (scores.indexOf(Math.max(...scores)) !== test.labels[i]) wrong++;
      }
      return wrong / test.count;
    };
    const errors = [error(0), error(1), error(3)];
    expect(errors[0]).toBeLessThan(0.05);
    expect(errors[1]).toBeGreaterThan(2 * errors[0]! + 0.05);
    expect(errors[2]).toBeGreaterThan(0.5);
  });
});

describe("two-moons", () => {
  it("puts points without noise on two half circles of radius 1", () => {
    const { pixels, labels } = drawMoons(Rng.fromSeed(1), 200, 0);
    for (let i = 0; i < 200; i++) {
      const [x, y] = [pixels[2 * i]! + 0.5, pixels[2 * i + 1]! + 0.25];
      expect(labels[i]).toBe(i % 2);
      const [cx, cy] = i % 2 === 0 ? [0, 0] : [1, 0.5];
      expect(Math.hypot(x - cx, y - cy)).toBeCloseTo(1, 5);
      expect(i % 2 === 0 ? y >= -1e-6 : y <= 0.5 + 1e-6).toBe(true);
    }
  });
  it("is a set of images of one pixel and two channels, not normalized", async () => {
    const set = await twoMoons.load({
      dir: undefined,
      rng: Rng.fromSeed(1),
      options: { train: 10, test: 4, noise: 0.1 },
    });
    expect(set.train).toMatchObject({ count: 10, channels: 2, height: 1, width: 1 });
    expect([set.normalize, set.flip, set.translate]).toEqual(["none", false, 0]);
  });
});

describe("the registry", () => {
  it("names the nearest data set", () => {
    expect(findDataSet("mnist").name).toBe("mnist");
    expect(() => findDataSet("cifar-10")).toThrow(UsageError);
    expect(() => findDataSet("cifar-10")).toThrow(/Did you mean "cifar10"/);
  });
  it("has options whose defaults pass their own checks", () => {
    expect(dataSets.map(({ name }) => name)).toEqual([
      "cifar10",
      "cifar100",
      "mnist",
      "svhn",
      "imagenet",
      "folder",
      "shards",
      "digits",
      "two-moons",
    ]);
    for (const { options, name } of dataSets) {
      const defaults = parseOptions(options, {}, name);
      expect(parseOptions(options, defaults, name)).toEqual(defaults);
    }
  });
});
