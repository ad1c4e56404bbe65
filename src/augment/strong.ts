/**
 * The strong view: which operations each row gets. As with the weak view (weak.ts) only the draws are made here, and they
 * depend on the generator's key, the step and the row alone.
 * @see methods.md 4.4
 */
import { badValue, UsageError, unknownName } from "../errors.js";
import { philox, type Rng } from "../rng.js";
import {
  type AugmentRules,
  IMAGE_OP_ARGUMENTS,
  type ImageProgram,
  placeInBatch,
  type Spread,
  whole,
} from "../torch/index.js";
import type { CtWeights, ProbedOp } from "./ct-augment.js";
import { type Canvas, encodeBox, encodeOp, type OpName, opNames, signedOps, writeInstruction } from "./ops.js";
import { type Recipe, recipeNames, recipes, type Strength } from "./recipes.js";
import type { Pad } from "./weak.js";

/** What `--strong` takes: `jitter` is the weak view plus Gaussian noise, `weak` the weak view and no more. */
export const strongNames = [...recipeNames, "jitter", "weak"] as const;
export type StrongName = (typeof strongNames)[number];

/** The strong view as a run asks for it. */
export interface StrongOptions {
  readonly name: StrongName;
  /** In place of the recipe's magnitude, for every operation. */
  readonly magnitude?: number | undefined;
  /** Names of operations left out, separated by commas. */
  readonly exclude?: string;
  /** Standard deviation of `jitter`, in units of the normalized input. */
  readonly noise?: number;
  /** What `ctaugment` has learned so far. Default: nothing, so every strength is equally likely. */
  readonly weights?: CtWeights;
  /** For `ctaugment`: every strength equally likely whatever it has learned, and no cutout at the end. */
  readonly probe?: boolean;
}

/** The strong view as the loader carries it out. */
export type StrongPlan = { readonly kind: "weak" } | { readonly kind: "jitter"; readonly noise: number } | RecipePlan;

export interface RecipePlan {
  readonly kind: "recipe";
  readonly recipe: Recipe;
  /** What is drawn from: the recipe's less those excluded. */
  readonly ops: readonly (readonly [OpName, Strength])[];
  readonly magnitude: Recipe["magnitude"];
  /** Where the recipe learns strengths, and no probe is asked for. */
  readonly weights: CtWeights | undefined;
  readonly probe: boolean;
}

/** Checks the options. Throws UsageError. */
export function planStrong({
  name,
  magnitude,
  exclude = "",
  noise = 0,
  weights,
  probe = false,
}: StrongOptions): StrongPlan {
  const recipe = recipes.find((one) => one.name === name);
  const excluded = excludedOps(exclude);
  if (magnitude !== undefined && recipe?.magnitude === undefined) {
    const having = recipes.filter((one) => one.magnitude).map((one) => one.name);
    throw new UsageError(
      `strong view "${name}": has no magnitude, so strongMagnitude ${magnitude} means nothing. Leave it out, or take one of ${having.join(", ")}`,
    );
  }
  if (recipe === undefined) {
    if (excluded.size === 0) return name === "jitter" ? { kind: "jitter", noise } : { kind: "weak" };
    throw new UsageError(`strong view "${name}": has no operations to leave out; remove strongExclude`);
  }
  const own = Object.keys(recipe.ops) as OpName[];
  if (excluded.size > 0 && !own.some((op) => excluded.has(op))) {
    const none = `strongExclude "${exclude}" leaves nothing out`;
    throw new UsageError(`strong view "${name}": ${none}. It has the operations ${own.join(", ")}`);
  }
  const largest = recipe.magnitude?.max ?? 0;
  if (magnitude !== undefined && !(Number.isInteger(magnitude) && magnitude >= 0 && magnitude <= largest)) {
    throw new UsageError(
      badValue(`strong view "${name}"`, "strongMagnitude", `a whole number in 0..${largest}`, magnitude),
    );
  }
  const ops = (Object.entries(recipe.ops) as [OpName, Strength][]).filter(([op]) => !excluded.has(op));
  if (ops.length === 0) throw new UsageError(`strong view "${name}": strongExclude leaves no operation. Take "weak"`);
  const fixed = magnitude === undefined ? recipe.magnitude : { from: magnitude, to: magnitude, max: largest };
  return { kind: "recipe", recipe, ops, magnitude: fixed, weights: probe ? undefined : weights, probe };
}

function excludedOps(list: string): ReadonlySet<string> {
  const names = list.split(",").map((name) => name.trim());
  const given = names.filter((name) => name !== "");
  for (const name of given) {
    if ((opNames as readonly string[]).includes(name)) continue;
    throw new UsageError(unknownName("strong view", "operation in strongExclude", name, opNames));
  }
  return new Set(given);
}

/** What the kernel must know about a recipe beside the draws. */
export function augmentRules(
  { pad, fill, color, fillIsHole, hole, crop }: Recipe,
  channels: number,
  weakPad: Pad = "reflect",
): AugmentRules {
  // A gray picture gets the color's luma (ITU-R 601).
  const gray = Math.round(0.299 * color[0] + 0.587 * color[1] + 0.114 * color[2]);
  return {
    padBefore: crop !== "weak-and-after" ? pad : weakPad === "gray" ? "fill" : "reflect",
    padAfter: pad,
    fill: new Array<number>(channels).fill(fill),
    color: channels === 1 ? [gray] : color,
    fillIsHole,
    hole: hole === "zero" ? undefined : 127.5,
  };
}

/** A random word as a number in [0, 1). */
const unit = (word: number) => word / 2 ** 32;

/** The random words of a row at a step; block 0 is the row's, two belong to each operation. */
function blocksOf(rng: Pick<Rng, "key">, step: number, row: number): (n: number) => Uint32Array {
  const [k0, k1] = rng.key;
  const [low, high] = [step >>> 0, Math.floor(step / 2 ** 32) >>> 0];
  return (n) => philox(k0, k1, row, low, high, 0x57a00 + n);
}

/** Operation `slot` of a row, and where in its range of strengths. */
function chooseOp({ ops, weights }: RecipePlan, first: Uint32Array, second: Uint32Array) {
  const [name, strength] = ops[Math.floor(unit(first[0]!) * ops.length)]!;
  const u = unit(first[3]!);
  return { name, strength, u: weights ? weights.level(name, u, unit(second[1]!)) : u };
}

/** What `drawProgram` draws for the rows of a probe. */
export function probedOps(plan: RecipePlan, rng: Pick<Rng, "key">, step: number, rows: number): ProbedOp[][] {
  return Array.from({ length: rows }, (_, row) => {
    const block = blocksOf(rng, step, row);
    return Array.from({ length: plan.recipe.count }, (_, slot) => {
      const { name, u } = chooseOp(plan, block(1 + 2 * slot), block(2 + 2 * slot));
      return { name, u };
    });
  });
}

/**
 * Draws the operations of `rows` rows at `step`: `count` of the recipe, then its final cutout. `rng` names the view;
 * nothing is drawn from it. `spread`: whose rows they are. `canvas.photo`: see `StrengthDraw`. A row takes one Philox block of its own and two for each operation, whichever it is.
 */
export function drawProgram(
  plan: RecipePlan,
  rng: Pick<Rng, "key">,
  step: number,
  rows: number,
  canvas: Canvas & { readonly photo?: boolean },
  spread: Spread = whole,
): ImageProgram {
  const { recipe, magnitude } = plan;
  const slots = recipe.count + 1;
  const { width, photo = false } = canvas;
  const program = {
    ops: new Int32Array(rows * slots),
    values: new Float64Array(rows * slots * IMAGE_OP_ARGUMENTS),
  };
  const { probability, interpolation, bothCorners, finalCutout } = recipe;
  const between = (u: number) => probability.from + (probability.to - probability.from) * u;
  for (let row = 0; row < rows; row++) {
    const block = blocksOf(rng, step, placeInBatch(row, spread));
    const common = block(0);
    for (let slot = 0; slot < recipe.count; slot++) {
      const first = block(1 + 2 * slot);
      const second = block(2 + 2 * slot);
      const p = between(unit(probability.per === "image" ? common[0]! : first[2]!));
      if (unit(first[1]!) >= p) continue;
      const { name, strength, u } = chooseOp(plan, first, second);
      const m = magnitude
        ? magnitude.from + Math.floor(unit(second[1]!) * (magnitude.to - magnitude.from + 1))
        : Number.NaN;
      const value = strength({ m, u, width, photo });
      const square = { side: value, at: [unit(second[2]!), unit(second[3]!)], bothCorners } as const;
      const signed = signedOps.has(name) && second[0]! >>> 31 === 0 ? -value : value;
      const instruction =
        name === "cutout" ? encodeBox(square, canvas, "box") : encodeOp(name, signed, canvas, interpolation);
      writeInstruction(program.ops, program.values, row * slots + slot, instruction);
    }
    const side = plan.probe ? 0 : finalCutout.side({ m: Number.NaN, u: unit(common[1]!), width, photo });
    const square = { side, at: [unit(common[2]!), unit(common[3]!)], bothCorners } as const;
    const last = encodeBox(square, canvas, finalCutout.as);
    writeInstruction(program.ops, program.values, row * slots + recipe.count, last);
  }
  return program;
}
