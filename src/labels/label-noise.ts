/** Wrong labels on purpose: the experiment of Laine & Aila, arXiv:1610.02242, Section 3.4. */
import { UsageError } from "../errors.js";
import type { Rng } from "../rng.js";
import type { Split } from "./split.js";

export interface NoisyLabels {
  /** `[count]`: as `Split.y`, with some labels replaced. */
  readonly y: Int32Array;
  /** Labels drawn anew: floor(M percent / 100). */
  readonly redrawn: number;
  /** Those of them that are another class now: about (1 - 1/K) of them, as a draw may hit the same class. */
  readonly changed: number;
}

/**
 * Gives floor(M percent / 100) of the M labeled images, chosen at random, a class drawn uniformly from all K. A larger
 * percentage of the same seed redraws the same images and more. Validation and test labels are not touched. Throws
 * UsageError where `percent` is not in 0 .. 100.
 */
export function redrawLabels(
  { labeled, y }: Pick<Split, "labeled" | "y">,
  percent: number,
  numClasses: number,
  rng: Rng,
): NoisyLabels {
  if (!(percent >= 0 && percent <= 100)) {
    throw new UsageError(`label noise: expected a percentage in 0..100, got ${percent}`);
  }
  const noisy = y.slice();
  // 1000 x 32.3 / 100 is 322.99999999999994.
  const redrawn = Math.floor((labeled.length * percent) / 100 + 1e-6);
  let changed = 0;
  for (const image of rng.split("images").shuffle(labeled.slice()).subarray(0, redrawn)) {
    const label = rng.split(`class:${image}`).integer(numClasses);
    if (label !== y[image]) changed++;
    noisy[image] = label;
  }
  return { y: noisy, redrawn, changed };
}
