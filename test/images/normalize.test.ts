import { expect, it } from "vitest";
import { UsageError } from "../../src/errors.js";
import type { ImageSet } from "../../src/images/image-set.js";
import { channelStatistics, normalizeData } from "../../src/images/normalize.js";
import { whitenSets } from "../../src/images/whiten.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";

function randomImages(count: number, channels: number, height: number, width: number, seed: number): ImageSet {
  const rng = Rng.fromSeed(seed);
  const pixels = new Uint8Array(count * channels * height * width);
  // Neighbors alike, as in pictures, so that there is something to whiten.
  for (let i = 0; i < pixels.length; i++) {
    pixels[i] = i % width === 0 ? rng.integer(256) : Math.min(255, Math.round(0.6 * pixels[i - 1]! + rng.integer(100)));
  }
  return { pixels, count, channels, height, width, labels: new Int32Array(count) };
}

const train = randomImages(300, 3, 4, 4, 1);
const test = randomImages(50, 3, 4, 4, 2);
const size = 48;

describeEngine("normalization", () => {
  it("channel: matches a slow loop, and gives mean 0 and deviation 1", () => {
    const { scaling } = normalizeData("channel", train, test).train;
    for (let c = 0; c < 3; c++) {
      const values: number[] = [];
      for (let n = 0; n < 300; n++) for (let k = 0; k < 16; k++) values.push(train.pixels[(n * 3 + c) * 16 + k]! / 255);
      const mean = values.reduce((a, b) => a + b) / values.length;
      const std = Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / values.length);
      expect(channelStatistics(train).mean[c]).toBeCloseTo(mean, 10);
      expect(channelStatistics(train).std[c]).toBeCloseTo(std, 10);
      expect(scaling.scale[c]! * 100 + scaling.offset[c]!).toBeCloseTo((100 / 255 - mean) / std, 4);
    }
  });

  it("channel: float32 pixels get the same statistics as the bytes they came from", () => {
    const float: ImageSet = { ...train, pixels: Float32Array.from(train.pixels, (p) => p / 255) };
    const [a, b] = [channelStatistics(train), channelStatistics(float)];
    for (let c = 0; c < 3; c++) {
      expect(b.mean[c]).toBeCloseTo(a.mean[c]!, 6);
      expect(b.std[c]).toBeCloseTo(a.std[c]!, 6);
    }
  });

  it("channel: the test images get the statistics of the training images", () => {
    const { train: a, test: b } = normalizeData("channel", train, test);
    expect(b.scaling).toEqual(a.scaling);
  });

  it("image: subtracts the mean and divides by the deviation over all pixels and channels", () => {
    const { scaling } = normalizeData("image", train, test).test;
    expect(scaling.per).toBe("image");
    for (const n of [0, 49]) {
      const values = Array.from(
        test.pixels.subarray(n * size, (n + 1) * size),
        (p) => p * scaling.scale[n]! + scaling.offset[n]!,
      );
      const mean = values.reduce((a, b) => a + b) / size;
      expect(mean).toBeCloseTo(0, 5);
      expect(Math.sqrt(values.reduce((a, v) => a + (v - mean) ** 2, 0) / size)).toBeCloseTo(1, 5);
    }
  });

  it("image: a flat image becomes 0, not noise", () => {
    const flat: ImageSet = { ...test, pixels: test.pixels.map(() => 77) };
    const { scale, offset } = normalizeData("image", train, flat).test.scaling;
    expect(77 * scale[0]! + offset[0]!).toBeCloseTo(0, 4);
  });

  it("none: bytes become 0..1, float32 pixels stay", () => {
    expect(normalizeData("none", train, test).train.scaling.scale[0]).toBeCloseTo(1 / 255, 8);
    const float: ImageSet = { ...train, pixels: Float32Array.from(train.pixels) };
    expect(normalizeData("none", float, float).train.scaling.scale[0]).toBe(1);
  });
});

describeEngine("ZCA whitening", () => {
  const covarianceOf = (pixels: ArrayLike<number>, count: number) => {
    const mean = Array.from({ length: size }, (_, i) => {
      let sum = 0;
      for (let n = 0; n < count; n++) sum += pixels[n * size + i]!;
      return sum / count;
    });
    return Array.from({ length: size }, (_, i) =>
      Array.from({ length: size }, (_, j) => {
        let sum = 0;
        for (let n = 0; n < count; n++) sum += (pixels[n * size + i]! - mean[i]!) * (pixels[n * size + j]! - mean[j]!);
        return sum / count;
      }),
    );
  };

  it("refuses images that are too large for a matrix over all their values, with the size that would do", () => {
    const large = randomImages(1, 3, 224, 224, 3);
    for (const kind of ["zca", "gcn-zca"] as const) {
      const whiten = () => normalizeData(kind, large, large);
      expect(whiten).toThrow(UsageError);
      expect(whiten).toThrow(
        /3x224x224 takes a matrix of 150528 x 150528 numbers.*103 pixels at the most.*--normalize channel/,
      );
    }
  });

  it("gives training images mean 0 and nearly the identity as covariance", () => {
    const { train: white } = whitenSets("zca", train, test);
    expect(white.pixels).toBeInstanceOf(Float32Array);
    const covariance = covarianceOf(white.pixels, 300);
    for (let i = 0; i < size; i++) {
      for (let j = 0; j < size; j++) expect(Math.abs(covariance[i]![j]! - (i === j ? 1 : 0))).toBeLessThan(5e-3);
    }
  });

  it("turns pixels as little as possible: each stays correlated most with itself", () => {
    const { train: white } = whitenSets("zca", train, test);
    for (const i of [0, 17, 47]) {
      const correlation = Array.from({ length: size }, (_, j) => {
        let sum = 0;
        for (let n = 0; n < 300; n++) sum += white.pixels[n * size + i]! * (train.pixels[n * size + j]! - 128);
        return Math.abs(sum);
      });
      expect(correlation.indexOf(Math.max(...correlation))).toBe(i);
    }
  });

  it("whitens test images with the training matrix: an image of both sets comes out the same", () => {
    const both: ImageSet = { ...test, pixels: train.pixels.slice(0, 50 * size) };
    const white = whitenSets("zca", train, both);
    const [a, b] = [white.train.pixels.subarray(0, 50 * size), white.test.pixels];
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-4);
  });

  it("satisfies (W C W)(C + eps I) = C, by a slow loop", () => {
    const covariance = covarianceOf(
      Array.from(train.pixels, (p) => p / 255),
      300,
    );
    const white = covarianceOf(whitenSets("zca", train, test).train.pixels, 300);
    // cov(white) = W C W = C (C + eps I)^-1, since W commutes with C.
    for (const i of [0, 20]) {
      for (const j of [0, 1, 20]) {
        let product = 0;
        for (let k = 0; k < size; k++) product += white[i]![k]! * (covariance[k]![j]! + (k === j ? 1e-5 : 0));
        expect(product).toBeCloseTo(covariance[i]![j]!, 4);
      }
    }
  });

  it("gcn-zca: does not depend on the brightness and contrast of an image", () => {
    const dim: ImageSet = { ...train, pixels: Float32Array.from(train.pixels, (p) => p / 255) };
    const changed = Float32Array.from(dim.pixels, (p, i) => (Math.floor(i / size) % 2 === 0 ? p : 0.3 + 0.5 * p));
    const a = whitenSets("gcn-zca", dim, test).train.pixels;
    const b = whitenSets("gcn-zca", { ...dim, pixels: changed }, test).train.pixels;
    expect(Math.max(...a.map((v, i) => Math.abs(v - b[i]!)))).toBeLessThan(1e-2);
    expect(Math.max(...a)).toBeGreaterThan(0.5);
  });
});
