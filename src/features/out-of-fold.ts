/** What a logistic regression says of examples that it was not fitted to. */
import type { Rng } from "../rng.js";
import { type Examples, fitLogistic, L2_PATH, type LinearHead, rowsOf } from "./logistic.js";

/** Weaker penalties fit the very errors that are looked for. */
const STRENGTHS = L2_PATH.filter((l2) => l2 >= 1e-3);

export interface OutOfFold {
  /** `[N, K]`, row by row. */
  readonly probabilities: Float64Array;
  /** The strength of the penalty that was chosen. */
  readonly l2: number;
  /** Percent of the examples whose most probable class is not their label. */
  readonly error: number;
}

/**
 * Folds of equal shares of every class; `groups[i]` (copies of one picture) stay together. The L2 strength is the one of `STRENGTHS` with the
 * lowest cross-entropy on the first fold; then each fold is judged by a fit of the others.
 */
export function outOfFold(examples: Examples, groups: Int32Array, folds: number, rng: Rng): OutOfFold {
  const { y, numClasses: K } = examples;
  const foldOf = foldsOf(y, groups, folds, rng);
  const places = (keep: (fold: number) => boolean) => [...y.keys()].filter((i) => keep(foldOf[i]!));
  const l2 = bestOnFirst(examples, places);
  const probabilities = new Float64Array(y.length * K);
  for (let fold = 0; fold < folds; fold++) {
    const held = places((of) => of === fold);
    const fitted = fitLogistic(
      rowsOf(
        examples,
        places((of) => of !== fold),
      ),
      l2,
    );
    for (const [at, p] of probabilitiesOf(fitted, rowsOf(examples, held)).entries())
      probabilities.set(p, held[at]! * K);
  }
  let wrong = 0;
  for (const [i, k] of y.entries()) {
    const own = probabilities.subarray(i * K, (i + 1) * K);
    if (own.indexOf(Math.max(...own)) !== k) wrong++;
  }
  return { probabilities, l2, error: (100 * wrong) / y.length };
}

/** `[N]`: groups dealt out class by class (of their first example), in an order drawn with `rng`. */
function foldsOf(y: Int32Array, groups: Int32Array, folds: number, rng: Rng): Int32Array {
  const classOf = new Map<number, number>();
  for (const [i, group] of groups.entries()) if (!classOf.has(group)) classOf.set(group, y[i]!);
  const foldOfGroup = new Map<number, number>();
  let next = 0; // goes on from class to class, so that folds are of one size also with few examples of each
  for (const k of new Set(y)) {
    const own = [...classOf].flatMap(([group, of]) => (of === k ? [group] : []));
    for (const group of rng.split(`class:${k}`).shuffle(Int32Array.from(own))) foldOfGroup.set(group, next++ % folds);
  }
  return Int32Array.from(groups, (group) => foldOfGroup.get(group)!);
}

function bestOnFirst(examples: Examples, places: (keep: (fold: number) => boolean) => number[]): number {
  const others = places((of) => of !== 0);
  const [fitted, held] = [
    rowsOf(examples, others),
    rowsOf(
      examples,
      places((of) => of === 0),
    ),
  ];
  let best: { l2: number; loss: number } = { l2: 1, loss: Number.POSITIVE_INFINITY };
  for (const l2 of STRENGTHS) {
    const loss = probabilitiesOf(fitLogistic(fitted, l2), held).reduce(
      (sum, p, i) => sum - Math.log(Math.max(1e-12, p[held.y[i]!]!)),
      0,
    );
    if (loss <= best.loss) best = { l2, loss };
  }
  return best.l2;
}

/** Of each example `[K]`. */
function probabilitiesOf({ weight, bias }: LinearHead, { features, size, y }: Examples): Float64Array[] {
  return Array.from(y, (_, i) => {
    const z = Float64Array.from(bias, (b, k) => {
      let sum = b;
      for (let d = 0; d < size; d++) sum += weight[k * size + d]! * features[i * size + d]!;
      return sum;
    });
    const top = Math.max(...z);
    const p = z.map((v) => Math.exp(v - top));
    const sum = p.reduce((a, b) => a + b, 0);
    return p.map((v) => v / sum);
  });
}
