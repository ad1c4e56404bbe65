/**
 * Labels that are probably wrong, by confident learning: what a classifier that has not seen a picture says of it, against its label.
 *
 * @see Northcutt, Jiang, Chuang: Confident Learning, JAIR 70 (2021), arXiv:1911.00068; equations 1 and 2 (thresholds, confident joint), 3
 * (its calibration), Section 3.2.2, method 4 (prune by noise rate)
 */

export interface Judged {
  /** `[N, K]`, row by row: probabilities by a classifier that was fitted without the row. */
  readonly probabilities: Float64Array;
  /** `[N]`: the given labels, in 0 .. K - 1. */
  readonly y: Int32Array;
  readonly numClasses: number;
}

export interface Doubt {
  readonly row: number;
  /** The class it probably has. */
  readonly suggested: number;
  /** p of that class less p of its label, in 0 .. 1. */
  readonly margin: number;
}

export interface LabelErrors {
  /** The surest first. */
  readonly doubts: readonly Doubt[];
  /** `[K, K]`: share of all examples with given label i (row) and true label j; adds up to 1. */
  readonly joint: Float64Array;
  /** `[K]`: t_j, the mean p_j of the examples labeled j; NaN where none is. */
  readonly thresholds: Float64Array;
}

/**
 * t_j = mean of p_j over the examples labeled j; C_ij = examples labeled i whose largest p_l among those with p_l >= t_l is p_j; Q_ij = C_ij
 * scaled so that row i adds up to the share of label i. For every i != j the N Q_ij examples labeled i with the largest p_j - p_i are doubted,
 * of those whose most probable class is not their label. An example is listed once, with its largest margin.
 */
export function labelErrors({ probabilities, y, numClasses: K }: Judged): LabelErrors {
  const n = y.length;
  const counts = new Float64Array(K);
  const thresholds = new Float64Array(K);
  for (const [i, k] of y.entries()) {
    counts[k]!++;
    thresholds[k]! += probabilities[i * K + k]!;
  }
  for (let k = 0; k < K; k++) thresholds[k]! /= counts[k]!; // 0 / 0 is NaN: no p reaches it
  const joint = new Float64Array(K * K);
  for (const [i, k] of y.entries()) {
    let best = -1;
    for (let j = 0; j < K; j++) {
      const p = probabilities[i * K + j]!;
      if (p >= thresholds[j]! && (best < 0 || p > probabilities[i * K + best]!)) best = j;
    }
    if (best >= 0) joint[k * K + best]!++;
  }
  for (let i = 0; i < K; i++) {
    const row = joint.subarray(i * K, (i + 1) * K);
    const sum = row.reduce((a, b) => a + b, 0);
    // No confident example: the labels are taken to be right.
    if (sum === 0) row[i] = counts[i]! / n;
    else for (let j = 0; j < K; j++) row[j]! *= counts[i]! / sum / n;
  }
  const found = new Map<number, Doubt>();
  for (let i = 0; i < K; i++) {
    const own = [...y.keys()].filter((row) => y[row] === i);
    for (let j = 0; j < K; j++) {
      const wanted = i === j ? 0 : Math.round(n * joint[i * K + j]!);
      if (wanted === 0) continue;
      const margin = (row: number) => probabilities[row * K + j]! - probabilities[row * K + i]!;
      const doubted = own.map((row) => ({ row, suggested: j, margin: margin(row) }));
      doubted.sort((a, b) => b.margin - a.margin || a.row - b.row);
      for (const doubt of doubted.slice(0, wanted)) {
        if (doubt.margin > 0 && doubt.margin > (found.get(doubt.row)?.margin ?? 0)) found.set(doubt.row, doubt);
      }
    }
  }
  const doubts = [...found.values()].sort((a, b) => b.margin - a.margin || a.row - b.row);
  return { doubts, joint, thresholds };
}
