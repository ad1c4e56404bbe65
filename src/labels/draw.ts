/** Which images keep their label: a seeded draw of so many. Label files are read by `label-file.ts`. */
import { UsageError } from "../errors.js";
import type { Rng } from "../rng.js";

export const labelDraws = ["balanced", "proportional", "random", "first"] as const;

/**
 * balanced: exactly count / K of each class, at random without replacement; proportional: of each class in proportion to
 * its size, rounded so that the sum is right (largest remainders first); random: any; first: the first ones in file order,
 * whatever their class. The rule moves results by whole points (methods.md 6, 41), so runs record it.
 */
export type LabelDraw = (typeof labelDraws)[number];

/**
 * Draws `count` of the images `pool` (positions in `labels`; those without a label are passed over) and returns their
 * positions in ascending order. Throws UsageError if there are too few, or K does not divide `count` (balanced).
 */
export function drawLabels(
  labels: Int32Array,
  pool: Int32Array,
  count: number,
  classes: readonly string[],
  rule: LabelDraw,
  rng: Rng,
): Int32Array {
  if (!Number.isSafeInteger(count) || count < 1) throw new UsageError(`labels: expected at least 1, got ${count}`);
  const known = pool.filter((i) => labels[i]! >= 0);
  if (count > known.length) {
    throw new UsageError(
      `labels: asked for ${count}, but only ${known.length} training images have a label (those held out for validation are none of them). Ask for ${known.length} or fewer`,
    );
  }
  if (rule === "first") return known.sort().subarray(0, count);
  if (rule === "random") return pick(known, count, rng).sort();
  if (rule === "proportional") {
    const members = classes.map((_, k) => known.filter((i) => labels[i] === k));
    const shares = apportion(
      members.map((of) => of.length),
      count,
    );
    return Int32Array.from(members.flatMap((of, k) => [...pick(of, shares[k]!, rng.split(String(k)))])).sort();
  }
  const each = count / classes.length;
  if (!Number.isInteger(each)) {
    const below = Math.floor(each) * classes.length;
    const near = below > 0 ? `${below} or ${below + classes.length}` : `${classes.length}`;
    throw new UsageError(
      `labels: a balanced draw of ${count} labels does not divide evenly among ${classes.length} classes. Use ${near}, or the random draw`,
    );
  }
  const chosen = classes.map((name, k) => {
    const members = known.filter((i) => labels[i] === k);
    if (members.length < each) {
      throw new UsageError(
        `labels: ${count} balanced labels need ${each} of each class, but class "${name}" has ${members.length} images. Use at most ${members.length * classes.length}, or the random draw`,
      );
    }
    return pick(members, each, rng.split(String(k)));
  });
  return Int32Array.from(chosen.flatMap((part) => [...part])).sort();
}

/** Relative sizes of K classes, ratio^(-k / (K - 1)): class 0 has `ratio` times as many as class K - 1; below 1 the tail is in front. */
function tailWeights(classes: number, ratio: number): number[] {
  return Array.from({ length: classes }, (_, k) => (classes === 1 ? 1 : ratio ** (-k / (classes - 1))));
}

/**
 * How many each class keeps of the `available`: floor(n ratio^(-k / (K - 1))), with the largest n for which there are enough of every
 * class. From 5,000 each at ratio 100: 5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50, the usual long-tailed CIFAR-10.
 */
export function longTail(available: readonly number[], ratio: number): number[] {
  const weights = tailWeights(available.length, ratio);
  const n = Math.min(...available.map((size, k) => size / weights[k]!));
  // What is whole up to rounding errors stays whole.
  return weights.map((weight) => Math.floor(n * weight + 1e-6));
}

/**
 * Draws a long-tailed part of the images `pool`: as many of each class as `longTail` says, or (`count`) so many in all, shared out
 * in the same proportion, largest remainders first. Ascending positions. Throws UsageError where a class would be left with none,
 * or has too few.
 */
export function drawLongTail(
  labels: Int32Array,
  pool: Int32Array,
  count: number | "all",
  classes: readonly string[],
  ratio: number,
  rng: Rng,
  option: "imbalance" | "unlabeledImbalance" = "imbalance",
): Int32Array {
  const members = classes.map((_, k) => pool.filter((i) => labels[i] === k));
  const sizes = members.map((of) => of.length);
  const shares = count === "all" ? longTail(sizes, ratio) : apportion(tailWeights(classes.length, ratio), count);
  shares.forEach((share, k) => {
    const who = `${option} ${ratio}`;
    if (share === 0) {
      const way = count === "all" ? "" : " or more labels";
      throw new UsageError(`${who}: leaves class "${classes[k]}" without an image. Use a smaller ratio${way}`);
    }
    if (share > sizes[k]!) {
      throw new UsageError(
        `${who}: ${count} images need ${share} of class "${classes[k]}", which has ${sizes[k]}. Use fewer labels or a smaller ratio`,
      );
    }
  });
  return Int32Array.from(members.flatMap((of, k) => [...pick(of, shares[k]!, rng.split(String(k)))])).sort();
}

/** Whole numbers in proportion to `sizes` that add up to `count`: floors, then one more by largest remainder. */
function apportion(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  const exact = sizes.map((size) => (size * count) / total);
  const shares = exact.map(Math.floor);
  const byRemainder = exact.map((_, k) => k).sort((a, b) => exact[b]! - shares[b]! - (exact[a]! - shares[a]!) || a - b);
  const missing = count - shares.reduce((a, b) => a + b, 0);
  for (const k of byRemainder.slice(0, missing)) shares[k]!++;
  return shares;
}

/** `count` different ones of `items`, at random; `items` is left as it is. */
function pick(items: Int32Array, count: number, rng: Rng): Int32Array {
  return rng.shuffle(items.slice()).subarray(0, count);
}
