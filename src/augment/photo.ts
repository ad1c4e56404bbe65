/**
 * The weak view of larger pictures: rotation, random resized crop, mirror image, color jitter, gray, blur. As with the other
 * views only the draws are made here, and they depend on the generator's key, the step and the row alone.
 * @see methods.md 4.3
 */
import { badValue, UsageError } from "../errors.js";
import { philox, type Rng } from "../rng.js";
import { IMAGE_OP_ARGUMENTS, type ImageProgram, imageOps, placeInBatch, type Spread, whole } from "../torch/index.js";
import { type Canvas, encodeBlur, encodeCrop, encodeHue, encodeOp, writeInstruction } from "./ops.js";

export const interpolations = ["bilinear", "bicubic"] as const;
export type Resampling = (typeof interpolations)[number];

export interface PhotoRecipe {
  /** Side of the square output in pixels, where the run asks for none: at most this, and at most that of the pictures. */
  readonly side: number;
  /** Least share of the picture's area that the crop takes; the largest is 1. */
  readonly cropScale: number;
  readonly interpolation: Resampling;
  /** Largest angle in degrees, to either side. */
  readonly rotation: number;
  /** b: factors of brightness, contrast and saturation are uniform in max(0, 1 - b) .. 1 + b. */
  readonly colorJitter: number;
  /** Largest turn of the hue to either side, as a share of the circle. */
  readonly hueJitter: number;
  readonly grayProbability: number;
  /** Of a Gaussian blur with a deviation uniform in 1/2240 .. 1/112 of the side: 0.1 .. 2 pixels at 224. */
  readonly blurProbability: number;
}

const plain = { rotation: 0, colorJitter: 0, hueJitter: 0, grayProbability: 0, blurProbability: 0 };

export const photoRecipes = {
  /** For people's own pictures: what matters may be small, and color may tell classes apart. */
  photo: {
    ...plain,
    side: Number.POSITIVE_INFINITY,
    cropScale: 0.3,
    interpolation: "bilinear",
    colorJitter: 0.2,
    hueJitter: 0.02,
  },
  /** CuriousAI/mean-teacher, ImageNet. */
  "imagenet-mt": {
    ...plain,
    side: 224,
    cropScale: 0.08,
    interpolation: "bilinear",
    rotation: 10,
    colorJitter: 0.4,
    hueJitter: 0.1,
  },
  /** google-research/meta_pseudo_labels, ImageNet. */
  "imagenet-gmpl": { ...plain, side: 224, cropScale: 0.08, interpolation: "bicubic" },
} as const satisfies Readonly<Record<string, PhotoRecipe>>;

export const weakNames = ["translate", "photo", "imagenet-mt", "imagenet-gmpl"] as const;
export type WeakName = (typeof weakNames)[number];

/** The weak view as a run asks for it; what is left out is the recipe's. */
export interface WeakChoice extends Partial<{ [K in keyof PhotoRecipe]: PhotoRecipe[K] | undefined }> {
  readonly name: WeakName;
  /** Share of the short side that evaluation keeps. Default: output side / short side, 0.875 at the least, 1 at most. */
  readonly evalCrop?: number | undefined;
}

/** Part of a picture, brought to a square. */
export interface CropView {
  /** x0, y0, x1, y1 in pixels; x1 and y1 are outside. */
  readonly box: readonly [number, number, number, number];
  /** Side of the output in pixels. */
  readonly side: number;
  readonly interpolation: Resampling;
}

export interface PhotoPlan {
  readonly kind: "photo";
  readonly recipe: PhotoRecipe;
  readonly side: number;
  /** How a picture is judged. */
  readonly evaluation: CropView;
}

/** The weak view as the loader carries it out. */
export type WeakPlan = { readonly kind: "translate" } | PhotoPlan;

/** Checks the choice for pictures of this size and kind. Throws UsageError. */
export function planWeak(
  { name, evalCrop, ...changes }: WeakChoice,
  { width, height, bytes, channels }: Canvas & { readonly bytes: boolean; readonly channels: number },
): WeakPlan {
  const given = Object.entries({ ...changes, evalCrop }).filter(([, value]) => value !== undefined);
  if (name === "translate") {
    const [option] = given.map(([key]) => (key === "side" ? "crop" : key));
    if (option === undefined) return { kind: "translate" };
    const others = weakNames.slice(1).join(", ");
    throw new UsageError(`weak view "translate": has no ${option}; leave it out, or take --weak ${others}`);
  }
  if (!bytes || (channels !== 1 && channels !== 3)) {
    const what = bytes ? `images with ${channels} channels` : "real numbers (as after --normalize zca or gcn-zca)";
    throw new UsageError(
      `weak view "${name}": works on gray or color pictures of 0..255, got ${what}. Use --weak translate`,
    );
  }
  const recipe: PhotoRecipe = { ...photoRecipes[name], ...Object.fromEntries(given.filter(([k]) => k !== "evalCrop")) };
  const short = Math.min(width, height);
  const side = changes.side ?? Math.min(recipe.side, short);
  if (!(Number.isInteger(side) && side >= 4 && side <= 4096)) {
    throw new UsageError(badValue(`weak view "${name}"`, "crop", "a whole number of pixels in 4..4096", side));
  }
  const kept = Math.max(1, Math.round(short * (evalCrop ?? Math.min(1, Math.max(0.875, side / short)))));
  const [x0, y0] = [Math.round((width - kept) / 2), Math.round((height - kept) / 2)];
  const { interpolation } = recipe;
  return {
    kind: "photo",
    recipe,
    side,
    evaluation: { box: [x0, y0, x0 + kept, y0 + kept], side, interpolation },
  };
}

/** One draw per row. */
export interface PhotoDraws {
  /** `[rows]`, degrees counterclockwise. */
  readonly degrees: Float64Array;
  /** `[rows * 4]`: x0, y0, x1, y1. */
  readonly boxes: Int32Array;
  /** `[rows]`, 0 or 1. */
  readonly flip: Uint8Array;
  /** The operations on colors, `COLOR_SLOTS` a row, on the cropped picture. */
  readonly colors: ImageProgram;
}

/** Brightness, contrast, saturation and hue in any order, gray, blur. */
const COLOR_SLOTS = 6;
/** Rotation, crop. */
const GEOMETRY_SLOTS = 2;

/** A random word as a number in [0, 1). */
const unit = (word: number) => word / 2 ** 32;

/**
 * Draws the view of `rows` rows at `step` for pictures of `canvas`. `rng` names the view; nothing is drawn from it. A row takes
 * three Philox blocks and one more for each try at a crop, those of its place in the whole batch (`spread`), so switching one operation off leaves the others as they were.
 */
export function drawPhoto(
  { recipe, side }: PhotoPlan,
  rng: Pick<Rng, "key">,
  step: number,
  rows: number,
  canvas: Canvas,
  flips: boolean,
  spread: Spread = whole,
): PhotoDraws {
  const draws: PhotoDraws = {
    degrees: new Float64Array(rows),
    boxes: new Int32Array(4 * rows),
    flip: new Uint8Array(rows),
    colors: emptyProgram(rows * COLOR_SLOTS),
  };
  const [k0, k1] = rng.key;
  const [low, high] = [step >>> 0, Math.floor(step / 2 ** 32) >>> 0];
  const { colorJitter, hueJitter } = recipe;
  const around = (u: number, size: number) => (2 * u - 1) * size;
  for (let row = 0; row < rows; row++) {
    const block = (n: number) => philox(k0, k1, placeInBatch(row, spread), low, high, 0x9b070 + n);
    const [first, second, third] = [block(0), block(1), block(2)];
    draws.flip[row] = flips ? first[0]! >>> 31 : 0;
    draws.degrees[row] = around(unit(first[1]!), recipe.rotation);
    draws.boxes.set(
      drawBox((n) => block(3 + n), recipe.cropScale, canvas),
      4 * row,
    );
    const write = (slot: number, instruction: Parameters<typeof writeInstruction>[3]) =>
      writeInstruction(draws.colors.ops, draws.colors.values, row * COLOR_SLOTS + slot, instruction);
    const factor = (word: number) => {
      const least = Math.max(0, 1 - colorJitter);
      return least + unit(word) * (1 + colorJitter - least);
    };
    const order = permutation(third[0]!);
    if (colorJitter > 0) {
      (["brightness", "contrast", "color"] as const).forEach((name, k) => {
        write(order[k]!, encodeOp(name, factor(second[k]!), canvas, "nearest"));
      });
    }
    if (hueJitter > 0) write(order[3]!, encodeHue(around(unit(second[3]!), hueJitter)));
    if (unit(first[2]!) < recipe.grayProbability) write(4, encodeOp("color", 0, canvas, "nearest"));
    if (unit(first[3]!) < recipe.blurProbability) {
      write(5, encodeBlur((side / 224) * (0.1 + 1.9 * unit(third[1]!))));
    }
  }
  return draws;
}

/** The order in which four operations come: 24 equally likely ones. */
function permutation(word: number): readonly number[] {
  let rest = Math.floor(unit(word) * 24);
  const left = [0, 1, 2, 3];
  return [4, 3, 2, 1].map((n) => {
    const [at, remaining] = [rest % n, Math.floor(rest / n)];
    rest = remaining;
    return left.splice(at, 1)[0]!;
  });
}

/**
 * A box of a share of the area uniform in `least` .. 1 and width : height log-uniform in 3/4 .. 4/3, anywhere in the picture; after
 * ten that do not fit, the largest in the middle whose shape is allowed.
 */
function drawBox(block: (attempt: number) => Uint32Array | readonly number[], least: number, canvas: Canvas): number[] {
  const { width, height } = canvas;
  const limit = Math.log(4 / 3);
  for (let attempt = 0; attempt < 10; attempt++) {
    const words = block(attempt);
    const area = width * height * (least + (1 - least) * unit(words[0]!));
    const ratio = Math.exp((2 * unit(words[1]!) - 1) * limit);
    const [w, h] = [Math.round(Math.sqrt(area * ratio)), Math.round(Math.sqrt(area / ratio))];
    if (w < 1 || h < 1 || w > width || h > height) continue;
    const y0 = Math.floor(unit(words[2]!) * (height - h + 1));
    const x0 = Math.floor(unit(words[3]!) * (width - w + 1));
    return [x0, y0, x0 + w, y0 + h];
  }
  const w = Math.min(width, Math.round((height * 4) / 3));
  const h = Math.min(height, Math.round((width * 4) / 3));
  const [x0, y0] = [Math.floor((width - w) / 2), Math.floor((height - h) / 2)];
  return [x0, y0, x0 + w, y0 + h];
}

/** The operations of a view; `colors` false leaves out all but rotation, crop and mirror image. */
export function photoProgram(
  { degrees, boxes, flip, colors }: PhotoDraws,
  { recipe, side }: PhotoPlan,
  canvas: Canvas,
  withColors: boolean,
): ImageProgram {
  const rows = flip.length;
  const geometry = emptyProgram(rows * GEOMETRY_SLOTS);
  for (let row = 0; row < rows; row++) {
    const at = row * GEOMETRY_SLOTS;
    if (degrees[row] !== 0) {
      writeInstruction(geometry.ops, geometry.values, at, encodeOp("rotate", degrees[row]!, canvas, "nearest"));
    }
    const [x0, y0, x1, y1] = boxes.subarray(4 * row, 4 * row + 4) as unknown as [number, number, number, number];
    const view = { box: [x0, y0, x1, y1], side, interpolation: recipe.interpolation } as const;
    writeInstruction(geometry.ops, geometry.values, at + 1, encodeCrop(view, flip[row] === 1));
  }
  return withColors ? joinPrograms(geometry, colors, rows) : geometry;
}

/** The same crop for every row. */
export function cropProgram(view: CropView, rows: number, flip?: Uint8Array): ImageProgram {
  const program = emptyProgram(rows);
  for (let row = 0; row < rows; row++) {
    writeInstruction(program.ops, program.values, row, encodeCrop(view, flip?.[row] === 1));
  }
  return program;
}

/** For each row the operations of `a`, then those of `b`. */
export function joinPrograms(a: ImageProgram, b: ImageProgram, rows: number): ImageProgram {
  const [m, n] = [a.ops.length / rows, b.ops.length / rows];
  const joined = emptyProgram(a.ops.length + b.ops.length);
  for (let row = 0; row < rows; row++) {
    for (const [part, count, at] of [
      [a, m, row * (m + n)],
      [b, n, row * (m + n) + m],
    ] as const) {
      joined.ops.set(part.ops.subarray(row * count, (row + 1) * count), at);
      const values = part.values.subarray(row * count * IMAGE_OP_ARGUMENTS, (row + 1) * count * IMAGE_OP_ARGUMENTS);
      joined.values.set(values, at * IMAGE_OP_ARGUMENTS);
    }
  }
  return joined;
}

function emptyProgram(slots: number): ImageProgram {
  return {
    ops: new Int32Array(slots).fill(imageOps.nothing),
    values: new Float64Array(slots * IMAGE_OP_ARGUMENTS),
  };
}
