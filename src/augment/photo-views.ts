/** Views of pictures that are larger than what the network sees: from draws to tensors. */

import {
  type AugmentRules,
  addGaussianNoise,
  augmentImages,
  gatherImages,
  type ImageProgram,
  type Tensor,
} from "../torch/index.js";
import { cropProgram, drawPhoto, joinPrograms, type PhotoDraws, type PhotoPlan, photoProgram } from "./photo.js";
import { augmentRules, drawProgram, type StrongPlan } from "./strong.js";
import { type Role, shareFlips, type ViewMaker, type ViewSource } from "./view-plan.js";

/** Rotation brings in black, as in the published code. */
const weakRules = (channels: number): AugmentRules => ({
  padBefore: "reflect",
  padAfter: "reflect",
  fill: new Array<number>(channels).fill(0),
  color: new Array<number>(channels).fill(0),
  fillIsHole: false,
  hole: undefined,
});

/** Carries a program out that ends at `side` x `side`; `rules` default to those of weak views. */
function carryOut(
  { images, scaling }: ViewSource,
  side: number,
  index: Int32Array,
  program: ImageProgram,
  rules: AugmentRules = weakRules(images.size(1)),
): Tensor {
  return augmentImages(images, index, { before: undefined, program, after: undefined }, rules, scaling, [side, side]);
}

/** The images `index` as evaluation sees them, normalized: `[N, C, H, W]` float32, on the CPU or (from `onCard`) the GPU. */
export function evaluationImages(source: ViewSource, index: Int32Array): Tensor {
  const { evaluation: view, images, onCard = images } = source;
  if (view === undefined) return gatherImages(onCard, index, undefined, source.scaling);
  return carryOut(source, view.side, index, cropProgram(view, index.length));
}

/**
 * All views at `plan.side`. A role without translation (`translate: 0`) has the crop of evaluation and is mirrored at most. Strong
 * views have a crop and mirror image of their own before the operations, and none after; `gmpl` begins with the first weak view.
 */
export function planPhotoViews(
  source: ViewSource,
  roles: readonly Role[],
  plan: PhotoPlan,
  strong: StrongPlan,
): ViewMaker {
  const { images } = source;
  const canvas = { width: images.size(3), height: images.size(2) };
  const { side, evaluation } = plan;
  const moving = roles.filter(({ augment }) => augment !== "none");
  const draw = ({ rng, options, spread }: Role, step: number, rows: number) =>
    drawPhoto(plan, rng, step, rows, canvas, options.flip, spread);
  type Draws = ReadonlyMap<string, PhotoDraws>;

  const programOf = (role: Role, draws: PhotoDraws, withColors: boolean): ImageProgram =>
    role.still ? cropProgram(evaluation, draws.flip.length, draws.flip) : photoProgram(draws, plan, canvas, withColors);
  const weakOf = (role: Role, index: Int32Array, draws: Draws) =>
    carryOut(source, side, index, programOf(role, draws.get(role.name)!, true));

  const viewOf = (role: Role, index: Int32Array, step: number, draws: Draws): Tensor => {
    if (role.augment === "none") return evaluationImages(source, index);
    if (role.augment !== "strong" || strong.kind === "weak") return weakOf(role, index, draws);
    if (strong.kind === "jitter") {
      return addGaussianNoise(weakOf(role, index, draws), strong.noise, role.rng.split(`jitter:${step}`), role.spread);
    }
    const rows = index.length;
    const { recipe } = strong;
    const first = roles.find(({ augment }) => augment === "weak");
    const shared = recipe.crop === "weak-and-after" && first !== undefined ? first : role;
    const before = programOf(shared, draws.get(shared.name)!, shared !== role);
    const operations = drawProgram(
      strong,
      role.rng,
      step,
      rows,
      { width: side, height: side, photo: true },
      role.spread,
    );
    const rules = augmentRules(recipe, images.size(1));
    return carryOut(source, side, index, joinPrograms(before, operations, rows), rules);
  };
  return (index, step) => {
    const own = new Map(moving.map((role) => [role.name, draw(role, step, index.length)]));
    const draws = shareFlips(moving, own, index.length);
    return Object.fromEntries(roles.map((role) => [role.name, viewOf(role, index, step, draws)]));
  };
}
