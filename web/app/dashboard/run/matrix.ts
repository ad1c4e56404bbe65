/** Arithmetic of confusion matrices, `[true class][predicted class]`. */

import { percent } from "../words.js";

type Counts = readonly (readonly number[])[];

const sum = (line: readonly number[]) => line.reduce((a, b) => a + b, 0);

/** Counts, or percent of each true class's images (0 where it has none); minus those of `others` where given. */
export function matrixOf(counts: Counts, others: Counts | undefined, asPercent: boolean): number[][] {
  const shown = (matrix: Counts) =>
    matrix.map((line) => line.map((count) => (asPercent ? (100 * count) / Math.max(1, sum(line)) : count)));
  const mine = shown(counts);
  if (!others) return mine;
  const theirs = shown(others);
  return mine.map((line, i) => line.map((value, k) => value - theirs[i]![k]!));
}

/** The two are matrices of the same classes in the same order. */
export function sameClasses(a: readonly string[], b: readonly string[] | undefined): boolean {
  return a.length === b?.length && a.every((name, k) => name === b[k]);
}

/** The error of a class and how far it is from another run's, in words; "-" where there are no images to tell. */
export function errorWords(error: number, before?: number): string {
  if (Number.isNaN(error)) return "-";
  if (before === undefined || Number.isNaN(before)) return percent(error);
  const change = error - before;
  return `${percent(error)} (${change > 0 ? "+" : ""}${change.toFixed(2)})`;
}

/** Percent of each true class's images taken for another; NaN where it has none. */
export function rowErrors(counts: Counts): { readonly error: number; readonly n: number }[] {
  return counts.map((line, i) => {
    const n = sum(line);
    return { error: (100 * (n - line[i]!)) / n, n };
  });
}
