/**
 * The image operations of RandAugment by name, and their form for the native kernel, which works on bytes 0..255.
 * @see methods.md 4.4
 */
import { IMAGE_OP_ARGUMENTS, imageOps } from "../torch/index.js";

export const opNames = [
  "identity",
  "autocontrast",
  "equalize",
  "invert",
  "rotate",
  "posterize",
  "solarize",
  "color",
  "contrast",
  "brightness",
  "sharpness",
  "shearX",
  "shearY",
  "translateX",
  "translateY",
  "cutout",
] as const;

export type OpName = (typeof opNames)[number];

/** Operations whose strength gets a random sign. */
export const signedOps: ReadonlySet<OpName> = new Set(["rotate", "shearX", "shearY", "translateX", "translateY"]);

export interface Canvas {
  readonly width: number;
  readonly height: number;
}

export type Interpolation = "nearest" | "bicubic";

/** A square, half of it on each side of its center. */
export interface Square {
  /** Pixels. */
  readonly side: number;
  /** Center, as fractions of width and height in [0, 1). */
  readonly at: readonly [number, number];
  /** Whether both corners belong to it, as in PIL's rectangles: one pixel wider and higher than `side`. */
  readonly bothCorners: boolean;
}

/** One operation as the kernel reads it: its number and up to `IMAGE_OP_ARGUMENTS` arguments. */
export interface Instruction {
  readonly op: number;
  readonly values: readonly number[];
}

/**
 * `strength` is degrees (rotate, counterclockwise), bits kept (posterize), the threshold (solarize), the factor (color to
 * sharpness; 1 = as it is), the slope (shear) or pixels (translate). Cutout is `encodeBox`.
 */
export function encodeOp(
  name: Exclude<OpName, "cutout">,
  strength: number,
  canvas: Canvas,
  interpolation: Interpolation,
): Instruction {
  const affine = (...values: number[]): Instruction => ({
    op: interpolation === "bicubic" ? imageOps.affineBicubic : imageOps.affineNearest,
    values,
  });
  switch (name) {
    case "identity":
      return { op: imageOps.nothing, values: [] };
    case "autocontrast":
    case "equalize":
    case "invert":
      return { op: imageOps[name], values: [] };
    case "rotate":
      return affine(...rotation(strength, canvas));
    case "shearX":
      return affine(1, strength, 0, 0, 1, 0);
    case "shearY":
      return affine(1, 0, 0, strength, 1, 0);
    case "translateX":
      return affine(1, 0, strength, 0, 1, 0);
    case "translateY":
      return affine(1, 0, 0, 0, 1, strength);
    default:
      return { op: imageOps[name], values: [strength] };
  }
}

/** The six numbers of a counterclockwise turn about the middle of the canvas, from pixel to source point. */
function rotation(degrees: number, { width, height }: Canvas): number[] {
  const angle = (-(((degrees % 360) + 360) % 360) * Math.PI) / 180;
  // Fifteen digits, so that quarter turns are exact.
  const round = (value: number) => Number(value.toFixed(15));
  const [cos, sin] = [round(Math.cos(angle)), round(Math.sin(angle))];
  const [cx, cy] = [width / 2, height / 2];
  return [cos, sin, cos * -cx + sin * -cy + cx, -sin, cos, -sin * -cx + cos * -cy + cy];
}

/**
 * A box of color, or of nothing (`hole`). With `bothCorners` (kekmodel's and USB's code) the near corner is held inside the
 * image first and the far one follows from it, so that boxes are pushed in at the left and the top, and cut at the right and the
 * bottom; the kernel cuts the others at all four sides.
 */
export function encodeBox(square: Square, canvas: Canvas, kind: "box" | "hole"): Instruction {
  const { side, at, bothCorners } = square;
  const [x0, y0] = bothCorners
    ? [
        Math.max(0, Math.floor(at[0] * canvas.width - side / 2)),
        Math.max(0, Math.floor(at[1] * canvas.height - side / 2)),
      ]
    : [Math.floor(at[0] * canvas.width) - side / 2, Math.floor(at[1] * canvas.height) - side / 2];
  const extent = bothCorners ? Math.floor(side) + 1 : side;
  return { op: imageOps[kind], values: [x0, y0, x0 + extent, y0 + extent] };
}

/** Part of a picture, brought to a square by resampling, perhaps mirrored. The size of the output is the kernel's `size`. */
export function encodeCrop(
  { box, interpolation }: { readonly box: readonly number[]; readonly interpolation: "bilinear" | "bicubic" },
  flip: boolean,
): Instruction {
  return { op: imageOps.resizedCrop, values: [...box, interpolation === "bicubic" ? 1 : 0, flip ? 1 : 0] };
}

/** A turn of the hue by a share of the circle, cut off to 1/255. */
export function encodeHue(share: number): Instruction {
  return { op: imageOps.hue, values: [Math.trunc(share * 255)] };
}

/** A Gaussian of this deviation in pixels. */
export function encodeBlur(sigma: number): Instruction {
  return { op: imageOps.blur, values: [sigma] };
}

/** Writes an instruction at position `at` of a program. */
export function writeInstruction(ops: Int32Array, values: Float64Array, at: number, instruction: Instruction): void {
  ops[at] = instruction.op;
  values.set(instruction.values, at * IMAGE_OP_ARGUMENTS);
}
