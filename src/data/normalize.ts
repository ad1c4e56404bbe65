/**
 * Normalization of pixels. Channel and image statistics become a scale and an offset that the gather kernel applies on the
 * way; whitening (`whiten.ts`) turns the pixels into float32 once, before augmentation.
 * @see methods.md 4.2
 */
import type { Scaling } from "../torch/index.js";
import type { ImageSet, Normalization } from "./dataset.js";
import { whitenSets } from "./whiten.js";

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
 * validation included, as the published constants are; labels play no part.
 */
export function normalizeData(kind: Normalization, train: ImageSet, test: ImageSet): NormalizedData {
  if (kind === "zca" || kind === "gcn-zca") {
    const white = whitenSets(kind, train, test);
    return { train: plain(white.train), test: plain(white.test) };
  }
  if (kind === "channel") {
    const scaling = channelScaling(channelStatistics(train), unit(train));
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

/** Mean and standard deviation of every channel over all images. */
export function channelStatistics(set: ImageSet): ChannelStatistics {
  const { pixels, count, channels, height, width } = set;
  const area = height * width;
  const mean = new Float64Array(channels);
  const std = new Float64Array(channels);
  for (let c = 0; c < channels; c++) {
    let sum = 0;
    let squares = 0;
    if (pixels instanceof Uint8Array) {
      // Counting gray levels is exact and needs no multiplication per pixel.
      const levels = new Float64Array(256);
      for (let i = 0; i < count; i++) {
        const start = (i * channels + c) * area;
        for (let at = start; at < start + area; at++) levels[pixels[at]!]!++;
      }
      levels.forEach((n, level) => {
        sum += n * (level / 255);
        squares += n * (level / 255) ** 2;
      });
    } else {
      for (let i = 0; i < count; i++) {
        const start = (i * channels + c) * area;
        for (let at = start; at < start + area; at++) {
          sum += pixels[at]!;
          squares += pixels[at]! ** 2;
        }
      }
    }
    const n = count * area;
    mean[c] = sum / n;
    std[c] = Math.sqrt(Math.max(0, squares / n - mean[c]! ** 2));
  }
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
function unit({ pixels }: ImageSet): number {
  return pixels instanceof Uint8Array ? 255 : 1;
}
