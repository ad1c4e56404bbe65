/** What a run may say about its views, and the views that it then has. A new knob of a view is declared and read in this room. */
import type { Views } from "../batch.js";
import { UsageError } from "../errors.js";
import { boolean, choice, integer, need, needFact, number, type OptionsOf, pick, text } from "../options.js";
import { checkStrong } from "./make-views.js";
import { interpolations, planWeak, type WeakName, type WeakPlan, weakNames } from "./photo.js";
import { type StrongName, type StrongOptions, strongNames } from "./strong.js";
import { type Pad, pads } from "./weak.js";

const strongView = [needFact("views.strong", "a method that reads a strong view", { method: "fixmatch" })];

/** Of random crops. */
const photoOptions = {
  crop: integer(undefined, {
    min: 4,
    max: 4096,
    doc: "side of the crops in pixels, which is what the network sees; not with --weak translate (default: as the recipe says)",
  }),
  cropScale: number(undefined, {
    min: 0.01,
    max: 1,
    doc: "least share of the picture's area in a random resized crop (default: the recipe's)",
  }),
  evalCrop: number(undefined, {
    min: 0.1,
    max: 1,
    doc: "share of the short side that evaluation keeps, from the middle (default: crop / short side, 0.875 at the least)",
  }),
  interpolation: choice(interpolations, undefined, { doc: "resampling of crops (default: the recipe's)" }),
  rotation: number(undefined, {
    min: 0,
    max: 180,
    doc: "largest random rotation in degrees, before the crop (default: the recipe's)",
  }),
  colorJitter: number(undefined, {
    min: 0,
    max: 1,
    doc: "random factors of brightness, contrast and saturation, 1 - value to 1 + value (default: the recipe's)",
  }),
  hueJitter: number(undefined, {
    min: 0,
    max: 0.5,
    doc: "random turn of the hue, share of the circle (default: the recipe's)",
  }),
  grayProbability: number(undefined, { min: 0, max: 1, doc: "share of weak views without color (default: 0)" }),
  blurProbability: number(undefined, {
    min: 0,
    max: 1,
    doc: "share of weak views with Gaussian blur, deviation 0.1 to 2 pixels at 224 (default: 0)",
  }),
} as const;

export const viewOptions = {
  weak: choice(weakNames, undefined, {
    doc: "weak view, see docs/augmentation.md: translation and mirror image, or random resized crops of larger pictures (default: the data set's, mostly translate)",
  }),
  ...photoOptions,
  translate: integer(undefined, {
    min: 0,
    max: 64,
    doc: "random translation of the weak view, pixels per axis (default: the data set's)",
  }),
  pad: choice(pads, "reflect", {
    doc: "what the translation brings in at the border: the picture mirrored at its edge, or gray 128, as both public codes of Meta Pseudo Labels do",
  }),
  flip: boolean(undefined, { doc: "random horizontal flip of the weak view (default: the data set's)" }),
  strong: choice(strongNames, undefined, {
    needs: strongView,
    doc: "strong view of the methods that have one, see docs/augmentation.md (default: the data set's)",
  }),
  labeledView: choice(["weak", "strong"], "weak", {
    doc: "view of labeled images, whatever the method's own: strong for the baselines with RandAugment, the ablations of Meta Pseudo Labels, fine-tuning",
  }),
  strongMagnitude: integer(undefined, {
    needs: strongView,
    min: 0,
    max: 20,
    doc: "magnitude of every operation of the strong view (default: as the recipe draws or fixes it)",
  }),
  strongExclude: text("", {
    needs: strongView,
    doc: "operations left out of the strong view, separated by commas, for instance rotate,translateX",
  }),
  strongNoise: number(0.1, {
    needs: [...strongView, need("strong", "jitter")],
    min: 0,
    doc: "standard deviation of the strong view `jitter`, in units of the normalized input",
  }),
} as const;

export type ViewOptions = OptionsOf<typeof viewOptions>;

/** What holds where a run says nothing: the data set's. */
export interface ViewDefaults {
  readonly weak?: WeakName;
  readonly strong?: StrongName;
  /** Pixels. */
  readonly translate: number;
  readonly flip: boolean;
}

/** The images that views are made of. */
export interface ViewedImages {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  /** Whether their pixels are 0..255, and not whitened or coordinates. */
  readonly bytes: boolean;
}

export interface ChosenViews {
  readonly weak: WeakName;
  readonly plan: WeakPlan;
  /** Side of the crops, where the weak view has any. */
  readonly crop: number | undefined;
  readonly translate: number;
  readonly flip: boolean;
  readonly pad: Pad;
  readonly strong: StrongOptions;
}

/** The views of a run. `views`: what its method reads, so that what cannot be made is refused at once. Throws UsageError. */
export function chooseViews(
  options: ViewOptions,
  defaults: ViewDefaults,
  images: ViewedImages,
  views: readonly Views[] = [],
): ChosenViews {
  const strong: StrongOptions = {
    name: options.strong ?? defaults.strong ?? "fixmatch",
    magnitude: options.strongMagnitude,
    exclude: options.strongExclude,
    noise: options.strongNoise,
  };
  checkStrong(views, strong, images);
  const weak = options.weak ?? defaults.weak ?? "translate";
  const { crop: side, ...changes } = pick(photoOptions, options);
  const plan = planWeak({ name: weak, side, ...changes }, images);
  const { translate = defaults.translate, flip = defaults.flip } = options;
  if (plan.kind === "photo" && translate !== defaults.translate) {
    throw new UsageError(`weak view "${weak}": has random crops, so --translate means nothing; leave it out`);
  }
  const { pad } = options;
  if (pad === "gray" && (plan.kind === "photo" || translate === 0)) {
    const why = plan.kind === "photo" ? `weak view "${weak}" has random crops` : "nothing is translated (translate 0)";
    throw new UsageError(`--pad gray has no effect in this run: ${why}. Leave it out`);
  }
  if (pad === "gray" && !images.bytes) {
    throw new UsageError(
      "--pad gray: is a level of 0..255, and here pixels are real numbers (as after --normalize zca or gcn-zca). Leave it out",
    );
  }
  if (pad === "gray" && images.channels !== 1 && images.channels !== 3)
    throw new UsageError(`--pad gray: expected images with 1 or 3 channels, got ${images.channels}. Leave it out`);
  return { weak, plan, crop: plan.kind === "photo" ? plan.side : undefined, translate, flip, pad, strong };
}
