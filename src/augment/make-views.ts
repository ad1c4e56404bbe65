/** The views of one part of a batch: from what a method declared to tensors. */

import type { Views } from "../batch.js";
import { UsageError, unknownName } from "../errors.js";
import { addGaussianNoise, augmentImages, gatherImages, type Tensor, whole } from "../torch/index.js";
import { planPhotoViews } from "./photo-views.js";
import {
  augmentRules,
  drawProgram,
  planStrong,
  type RecipePlan,
  type StrongOptions,
  type StrongPlan,
} from "./strong.js";
import { type Role, shareFlips, sharesFlip, type ViewMaker, type ViewOptions, type ViewSource } from "./view-plan.js";
import { drawWeak, type Pad, type WeakDraws } from "./weak.js";

type Draws = ReadonlyMap<string, WeakDraws>;

/**
 * Throws UsageError if a view shares its flip with one that does not exist or itself shares, or if the strong view cannot be
 * made from such images.
 */
export function planViews(source: ViewSource, views: Views, part: string, options: ViewOptions): ViewMaker {
  const roles = Object.entries(views).map(
    ([name, spec]): Role => ({
      name,
      augment: spec.augment,
      still: spec.translate === 0,
      options:
        spec.augment === "none"
          ? { translate: 0, flip: false }
          : {
              translate: spec.translate ?? options.translate,
              flip: options.flip && spec.flip !== false,
              spread: options.spread,
            },
      rng: options.rng.split(`${part}.${name}`),
      spread: options.spread ?? whole,
      leader: spec.sameFlipAs,
    }),
  );
  checkLeaders(roles, part);
  const { images } = source;
  const pixels = { bytes: images.dtype === "uint8", channels: images.size(1) };
  const strong = checkStrong([views], options.strong ?? { name: "weak" }, pixels);
  if (source.photo) return planPhotoViews(source, roles, source.photo, strong);
  const crops = planCrops(roles);
  const makers = roles.map((role) => [role.name, makerOf(source, role, roles, strong, options.pad)] as const);
  return (index, step) => {
    const draws = crops(step, index.length);
    return Object.fromEntries(makers.map(([name, make]) => [name, make(index, step, draws)]));
  };
}

type Maker = (index: Int32Array, step: number, draws: Draws) => Tensor;

function makerOf(
  source: ViewSource,
  role: Role,
  roles: readonly Role[],
  strong: StrongPlan,
  pad: Pad | undefined,
): Maker {
  const { images, onCard = images } = source;
  const reflected: Maker = (index, _, draws) => gatherImages(onCard, index, draws.get(role.name), source.scaling);
  const weak = pad === "gray" && role.options.translate > 0 ? grayMaker(source, role) : reflected;
  if (role.augment !== "strong" || strong.kind === "weak") return weak;
  if (strong.kind === "recipe") return recipeMaker(source, role, roles, strong, pad);
  return (index, step, draws) =>
    addGaussianNoise(weak(index, step, draws), strong.noise, role.rng.split(`jitter:${step}`), role.spread);
}

/** The weak view with gray 128 where translation leaves the picture. */
function grayMaker({ images, scaling }: ViewSource, role: Role): Maker {
  const fill = new Array<number>(images.size(1)).fill(128);
  const rules = { padBefore: "fill", padAfter: "fill", fill, color: fill, fillIsHole: false, hole: undefined } as const;
  const program = { ops: new Int32Array(0), values: new Float64Array(0) };
  return (index, _, draws) =>
    augmentImages(images, index, { before: draws.get(role.name), program, after: undefined }, rules, scaling);
}

function recipeMaker(
  { images, scaling }: ViewSource,
  role: Role,
  roles: readonly Role[],
  plan: RecipePlan,
  pad: Pad | undefined,
): Maker {
  const [channels, height, width] = [images.size(1), images.size(2), images.size(3)];
  const rules = augmentRules(plan.recipe, channels, pad);
  // Google's strong view is made from the weak one: the first of the same rows, or one that nobody else sees.
  const weak = roles.find(({ augment }) => augment === "weak");
  const hidden = role.rng.split("weak");
  const shared = sharesFlip(role, roles);
  const first = (draws: Draws, step: number, rows: number) =>
    weak ? draws.get(weak.name) : drawWeak(hidden, step, rows, role.options);
  return (index, step, draws) => {
    const own = draws.get(role.name);
    const before = {
      before: () => own,
      after: () => undefined,
      "weak-and-after": () => {
        const start = first(draws, step, index.length);
        // A shared flip comes once, after: a second one would undo it.
        return shared && start ? { ...start, flip: new Uint8Array(index.length) } : start;
      },
    }[plan.recipe.crop]();
    const program = drawProgram(plan, role.rng, step, index.length, { width, height }, role.spread);
    const after = plan.recipe.crop === "before" ? undefined : own;
    return augmentImages(images, index, { before, program, after }, rules, scaling);
  };
}

/** Throws UsageError if the strong views among `views` cannot be made as `options` say from pixels of this kind. */
export function checkStrong(
  views: readonly Views[],
  options: StrongOptions,
  { bytes, channels }: { readonly bytes: boolean; readonly channels: number },
): StrongPlan {
  const plan = planStrong(options);
  const used = views.some((part) => Object.values(part).some(({ augment }) => augment === "strong"));
  if (plan.kind !== "recipe" || !used) return plan;
  const who = `strong view "${options.name}"`;
  if (!bytes) {
    throw new UsageError(
      `${who}: works on pixels of 0..255, and here they are real numbers (as after --normalize zca or gcn-zca). ` +
        `Use --normalize channel, image or none, or --strong jitter or weak`,
    );
  }
  if (channels !== 1 && channels !== 3) {
    throw new UsageError(`${who}: expected images with 1 or 3 channels, got ${channels}. Use --strong jitter or weak`);
  }
  return plan;
}

function checkLeaders(roles: readonly Role[], part: string): void {
  for (const { name, leader } of roles) {
    if (leader === undefined) continue;
    const other = roles.find((role) => role.name === leader);
    if (!other) {
      const names = roles.map((role) => role.name);
      throw new UsageError(unknownName(`view "${name}" of ${part} rows`, "role", leader, names));
    }
    if (other.leader !== undefined) {
      throw new UsageError(`view "${name}" of ${part} rows: shares its flip with "${leader}", which itself shares it`);
    }
  }
}

/** The crop and flip of every role at a step; a role that has none is missing. */
function planCrops(roles: readonly Role[]): (step: number, rows: number) => Draws {
  const active = roles.filter(({ options }) => options.translate > 0 || options.flip);
  return (step, rows) => {
    const drawn = new Map(active.map((role) => [role.name, drawWeak(role.rng, step, rows, role.options)]));
    return shareFlips(active, drawn, rows);
  };
}
