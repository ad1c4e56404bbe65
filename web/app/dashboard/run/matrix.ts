/** Arithmetic of confusion matrices, `[true class][predicted class]`. */

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

/** Percent of each true class's images taken for another; NaN where it has none. */
export function rowErrors(counts: Counts): { readonly error: number; readonly n: number }[] {
  return counts.map((line, i) => {
    const n = sum(line);
    return { error: (100 * (n - line[i]!)) / n, n };
  });
}
