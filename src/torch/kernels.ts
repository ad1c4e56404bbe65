/**
 * Our own kernels (`native/kernels_*.cc`), registered with libtorch as `fewlabels::*`. All randomness is counter-based:
 * the bits depend on the generator's key and count alone, not on the number of threads.
 */
import { callTensor, type Tensor } from "./tensor.js";

/** The part of `Rng` that kernels need (this folder may not import it). */
export interface KernelRng {
  readonly key: readonly [number, number];
  reserveBlocks(blocks: number): number;
}

/** Inverted dropout: each element is 0 with probability `p` (resolution 1 / 65,536), else divided by 1 - p. */
export function dropout(x: Tensor, p: number, rng: KernelRng): Tensor {
  const first = rng.reserveBlocks(16 * Math.ceil(x.numel / 128)); // 8 draws of 16 bits a block, 16 blocks at a time
  return callTensor("fewlabels::dropout", "", x, p, rng.key[0], rng.key[1], first);
}

/** x + sigma * N(0, 1), elementwise. */
export function addGaussianNoise(x: Tensor, sigma: number, rng: KernelRng): Tensor {
  return callTensor("fewlabels::add_gaussian_noise", "", x, sigma, ...rng.key, reserveNumbers(x.shape, rng));
}

/** float32 `shape` filled with mean + std * N(0, 1). */
export function normal(shape: readonly number[], mean: number, std: number, rng: KernelRng): Tensor {
  return callTensor("fewlabels::normal", "", shape, mean, std, ...rng.key, reserveNumbers(shape, rng));
}

/** float32 `shape`, uniform in [low, high). */
export function uniform(shape: readonly number[], low: number, high: number, rng: KernelRng): Tensor {
  return callTensor("fewlabels::uniform", "", shape, low, high, ...rng.key, reserveNumbers(shape, rng));
}

/** Blocks for one 32-bit draw per element: 4 a block, 16 blocks at a time. */
function reserveNumbers(shape: readonly number[], rng: KernelRng): number {
  const count = shape.reduce((a, b) => a * b, 1);
  return rng.reserveBlocks(16 * Math.ceil(count / 64));
}

/** Random translation and flip of each row of a batch, drawn beforehand. */
export interface ViewDraws {
  /** `[B]`: the row at y shows image row reflect(y + dy). */
  readonly dy: Int32Array;
  readonly dx: Int32Array;
  /** `[B]`, 1 = mirrored left to right (after the translation). */
  readonly flip: Uint8Array;
}

export interface Scaling {
  /** out = pixel * scale + offset; length C (per channel) or N, the number of images (per image). */
  readonly scale: Float32Array;
  readonly offset: Float32Array;
  readonly per: "channel" | "image";
}

/**
 * Gathers rows of an image tensor `[N, C, H, W]` (uint8 or float32, CPU) into a float32 batch `[B, C, H, W]` in
 * channels_last layout, translated with reflect padding that does not repeat the edge, flipped and normalized on the way.
 */
export function gatherImages(images: Tensor, index: Int32Array, view: ViewDraws | undefined, scaling: Scaling): Tensor {
  const perImage = scaling.per === "image";
  const scale = perImage ? Float32Array.from(index, (i) => scaling.scale[i] ?? 0) : scaling.scale;
  const offset = perImage ? Float32Array.from(index, (i) => scaling.offset[i] ?? 0) : scaling.offset;
  const draws = view ? [view.dy, view.dx, view.flip] : [[], [], []];
  return callTensor("fewlabels::gather_images", "", images, index, ...draws, scale, offset, perImage);
}
