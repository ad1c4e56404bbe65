/**
 * Features without a trained network: how much of each of some patches, drawn from the very pictures, is in each quarter of a picture.
 *
 * @see Coates, Ng: The Importance of Encoding Versus Training with Sparse Coding and Vector Quantization (ICML 2011): random patches, contrast
 * normalization, ZCA whitening, soft threshold, sums over quarters
 */
import type { Rng } from "../rng.js";
import { call, linear, noGrad, scope, type Tensor, tensor } from "../torch/index.js";

const SIDE = 32;
const CHANNELS = 3;
const PATCH = 6;
const STRIDE = 2;
const FILTERS = 96;
/** Patches that whitening is fitted on, of many pictures; 200 each of few. */
const MOST_FITTED = 20_000;
const THRESHOLD = 0.5;
const CHUNK = 64;
const DIMS = CHANNELS * PATCH * PATCH;
/** Positions of a patch along a side. */
const STEPS = (SIDE - PATCH) / STRIDE + 1;

/** Numbers a picture. */
export const PATCH_FEATURES = 2 * FILTERS * 4;

/** `pixels` uint8 `[N, 3, 32, 32]` -> float32 `[N, PATCH_FEATURES]`, each column with mean 0 and deviation 1. */
export function patchFeatures(pixels: Uint8Array, rng: Rng): Float32Array {
  const n = pixels.length / (CHANNELS * SIDE * SIDE);
  const out = new Float32Array(n * PATCH_FEATURES);
  noGrad(() =>
    scope(() => {
      const { mean, matrix } = filtersOf(pixels, n, rng);
      for (let from = 0; from < n; from += CHUNK) {
        const count = Math.min(CHUNK, n - from);
        out.set(
          scope(() => {
            const z = linear(patchesOf(pixels, from, count).sub(mean), matrix); // [count, positions, FILTERS]
            const both = [z.sub(THRESHOLD).relu(), z.neg().sub(THRESHOLD).relu()];
            const half = Math.floor(STEPS / 2);
            const quarters = both.flatMap((signed) => {
              const grid = signed.reshape([count, STEPS, STEPS, FILTERS]);
              return [0, half].flatMap((y) =>
                [0, half].map((x) => grid.narrow(1, y, half).narrow(2, x, half).sum([1, 2])),
              );
            });
            return (call("aten::cat", "", quarters, 1) as Tensor).contiguous().toArray() as Float32Array;
          }),
          from * PATCH_FEATURES,
        );
      }
    }),
  );
  return standardized(out);
}

/** Random patches, whitened and of length 1, with the whitening of what they are compared with folded in: `[FILTERS, DIMS]`. */
function filtersOf(pixels: Uint8Array, n: number, rng: Rng): { readonly mean: Tensor; readonly matrix: Tensor } {
  const draws = rng.split("patches");
  const count = Math.min(MOST_FITTED, 200 * n);
  const fitted = new Float32Array(count * DIMS);
  for (let i = 0; i < count; i++) {
    const [picture, top, left] = [draws.integer(n), draws.integer(SIDE - PATCH + 1), draws.integer(SIDE - PATCH + 1)];
    let at = i * DIMS;
    for (let c = 0; c < CHANNELS; c++)
      for (let y = 0; y < PATCH; y++)
        for (let x = 0; x < PATCH; x++)
          fitted[at++] = pixels[((picture * CHANNELS + c) * SIDE + top + y) * SIDE + left + x]!;
  }
  const rows = normalized(tensor(fitted, [count, DIMS]));
  const mean = rows.mean([0], true);
  const x = rows.sub(mean);
  const covariance = x.transpose(0, 1).matmul(x).div(count).to("float64");
  const [values, vectors] = call("aten::linalg_eigh", "", covariance, "L") as [Tensor, Tensor];
  const whiten = vectors.mul(values.clampMin(0).add(0.1).rsqrt()).matmul(vectors.transpose(0, 1)).float();
  const chosen = x.narrow(0, 0, FILTERS).matmul(whiten);
  const unit = chosen.div(chosen.pow(2).sum([1], true).sqrt().add(1e-6));
  return { mean, matrix: unit.matmul(whiten).contiguous() };
}

/** `[count, positions, DIMS]`, contrast normalized. */
function patchesOf(pixels: Uint8Array, from: number, count: number): Tensor {
  const size = CHANNELS * SIDE * SIDE;
  const part = Float32Array.from(pixels.subarray(from * size, (from + count) * size));
  const x = tensor(part, [count, CHANNELS, SIDE, SIDE]);
  const columns = call("aten::im2col", "", x, [PATCH, PATCH], [1, 1], [0, 0], [STRIDE, STRIDE]) as Tensor;
  return normalized(columns.permute([0, 2, 1]).contiguous());
}

/** Each patch (last axis) less its mean, divided by sqrt(variance + 10), of pixels in 0 .. 255. */
function normalized(patches: Tensor): Tensor {
  const axis = patches.shape.length - 1;
  const x = patches.sub(patches.mean([axis], true));
  return x.mul(x.pow(2).mean([axis], true).add(10).rsqrt());
}

function standardized(features: Float32Array): Float32Array {
  const n = features.length / PATCH_FEATURES;
  const [mean, squares] = [new Float64Array(PATCH_FEATURES), new Float64Array(PATCH_FEATURES)];
  for (const [at, v] of features.entries()) mean[at % PATCH_FEATURES]! += v / n;
  for (const [at, v] of features.entries()) squares[at % PATCH_FEATURES]! += (v - mean[at % PATCH_FEATURES]!) ** 2 / n;
  const scale = squares.map((v) => 1 / Math.sqrt(v + 1e-6));
  return features.map((v, at) => (v - mean[at % PATCH_FEATURES]!) * scale[at % PATCH_FEATURES]!);
}
