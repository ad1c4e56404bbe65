/**
 * The RandAugment recipes of the published code, as data: which operations, how strong, how often, in what order with crop
 * and flip. They share names and magnitudes but are not the same augmentation.
 * @see methods.md 4.4 and pitfall 39
 */
import type { Interpolation, OpName } from "./ops.js";

/** What a strength is made of. */
export interface StrengthDraw {
  /** Magnitude; NaN in a recipe without. */
  readonly m: number;
  /** Uniform in [0, 1). */
  readonly u: number;
  /** Width of the picture in pixels. */
  readonly width: number;
  /** Whether it is a crop of a photo, whose lengths grow with its width; else lengths are those for 32 pixels, whatever the width. */
  readonly photo: boolean;
}

/** Strength of an operation, as `encodeOp` wants it (side in pixels for cutout), before a random sign. */
export type Strength = (draw: StrengthDraw) => number;

export interface Recipe {
  readonly name: string;
  /** How strong operations are is learned: u is drawn by the weights of `ct-augment.ts`. */
  readonly learned?: boolean;
  /** Where it comes from. */
  readonly source: string;
  /** Each operation is drawn from these, all equally likely, with replacement. */
  readonly ops: Readonly<Partial<Record<OpName, Strength>>>;
  /** Operations an image. */
  readonly count: number;
  /** Drawn uniformly from the whole numbers `from` .. `to` for each operation; none: each operation has a range of its own. `max`: the largest that may be asked for. */
  readonly magnitude?: { readonly from: number; readonly to: number; readonly max: number };
  /** Each operation is applied with probability p, drawn uniformly from `from` .. `to` once per image or operation. */
  readonly probability: { readonly from: number; readonly to: number; readonly per: "image" | "op" };
  /** Crop and flip (own draw) before the operations, after them, or the weak view's own before and another after. */
  readonly crop: "before" | "after" | "weak-and-after";
  readonly pad: "reflect" | "fill";
  /** Gray level 0..255 of what geometry (and padding, where `pad` says so) brings in. */
  readonly fill: number;
  /** Whether geometry's fill, if still there at the end, becomes a hole. */
  readonly fillIsHole: boolean;
  /** What holes show: 0 in the normalized image ("zero"), or gray 127.5 ("gray"). */
  readonly hole: "zero" | "gray";
  readonly interpolation: Interpolation;
  /** Color of cutout, 0..255. */
  readonly color: readonly [number, number, number];
  /** PIL's rectangles: one pixel larger than the side. */
  readonly bothCorners: boolean;
  /** The cutout that every image gets after the operations. */
  readonly finalCutout: { readonly side: Strength; readonly as: "box" | "hole" };
}

const none: Strength = () => 0;
const int = Math.trunc;
const uniform =
  (low: number, high: number): Strength =>
  ({ u }) =>
    low + (high - low) * u;

const plain = { autocontrast: none, equalize: none };
const enhance: Strength = ({ m }) => 0.18 * m + 0.1;
const enhanced = { color: enhance, contrast: enhance, brightness: enhance, sharpness: enhance };
/** What lengths for pictures of 32 pixels are multiplied by. */
const scale = ({ photo, width }: StrengthDraw) => (photo ? width / 32 : 1);
const shear: Strength = ({ m }) => 0.03 * m;
const sheared = { shearX: shear, shearY: shear };

/** What UDA and FixMatch share. */
const nine = {
  ...plain,
  ...enhanced,
  ...sheared,
  rotate: ({ m }: StrengthDraw) => int(3 * m),
  posterize: ({ m }: StrengthDraw) => 4 - int(0.4 * m),
  solarize: ({ m }: StrengthDraw) => 256 - int(25.6 * m),
  translateX: (draw: StrengthDraw) => draw.m * scale(draw),
  translateY: (draw: StrengthDraw) => draw.m * scale(draw),
};

/** What the two codes of Meta Pseudo Labels share. */
const sixteen = {
  ...plain,
  ...enhanced,
  ...sheared,
  invert: none,
  rotate: ({ m }: StrengthDraw) => 3 * m,
};

/** On ImageNet the published code moves by 10 m of 224 pixels. */
const googleTranslate: Strength = ({ m, photo, width }) => (photo ? (10 * m * width) / 224 : 0.4 * m);
const kekTranslate: Strength = (draw) => 0.4 * draw.m * scale(draw);

const half = { from: 0.5, to: 0.5, per: "op" } as const;

const published = [
  {
    name: "uda",
    source: "google-research/uda",
    ops: { ...nine, invert: none, cutout: (draw) => int(2 * draw.m) * scale(draw) },
    count: 2,
    magnitude: { from: 1, to: 9, max: 10 },
    probability: half,
    crop: "after",
    pad: "reflect",
    fill: 0,
    fillIsHole: true,
    hole: "zero",
    interpolation: "nearest",
    color: [125, 122, 113],
    bothCorners: false,
    finalCutout: { side: (draw) => 16 * scale(draw), as: "hole" },
  },
  {
    name: "fixmatch",
    source: "google-research/fixmatch, RandAugment",
    ops: { ...nine, identity: none },
    count: 2,
    magnitude: { from: 1, to: 9, max: 10 },
    probability: half,
    crop: "before",
    pad: "reflect",
    fill: 0,
    fillIsHole: true,
    hole: "gray",
    interpolation: "nearest",
    color: [128, 128, 128],
    bothCorners: false,
    finalCutout: { side: (draw) => 16 * scale(draw), as: "hole" },
  },
  {
    name: "gmpl",
    source: "google-research/meta_pseudo_labels",
    ops: {
      ...sixteen,
      translateX: googleTranslate,
      translateY: googleTranslate,
      posterize: ({ m }) => int(0.4 * m),
      // The threshold is cast to a byte there: 409 wraps to 153.
      solarize: ({ m }) => int(25.6 * m) % 256,
      // Half the side is whole, so 12 and not 12.8 pixels at m = 16.
      cutout: ({ m, photo, width }) => (photo ? (2 * int(4 * m) * width) / 224 : 2 * int(0.4 * m)),
    },
    count: 2,
    magnitude: { from: 16, to: 16, max: 20 },
    probability: { from: 0.2, to: 0.8, per: "image" },
    crop: "weak-and-after",
    pad: "fill",
    fill: 128,
    fillIsHole: false,
    hole: "gray",
    interpolation: "nearest",
    color: [128, 128, 128],
    bothCorners: false,
    // None on ImageNet.
    finalCutout: { side: ({ photo }) => (photo ? 0 : 16), as: "box" },
  },
  {
    name: "kek",
    source: "kekmodel/MPL-pytorch",
    ops: {
      ...sixteen,
      translateX: kekTranslate,
      translateY: kekTranslate,
      posterize: ({ m }) => 8 - Math.round(0.4 * m),
      // Below 0 at m = 16: inverts every pixel.
      solarize: ({ m }) => 255 - int(25.6 * m),
      cutout: (draw) => int(0.4 * draw.m) * scale(draw),
    },
    count: 2,
    magnitude: { from: 16, to: 16, max: 20 },
    probability: { from: 0.2, to: 0.8, per: "op" },
    crop: "before",
    pad: "fill",
    fill: 128,
    fillIsHole: false,
    hole: "gray",
    interpolation: "bicubic",
    color: [128, 128, 128],
    bothCorners: true,
    finalCutout: { side: (draw) => 12 * scale(draw), as: "box" },
  },
  {
    name: "usb",
    source: "microsoft/Semi-supervised-learning",
    ops: {
      ...plain,
      identity: none,
      rotate: uniform(-30, 30),
      posterize: ({ u }) => int(4 + 4 * u),
      solarize: uniform(0, 256),
      color: uniform(0.05, 0.95),
      contrast: uniform(0.05, 0.95),
      brightness: uniform(0.05, 0.95),
      sharpness: uniform(0.05, 0.95),
      shearX: uniform(-0.3, 0.3),
      shearY: uniform(-0.3, 0.3),
      translateX: ({ u, width }) => (0.6 * u - 0.3) * width,
      translateY: ({ u, width }) => (0.6 * u - 0.3) * width,
    },
    count: 3,
    probability: { from: 1, to: 1, per: "op" },
    crop: "before",
    pad: "reflect",
    fill: 0,
    fillIsHole: false,
    hole: "gray",
    interpolation: "nearest",
    color: [125, 123, 114],
    bothCorners: true,
    finalCutout: { side: ({ u, width }) => 0.5 * u * width, as: "box" },
  },
  {
    name: "ctaugment",
    learned: true,
    source: "google-research/fixmatch, CTAugment",
    ops: {
      ...plain,
      identity: none,
      invert: none,
      rotate: uniform(0, 45),
      posterize: ({ u }) => 8 - int(8 * u),
      solarize: uniform(256, 0),
      color: uniform(0.1, 2),
      contrast: uniform(0.1, 2),
      brightness: uniform(0.1, 2),
      sharpness: uniform(0.1, 2),
      shearX: uniform(0, 0.3),
      shearY: uniform(0, 0.3),
      translateX: ({ u, width }) => 0.3 * u * width,
      translateY: ({ u, width }) => 0.3 * u * width,
      cutout: ({ u, width }) => 0.5 * u * width,
    },
    count: 2,
    probability: { from: 1, to: 1, per: "op" },
    crop: "before",
    pad: "reflect",
    fill: 0,
    fillIsHole: false,
    hole: "gray",
    interpolation: "nearest",
    color: [128, 128, 128],
    bothCorners: false,
    finalCutout: { side: (draw) => 16 * scale(draw), as: "hole" },
  },
] as const satisfies readonly Recipe[];

export const recipes: readonly Recipe[] = published;

/** What `--strong` takes of them. */
export const recipeNames = published.map(({ name }) => name);
