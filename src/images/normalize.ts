/**
 * Normalization of pixels. Channel and image statistics become a scale and an offset that the gather kernel applies on the
 * way; whitening (`whiten.ts`) turns the pixels into float32 once, before augmentation.
 * @see methods.md 4.2
 */

import { UsageError } from "../errors.js";
import { choice } from "../options.js";
import type { Scaling } from "../torch/index.js";
import { type ImageSet, isWhitening, type Normalization, normalizations } from "./image-set.js";
import { whitenSets } from "./whiten.js";

/** What a run may say about it. */
export const normalizeOptions = {
  normalize: choice(normalizations, undefined, {
    doc: "normalization of the pixels (default: the data set's)",
  }),
} as const;

/** Images and the scaling that makes network inputs of them: out = pixel * scale + offset. */
export interface NormalizedSet {
  readonly images: ImageSet;
  readonly scaling: Scaling;
}

export interface NormalizedData {
  readonly train: NormalizedSet;
  readonly test: NormalizedSet;
}

/**
 * Normalizes both parts. Everything fitted (channel statistics, whitening) is fitted on all training images, those held out for
 * validation included, as the published constants are; labels play no part. `levels`: of the training images, where their pixels
 * are not in memory; scalings of such images one by one are found when they are decoded, and empty here.
 */
export function normalizeData(
  kind: Normalization,
  train: ImageSet,
  test: ImageSet,
  levels: readonly Levels[] | undefined = undefined,
): NormalizedData {
  if (isWhitening(kind)) {
    const white = whitenSets(kind, train, test);
    return { train: plain(white.train), test: plain(white.test) };
  }
  if (kind === "channel") {
    const statistics = levels ? levelStatistics(levels) : channelStatistics(train);
    const scaling = channelScaling(statistics, unit(train));
    return { train: { images: train, scaling }, test: { images: test, scaling } };
  }
  if (kind === "imagenet") {
    if (train.channels !== 3) {
      throw new UsageError(
        `normalize imagenet: the constants are for 3 channels, and here there is ${train.channels}. Use channel or image`,
      );
    }
    const scaling = channelScaling(imagenetStatistics, unit(train));
    return { train: { images: train, scaling }, test: { images: test, scaling } };
  }
  if (kind === "image") {
    return {
      train: { images: train, scaling: imageScaling(train) },
      test: { images: test, scaling: imageScaling(test) },
    };
  }
  return { train: plain(train), test: plain(test) };
}

export interface ChannelStatistics {
  /** `[C]`, of pixels in [0, 1] (float32 pixels are taken as they are). */
  readonly mean: Float64Array;
  /** `[C]`, population standard deviation: the denominator is images x height x width. */
  readonly std: Float64Array;
}

/** methods.md 4.2, row ImageNet. */
const imagenetStatistics: ChannelStatistics = {
  mean: Float64Array.of(0.485, 0.456, 0.406),
  std: Float64Array.of(0.229, 0.224, 0.225),
};

/** `[256]`: how often each gray level comes in a channel. Counting is exact, whatever the order. */
export type Levels = Float64Array;

/** Adds (or, `sign` -1, takes away) the pixels of images `[count, C, H, W]`, area = H x W. */
export function countLevels(levels: readonly Levels[], pixels: Uint8Array, area: number, sign: 1 | -1 = 1): void {
  for (let start = 0, c = 0; start < pixels.length; start += area, c = (c + 1) % levels.length) {
    const own = levels[c]!;
    for (let at = start; at < start + area; at++) own[pixels[at]!]! += sign;
  }
}

export function noLevels(channels: number): Levels[] {
  return Array.from({ length: channels }, () => new Float64Array(256));
}

/** Mean and standard deviation of every channel, of pixels that were counted. */
export function levelStatistics(levels: readonly Levels[]): ChannelStatistics {
  return statisticsOf(
    levels.map((own) => {
      let [sum, squares, n] = [0, 0, 0];
      own.forEach((count, level) => {
        sum += count * (level / 255);
        squares += count * (level / 255) ** 2;
        n += count;
      });
      return { sum, squares, n };
    }),
  );
}

/** Mean and standard deviation of every channel over all images. */
export function channelStatistics(set: ImageSet): ChannelStatistics {
  const { pixels, count, channels, height, width } = set;
  const area = height * width;
  if (pixels instanceof Uint8Array) {
    const levels = noLevels(channels);
    countLevels(levels, pixels.subarray(0, count * channels * area), area);
    return levelStatistics(levels);
  }
  const sums = Array.from({ length: channels }, (_, c) => {
    let [sum, squares] = [0, 0];
    for (let i = 0; i < count; i++) {
      const start = (i * channels + c) * area;
      for (let at = start; at < start + area; at++) {
        sum += pixels[at]!;
        squares += pixels[at]! ** 2;
      }
    }
    return { sum, squares, n: count * area };
  });
  return statisticsOf(sums);
}

function statisticsOf(sums: readonly { readonly sum: number; readonly squares: number; readonly n: number }[]) {
  const mean = Float64Array.from(sums, ({ sum, n }) => sum / n);
  const std = Float64Array.from(sums, ({ squares, n }, c) => Math.sqrt(Math.max(0, squares / n - mean[c]! ** 2)));
  return { mean, std };
}

/** (pixel / unit - mean) / std. A channel that never changes becomes 0. */
function channelScaling({ mean, std }: ChannelStatistics, unitValue: number): Scaling {
  const safe = std.map((s) => (s < 1e-8 ? 1 : s));
  return {
    per: "channel",
    scale: Float32Array.from(safe, (s) => 1 / (s * unitValue)),
    offset: Float32Array.from(mean, (m, c) => -m / safe[c]!),
  };
}

/**
 * Subtracts each image's mean and divides by its standard deviation, both over all its pixels and channels. The
 * deviation is at least one gray level (1/255), so flat images do not become noise.
 */
export function imageScaling(set: ImageSet): Scaling {
  if (set.files) return { per: "image", scale: new Float32Array(0), offset: new Float32Array(0) };
  const size = set.channels * set.height * set.width;
  const scale = new Float32Array(set.count);
  const offset = new Float32Array(set.count);
  const floor = unit(set) / 255;
  for (let i = 0; i < set.count; i++) {
    let sum = 0;
    let squares = 0;
    for (let at = i * size; at < (i + 1) * size; at++) {
      const pixel = set.pixels[at]!;
      sum += pixel;
      squares += pixel * pixel;
    }
    const mean = sum / size;
    const std = Math.max(floor, Math.sqrt(Math.max(0, squares / size - mean * mean)));
    scale[i] = 1 / std;
    offset[i] = -mean / std;
  }
  return { per: "image", scale, offset };
}

/** Pixels in [0, 1] if uint8, else as they are. */
function plain(images: ImageSet): NormalizedSet {
  const scale = new Float32Array(images.channels).fill(1 / unit(images));
  return { images, scaling: { per: "channel", scale, offset: new Float32Array(images.channels) } };
}

/** What stands for 1. */
export function unit({ pixels }: ImageSet): number {
  return pixels instanceof Uint8Array ? 255 : 1;
}
