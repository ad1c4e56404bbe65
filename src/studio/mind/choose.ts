/** Which pictures to ask about next: those whose label helps most, no two alike on one screen. */
import { suggest } from "../../features/suggest.js";
import type { Rng } from "../../rng.js";

export interface Pool {
  /** `[N, size]` */
  readonly features: Float32Array;
  /** The same less their mean, of length 1. */
  readonly unit: Float32Array;
  readonly size: number;
  readonly numClasses: number;
}

export interface Chosen {
  /** The most useful first. */
  readonly rows: number[];
  /** typical: the middle of each group of similar pictures; uncertain: the least certain of each group. */
  readonly by: "typical" | "uncertain";
}

/** Pictures shown together. */
export const SCREEN = 12;
/** Of more pictures than that, so many drawn at random are looked at for a choice: it takes seconds, and somebody waits. */
const MOST_OPEN = 2000;
/** From this cosine on two pictures look alike, the mean of all pictures taken away. */
const ALIKE = 0.95;

/**
 * `labels[i]` is the class of row i, -1 where it may be asked about, anything less where it may not. Gives `count` rows, or fewer where there
 * are no more. A picture that looks like another one of the `SCREEN` before it waits for a later screen.
 */
export function chooseNext(pool: Pool, labels: Int32Array, count: number, rng: Rng): Chosen {
  const { features, size, numClasses } = pool;
  const open = [...labels.keys()].filter((row) => labels[row] === -1);
  const looked = open.length > MOST_OPEN ? rng.split("looked").shuffle(open).slice(0, MOST_OPEN) : open;
  const used = [...[...labels.keys()].filter((row) => labels[row]! >= 0), ...looked].sort((a, b) => a - b);
  const part = new Float32Array(used.length * size);
  for (const [to, row] of used.entries()) part.set(features.subarray(row * size, (row + 1) * size), to * size);
  const y = Int32Array.from(used, (row) => labels[row]!);
  const { rows, by } = suggest({ features: part, size, y, numClasses }, count, rng);
  return {
    rows: apart(
      rows.map((at) => used[at]!),
      pool,
    ),
    by,
  };
}

/** The same rows; of look-alikes all but the first move back by a screen, as often as it takes while there are others. */
function apart(rows: readonly number[], { unit, size }: Pool): number[] {
  const out: number[] = [];
  let waiting = [...rows];
  while (waiting.length > 0) {
    const screen: number[] = [];
    const later: number[] = [];
    for (const row of waiting) {
      const fits = screen.length < SCREEN && screen.every((other) => cosine(unit, size, row, other) < ALIKE);
      (fits ? screen : later).push(row);
    }
    out.push(...screen);
    waiting = later;
  }
  return out;
}

function cosine(rows: Float32Array, size: number, a: number, b: number): number {
  let sum = 0;
  for (let d = 0; d < size; d++) sum += rows[a * size + d]! * rows[b * size + d]!;
  return sum;
}
