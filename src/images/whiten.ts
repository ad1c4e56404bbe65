/**
 * ZCA whitening, with or without global contrast normalization first.
 * zca: pixels in [0, 1], W = U diag(1 / sqrt(S + 1e-5)) U^T of the training covariance U S U^T (Laine & Aila).
 * gcn-zca: each image on the 0..255 scale loses its mean and is divided by its L2 norm / 55, then ZCA with 0.1 in place of
 * 1e-5 (the Mean Teacher code). The two are not interchangeable (methods.md 6, 36).
 */

import { UsageError } from "../errors.js";
import { call, conv2d, noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import type { ImageSet, Whitening } from "./image-set.js";

const regularizer = { zca: 1e-5, "gcn-zca": 0.1 } as const satisfies Record<Whitening, number>;
const gcnNorm = 55;
const chunkRows = 1024; // a multiple of 16, see `product`
/** Of an image, D: the decomposition works on more than 2 D^2 numbers, which LAPACK counts in 32 bits. */
const mostValues = 32_000;

/**
 * Fits on `train` and whitens both sets; pixels become float32. Covariance and mean divide by the number of images. Throws UsageError where
 * the images are too large for a matrix over all their values.
 */
export function whitenSets(kind: Whitening, train: ImageSet, test: ImageSet): { train: ImageSet; test: ImageSet } {
  return noGrad(() =>
    scope(() => {
      const { mean, matrix } = fitOn(kind, train);
      const white = (set: ImageSet) => apply(kind, set, mean, matrix);
      return { train: white(train), test: white(test) };
    }),
  );
}

function fitOn(kind: Whitening, train: ImageSet) {
  const { channels, height, width } = train;
  const size = channels * height * width;
  if (size > mostValues) {
    throw new UsageError(
      `normalize ${kind}: whitening images of ${channels}x${height}x${width} takes a matrix of ${size} x ${size} numbers, and ${mostValues} x ${mostValues} is ` +
        `the most. Take images of ${Math.floor(Math.sqrt(mostValues / channels))} pixels at the most (own pictures: --dataset.size), or --normalize channel, image or none`,
    );
  }
  const mean = meanImage(kind, train, size);
  return { mean, matrix: whiteningMatrix(covariance(kind, train, mean), regularizer[kind]) };
}

/** white = (prepared - mean) matrix, for images `[D]` as `prepare` makes them; `matrix` `[D, D]` is symmetric. */
export interface FittedWhitening {
  readonly kind: Whitening;
  readonly mean: Float64Array;
  readonly matrix: Float32Array;
}

/** What `whitenSets` fits on the training images. */
export function fitWhitening(kind: Whitening, train: ImageSet): FittedWhitening {
  return noGrad(() =>
    scope(() => {
      const { mean, matrix } = fitOn(kind, train);
      return { kind, mean, matrix: matrix.toArray() as Float32Array };
    }),
  );
}

/** `set` whitened as the training images were. */
export function whitenNew({ kind, mean, matrix }: FittedWhitening, set: ImageSet): ImageSet {
  return noGrad(() => scope(() => apply(kind, set, mean, tensor(matrix, [mean.length, mean.length]))));
}

/** Rows first .. first + rows - 1 of `set` as `[rows, size]` float32, prepared as `kind` says, less `mean`. */
function prepare(
  kind: Whitening,
  set: ImageSet,
  first: number,
  rows: number,
  size: number,
  mean?: Float64Array,
): Float32Array {
  const out = new Float32Array(rows * size);
  const bytes = set.pixels instanceof Uint8Array;
  const unit = kind === "zca" ? (bytes ? 1 / 255 : 1) : bytes ? 1 : 255;
  for (let row = 0; row < rows; row++) {
    const from = (first + row) * size;
    const to = row * size;
    let [center, scale] = [0, unit];
    if (kind === "gcn-zca") {
      let sum = 0;
      let squares = 0;
      for (let i = 0; i < size; i++) {
        const value = set.pixels[from + i]! * unit;
        sum += value;
        squares += value * value;
      }
      center = sum / size;
      const divisor = Math.sqrt(Math.max(0, squares - size * center * center)) / gcnNorm;
      if (divisor >= 1e-8) {
        center /= divisor;
        scale /= divisor;
      }
    }
    for (let i = 0; i < size; i++) out[to + i] = set.pixels[from + i]! * scale - center - (mean ? mean[i]! : 0);
  }
  return out;
}

function* chunks(count: number): Generator<[first: number, rows: number]> {
  for (let first = 0; first < count; first += chunkRows) yield [first, Math.min(chunkRows, count - first)];
}

function meanImage(kind: Whitening, set: ImageSet, size: number): Float64Array {
  const sum = new Float64Array(size);
  for (const [first, rows] of chunks(set.count)) {
    const x = prepare(kind, set, first, rows, size);
    for (let row = 0; row < rows; row++) for (let i = 0; i < size; i++) sum[i]! += x[row * size + i]!;
  }
  return sum.map((s) => s / set.count);
}

/** float64 `[size, size]`: products in float32 over a chunk of rows, summed in float64. */
function covariance(kind: Whitening, set: ImageSet, mean: Float64Array): Tensor {
  const size = mean.length;
  const total = tensor(new Float64Array(size * size), [size, size]);
  for (const [first, rows] of chunks(set.count)) {
    scope(() => {
      const x = tensor(prepare(kind, set, first, rows, size, mean), [rows, size]);
      const columns = x.transpose(0, 1).contiguous();
      total.add_(product(columns, columns).to("float64"));
    });
  }
  return total.div_(set.count);
}

/** float32 W = H H^T. The smallest eigenvalues decide, and float32 loses them: the decomposition is done in float64. */
function whiteningMatrix(covarianceMatrix: Tensor, epsilon: number): Tensor {
  const [values, vectors] = call("aten::linalg_eigh", "", covarianceMatrix, "L") as [Tensor, Tensor];
  const half = vectors.mul(values.clampMin(0).add(epsilon).pow(-0.25)).float();
  return product(half, half);
}

/**
 * a b^T of `[n, k]` and `[m, k]` in float32, as a 1x1 convolution over n "pixels" in channels_last layout: oneDNN does it
 * about 25 times as fast as the plain BLAS that Debian's libtorch multiplies matrices with. The pixels are spread over 16
 * "images" where they can be, since libtorch with one thread leaves smaller batches to that BLAS as well.
 */
function product(a: Tensor, b: Tensor): Tensor {
  const [n, k, m] = [a.size(0), a.size(1), b.size(0)];
  const images = n % 16 === 0 ? 16 : 1;
  const out = conv2d(a.reshape([images, n / images, 1, k]).permute([0, 3, 1, 2]), b.reshape([m, k, 1, 1]));
  return out.permute([0, 2, 3, 1]).reshape([n, m]);
}

function apply(kind: Whitening, set: ImageSet, mean: Float64Array, matrix: Tensor): ImageSet {
  const size = mean.length;
  const pixels = new Float32Array(set.count * size);
  for (const [first, rows] of chunks(set.count)) {
    const white = scope(() =>
      product(tensor(prepare(kind, set, first, rows, size, mean), [rows, size]), matrix).toArray(),
    );
    pixels.set(white as Float32Array, first * size);
  }
  return { ...set, pixels };
}
