/**
 * Our own kernels (`native/kernels_*.cc`), registered with libtorch as `fewlabels::*`. All randomness is counter-based:
 * the bits depend on the generator's key and count alone, not on the number of threads.
 */
import { type Spread, whole } from "./spread.js";
import { callTensor, type Tensor } from "./tensor.js";

/** The part of `Rng` that kernels need (this folder may not import it). */
export interface KernelRng {
  readonly key: readonly [number, number];
  reserveBlocks(blocks: number): number;
}

/**
 * Inverted dropout: each element is 0 with probability `p` (resolution 1 / 65,536), else divided by 1 - p. `spread`, here and below: the
 * rows are those of one process, and get the draws that they have in the whole batch.
 */
export function dropout(x: Tensor, p: number, rng: KernelRng, spread: Spread = whole): Tensor {
  const first = rng.reserveBlocks(16 * Math.ceil((x.numel * spread.size) / 128)); // 8 draws of 16 bits a block, 16 blocks at a time
  return callTensor("fewlabels::dropout", "", x, p, rng.key[0], rng.key[1], first, spread.rank, spread.size);
}

/** x + sigma * N(0, 1), elementwise. */
export function addGaussianNoise(x: Tensor, sigma: number, rng: KernelRng, spread: Spread = whole): Tensor {
  return callTensor("fewlabels::add_gaussian_noise", "", x, sigma, ...drawsOf(x.shape, rng, spread));
}

/** float32 `shape` filled with mean + std * N(0, 1); the same numbers on every device. */
export function normal(
  shape: Shape,
  mean: number,
  std: number,
  rng: KernelRng,
  spread: Spread = whole,
  device?: string,
): Tensor {
  return callTensor("fewlabels::normal", "", shape, mean, std, ...drawsOf(shape, rng, spread), device);
}

/** float32 `shape`, uniform in [low, high); the same numbers on every device. */
export function uniform(
  shape: Shape,
  low: number,
  high: number,
  rng: KernelRng,
  spread: Spread = whole,
  device?: string,
): Tensor {
  return callTensor("fewlabels::uniform", "", shape, low, high, ...drawsOf(shape, rng, spread), device);
}

type Shape = readonly number[];

/** Key, first block of one 32-bit draw per element of the whole batch (4 a block, 16 blocks at a time), and whose rows they are. */
function drawsOf(shape: Shape, rng: KernelRng, { rank, size }: Spread): number[] {
  const count = shape.reduce((a, b) => a * b, size);
  return [...rng.key, rng.reserveBlocks(16 * Math.ceil(count / 64)), rank, size];
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
 * Gathers rows of an image tensor `[N, C, H, W]` (uint8 or float32; on a GPU where our kernels are built for it) into a float32 batch `[B, C, H, W]` in
 * channels_last layout, translated with reflect padding that does not repeat the edge, flipped and normalized on the way.
 */
export function gatherImages(images: Tensor, index: Int32Array, view: ViewDraws | undefined, scaling: Scaling): Tensor {
  const draws = view ? [view.dy, view.dx, view.flip] : [[], [], []];
  return callTensor("fewlabels::gather_images", "", images, index, ...draws, ...scalingOf(index, scaling));
}

/** Scale, offset and whether they are one a row (else one a channel). */
function scalingOf(index: Int32Array, { scale, offset, per }: Scaling): [Float32Array, Float32Array, boolean] {
  if (per === "channel") return [scale, offset, false];
  const pick = (values: Float32Array) => Float32Array.from(index, (i) => values[i] ?? 0);
  return [pick(scale), pick(offset), true];
}

/** What `augmentImages` can do to bytes; arguments in parentheses. Definitions: methods.md 4.4. */
export const imageOps = {
  nothing: 0,
  autocontrast: 1,
  equalize: 2,
  invert: 3,
  /** (bits kept, 0..8) */
  posterize: 4,
  /** (threshold): v < threshold ? v : 255 - v */
  solarize: 5,
  /** (factor), 0 = gray, 1 = as it is; nothing on one channel */
  color: 6,
  /** (factor) */
  contrast: 7,
  /** (factor) */
  brightness: 8,
  /** (factor) */
  sharpness: 9,
  /** (a, b, c, d, e, f): pixel (x, y) shows the point (a (x + 1/2) + b (y + 1/2) + c, d (x + 1/2) + e (y + 1/2) + f). */
  affineNearest: 10,
  /** The same six, cubic interpolation. */
  affineBicubic: 11,
  /** (x0, y0, x1, y1): columns x0 .. x1 - 1 and rows y0 .. y1 - 1 get the color, as far as they are in the picture. */
  box: 12,
  /** (x0, y0, x1, y1): they become a hole. */
  hole: 13,
  /** (x0, y0, x1, y1, filter, mirrored): that box becomes the picture, of the size asked for; filter 0 = bilinear, 1 = bicubic. */
  resizedCrop: 14,
  /** (n): the hue turns by n / 256 of the circle; nothing on one channel. */
  hue: 15,
  /** (deviation of a Gaussian in pixels, 0..100) */
  blur: 16,
} as const;

/** Arguments of one operation, unused ones included. */
export const IMAGE_OP_ARGUMENTS = 6;

/** The same number of operations for each row of a batch, in order. */
export interface ImageProgram {
  /** `[B * slots]`, values of `imageOps`. */
  readonly ops: Int32Array;
  /** `[B * slots * IMAGE_OP_ARGUMENTS]`. */
  readonly values: Float64Array;
}

export interface AugmentRules {
  /** How the crop before and the crop after the operations pad: by reflection, or with `fill`. */
  readonly padBefore: "reflect" | "fill";
  readonly padAfter: "reflect" | "fill";
  /** `[C]`, 0..255: what geometry and padding bring in from outside. */
  readonly fill: readonly number[];
  /** `[C]`, 0..255: color of boxes. */
  readonly color: readonly number[];
  /** Whether pixels that geometry brought in become holes, unless a later histogram or table operation makes them picture. */
  readonly fillIsHole: boolean;
  /** What holes show: this pixel value, or (undefined) 0 in the normalized output. */
  readonly hole: number | undefined;
}

/** Crop, operations, crop; a crop that is undefined is left out. The crops translate and mirror. */
export interface AugmentDraws {
  readonly before: ViewDraws | undefined;
  readonly program: ImageProgram;
  readonly after: ViewDraws | undefined;
}

/**
 * Like `gatherImages`, from uint8 images of 1 or 3 channels, with each row's operations carried out on its bytes between
 * two crops (`[B, C, H, W]` float32, channels_last). Draws nothing; the same bits for any number of threads. `size`, height and
 * width of the output: where it is not that of the images, each row's program must hold a `resizedCrop`.
 */
export function augmentImages(
  images: Tensor,
  index: Int32Array,
  { before, program, after }: AugmentDraws,
  rules: AugmentRules,
  scaling: Scaling,
  size: readonly [height: number, width: number] | undefined = undefined,
): Tensor {
  const moves = new Int32Array(6 * index.length);
  [before, after].forEach((view, k) => {
    if (view === undefined) return;
    for (let row = 0; row < index.length; row++) {
      moves.set([view.dy[row]!, view.dx[row]!, view.flip[row]!], 6 * row + 3 * k);
    }
  });
  return callTensor(
    "fewlabels::augment_images",
    "",
    images,
    index,
    moves,
    rules.padBefore === "reflect",
    rules.padAfter === "reflect",
    program.ops,
    program.values,
    rules.fill,
    rules.color,
    rules.fillIsHole,
    rules.hole === undefined ? [] : [rules.hole],
    ...scalingOf(index, scaling),
    ...(size === undefined ? [] : [size]),
  );
}
