/** Which images keep their label: a seeded draw of so many. Label files are read by `label-file.ts`. */
import { UsageError } from "../errors.js";
import type { Rng } from "../rng.js";

export const labelDraws = ["balanced", "random", "first"] as const;

/**
 * balanced: exactly count / K of each class, at random without replacement; random: any; first: the first ones in file
 * order, whatever their class. The rule moves results by whole points (methods.md 6, 41), so runs record it.
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
    throw new UsageError(`labels: asked for ${count}, but only ${known.length} training images have a label`);
  }
  if (rule === "first") return known.sort().subarray(0, count);
  if (rule === "random") return pick(known, count, rng).sort();
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

/** `count` different ones of `items`, at random; `items` is left as it is. */
function pick(items: Int32Array, count: number, rng: Rng): Int32Array {
  return rng.shuffle(items.slice()).subarray(0, count);
}
