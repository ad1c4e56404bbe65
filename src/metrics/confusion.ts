/** What follows from the confusion matrix: error, error by class, and whether nearly everything is taken for one class. */
import type { Confusion, CountMetric } from "./metric.js";

/** A matrix of zeros to count in. */
export function emptyConfusion(numClasses: number): number[][] {
  return Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0));
}

/** Images counted. */
export function countOf(confusion: Confusion): number {
  return confusion.flat().reduce((sum, count) => sum + count, 0);
}

/** Percentage of wrong top-1 classes over all images counted; NaN without images. */
export const error: CountMetric = {
  name: "error",
  of(confusion) {
    const n = countOf(confusion);
    const right = confusion.reduce((sum, row, k) => sum + row[k]!, 0);
    return n === 0 ? Number.NaN : (100 * (n - right)) / n;
  },
};

/** By true class: percentage of its images taken for another (NaN without images), and their number. */
export function errorByClass(confusion: Confusion): { readonly error: number; readonly n: number }[] {
  return confusion.map((row, k) => {
    const n = row.reduce((sum, count) => sum + count, 0);
    return { error: n === 0 ? Number.NaN : (100 * (n - row[k]!)) / n, n };
  });
}

/** The class that more than `share` of the images are taken for, if there is one: a sign of collapse. */
export function collapsedClass(confusion: Confusion, share = 0.9): number | undefined {
  const guesses = confusion.map((_, k) => confusion.reduce((sum, row) => sum + row[k]!, 0));
  const largest = guesses.indexOf(Math.max(...guesses));
  return guesses.length > 1 && guesses[largest]! > share * countOf(confusion) ? largest : undefined;
}
