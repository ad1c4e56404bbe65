/**
 * What stands before the network in the graph: from pixels 0..255 (float32) to what the network was trained on. The same
 * formulas as `src/images/normalize.ts` and `whiten.ts`.
 */
import type { Normalization } from "../../images/image-set.js";
import { type Builder, int, ints } from "./builder.js";
import { floats } from "./model.js";

/** How the pictures of a run are normalized. */
export interface Normalizing {
  readonly normalize: Normalization;
  /** What stands for 1 in the pixels: 255 (default) in bytes, 1 in sets of real numbers. */
  readonly unit?: number | undefined;
  /** input = pixel * scale + offset, by channel; not with `image`, `zca`, `gcn-zca`. */
  readonly scale?: readonly number[];
  readonly offset?: readonly number[];
  /** With `zca` and `gcn-zca`: white = (prepared - mean) matrix, `[D]` and `[D, D]`, symmetric. */
  readonly whitening?: { readonly mean: Float64Array | Float32Array; readonly matrix: Float32Array };
  /** Columns and rows of the picture that evaluation looks at, where not all: x0, y0, x1, y1. */
  readonly box?: readonly [number, number, number, number];
}

/** L2 norm that an image has after global contrast normalization. */
const gcnNorm = 55;

/** Name of the constant that whitens. */
export const WHITENING = "whitening.matrix";

/**
 * Adds the nodes; `shape` is `[C, H, W]` of `x`, and the result's name is returned. As in evaluation, the whole picture is normalized and
 * what it looks at is cut out after that.
 */
export function addPreprocessing(
  b: Builder,
  x: string,
  shape: readonly [number, number, number],
  how: Normalizing,
): string {
  b.where = "preprocessing";
  const whole = normalized(b, x, shape, how);
  const result = how.box ? crop(b, whole, how.box) : whole;
  b.where = "";
  return result;
}

function crop(b: Builder, x: string, [x0, y0, x1, y1]: NonNullable<Normalizing["box"]>): string {
  return b.node("Slice", [x, b.ints([y0, x0]), b.ints([y1, x1]), b.ints([2, 3]), b.ints([1, 1])]);
}

function normalized(b: Builder, x: string, [c, h, w]: readonly [number, number, number], how: Normalizing): string {
  const { whitening, unit = 255 } = how;
  if (whitening) return whitened(b, x, [c, h, w], { ...how, whitening, unit });
  if (how.normalize === "image") {
    const [centered, variance] = moments(b, x, [1, 2, 3]);
    // The deviation is at least one gray level.
    return b.node("Div", [centered, b.node("Max", [b.node("Sqrt", [variance]), b.scalar(unit / 255)])]);
  }
  const perChannel = (values: readonly number[]) => b.constant(floats(values, [1, c, 1, 1]));
  const scaled = b.node("Mul", [x, perChannel(how.scale ?? new Array<number>(c).fill(1 / unit))]);
  return b.node("Add", [scaled, perChannel(how.offset ?? new Array<number>(c).fill(0))]);
}

/** x less its mean over the axes, and its variance (divided by the count). */
function moments(b: Builder, x: string, over: readonly number[]): [centered: string, variance: string] {
  const mean = (of: string) => b.node("ReduceMean", [of], { axes: ints(over), keepdims: int(1) });
  const centered = b.node("Sub", [x, mean(x)]);
  return [centered, mean(b.node("Mul", [centered, centered]))];
}

function whitened(
  b: Builder,
  x: string,
  [c, h, w]: readonly [number, number, number],
  { normalize, whitening, unit }: Required<Pick<Normalizing, "normalize" | "whitening">> & { readonly unit: number },
): string {
  const { mean, matrix } = whitening;
  const size = c * h * w;
  const rows = b.node("Reshape", [x, b.ints([0, size])]);
  const prepared =
    normalize === "gcn-zca" ? contrastNormalized(b, rows, size, unit) : b.node("Mul", [rows, b.scalar(1 / unit)]);
  const centered = b.node("Sub", [prepared, b.constant(floats(mean, [1, size]), "whitening.mean")]);
  const white = b.node("MatMul", [centered, b.constant(floats(matrix, [size, size]), WHITENING)]);
  return b.node("Reshape", [white, b.ints([0, c, h, w])]);
}

/** Each row on the scale 0..255 loses its mean and is divided by its L2 norm / 55; flat pictures lose their mean alone. */
function contrastNormalized(b: Builder, rows: string, size: number, unit: number): string {
  const levels = unit === 255 ? rows : b.node("Mul", [rows, b.scalar(255 / unit)]);
  const [centered, variance] = moments(b, levels, [1]);
  const norm = b.node("Sqrt", [b.node("Mul", [variance, b.scalar(size / gcnNorm ** 2)])]);
  // Means in float32 are not exact. Of bytes that are not all equal the norm is at least 0.01.
  const least = b.scalar(unit === 255 ? 1e-3 : 1e-8);
  return b.node("Where", [
    b.node("Less", [norm, least]),
    centered,
    b.node("Div", [centered, b.node("Max", [norm, least])]),
  ]);
}

/** Color to gray as libvips does it: brightness in linear light (BT.709), rounded to whole levels. Gray pictures stay as they are. */
export function addGray(b: Builder, x: string): string {
  b.where = "gray";
  const [low, high] = [0.04045, 0.0031308];
  const unit = b.node("Mul", [x, b.scalar(1 / 255)]);
  const curve = b.node("Pow", [
    b.node("Mul", [b.node("Add", [unit, b.scalar(0.055)]), b.scalar(1 / 1.055)]),
    b.scalar(2.4),
  ]);
  const linear = b.node("Where", [
    b.node("Less", [unit, b.scalar(low)]),
    b.node("Mul", [unit, b.scalar(1 / 12.92)]),
    curve,
  ]);
  const light = b.node("Conv", [linear, b.constant(floats([0.2126, 0.7152, 0.0722], [1, 3, 1, 1]))], {
    kernel_shape: ints([1, 1]),
  });
  const root = b.node("Pow", [b.node("Max", [light, b.scalar(high)]), b.scalar(1 / 2.4)]);
  const bright = b.node("Sub", [b.node("Mul", [root, b.scalar(1.055)]), b.scalar(0.055)]);
  const gray = b.node("Where", [
    b.node("Less", [light, b.scalar(high)]),
    b.node("Mul", [light, b.scalar(12.92)]),
    bright,
  ]);
  const levels = b.node("Floor", [b.node("Add", [b.node("Mul", [gray, b.scalar(255)]), b.scalar(0.5)])]);
  b.where = "";
  return levels;
}
