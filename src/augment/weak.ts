/**
 * The weak augmentation: a translation by whole pixels and a mirror image. Here only the draws are made; the loader's
 * native kernel applies them while it gathers the batch. Stateless: a draw depends on the generator's key, the step and
 * the row alone, so resuming needs nothing saved.
 * @see methods.md 4.3
 */
import { philox, type Rng } from "../rng.js";
import { placeInBatch, type Spread, whole } from "../torch/index.js";

/** What translation brings in at the border: the picture mirrored at its edge, or gray 128. */
export const pads = ["reflect", "gray"] as const;
export type Pad = (typeof pads)[number];

/** One draw per row; see `gatherImages` for how they are applied. */
export interface WeakDraws {
  /** `[rows]`, uniform in -t .. t. */
  readonly dy: Int32Array;
  readonly dx: Int32Array;
  /** `[rows]`, 0 or 1. */
  readonly flip: Uint8Array;
}

export interface WeakOptions {
  /** Largest translation in pixels per axis, t; 0 switches it off. */
  readonly translate: number;
  /** Whether rows are mirrored with probability 1/2. */
  readonly flip: boolean;
  /** Whose rows they are: a row's draws are those of its place in the whole batch. Default: the whole batch's. */
  readonly spread?: Spread | undefined;
}

/**
 * Draws the weak view of `rows` rows at `step`. `rng` names the view (one generator per role and part); nothing is drawn
 * from it. Every row takes one Philox block, so switching the flip off leaves the translations as they were.
 */
export function drawWeak(
  rng: Pick<Rng, "key">,
  step: number,
  rows: number,
  { translate, flip, spread = whole }: WeakOptions,
): WeakDraws {
  const draws = { dy: new Int32Array(rows), dx: new Int32Array(rows), flip: new Uint8Array(rows) };
  const [k0, k1] = rng.key;
  const [low, high] = [step >>> 0, Math.floor(step / 2 ** 32) >>> 0];
  const choices = 2 * translate + 1;
  for (let row = 0; row < rows; row++) {
    const words = philox(k0, k1, placeInBatch(row, spread), low, high, 0xa09);
    draws.dy[row] = Math.floor((words[0]! / 2 ** 32) * choices) - translate;
    draws.dx[row] = Math.floor((words[1]! / 2 ** 32) * choices) - translate;
    draws.flip[row] = flip ? words[2]! >>> 31 : 0;
  }
  return draws;
}
