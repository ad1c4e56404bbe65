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

/** Of the images of other classes this many are taken for the class of a network that has collapsed. */
const OTHERS_TAKEN = 0.5;

/**
 * The class that more than `share` of the images are taken for, if there is one: a sign of collapse. Where most images are of that class, a good
 * network says so too, and leaves the others to theirs.
 */
export function collapsedClass(confusion: Confusion, share = 0.9): number | undefined {
  const guesses = confusion.map((_, k) => confusion.reduce((sum, row) => sum + row[k]!, 0));
  const largest = guesses.indexOf(Math.max(...guesses));
  const own = confusion[largest]?.reduce((sum, count) => sum + count, 0) ?? 0;
  const [others, taken] = [countOf(confusion) - own, guesses[largest]! - (confusion[largest]?.[largest] ?? 0)];
  return guesses[largest]! > share * countOf(confusion) && taken > OTHERS_TAKEN * others ? largest : undefined;
}
