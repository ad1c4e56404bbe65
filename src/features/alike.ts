/** Rows of features that are nearly the same, and rows that are like no other. */
import { call, linear, noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import { unitRows } from "./propagate.js";

export interface Pair {
  readonly first: number;
  readonly second: number;
  readonly similarity: number;
}

/** Rows a pass. */
const CHUNK = 256;
/** New pairs in memory before `keep` looks through them. */
const PILE = 1 << 18;

/**
 * Pairs first < second of `rows` (`[N, size]`, each of length 1 or all 0; N below 2^26) whose cosine is `least` or more, or that of one with the
 * other of `turned` (other versions of the same rows, say mirrored). The most similar first. `keep`: what stays of pairs in that order, where
 * not all are needed: n rows that are all alike have n (n - 1) / 2. A pair may come to it several times, the most similar first.
 */
export function alikePairs(
  rows: Float32Array,
  size: number,
  least: number,
  turned: readonly Float32Array[] = [],
  keep: (pairs: readonly Pair[]) => Pair[] = eachOnce,
): Pair[] {
  const n = rows.length / size;
  let pairs: Pair[] = [];
  let limit = PILE;
  const sift = () => {
    pairs = keep(pairs.sort(bySimilarity));
    limit = pairs.length + PILE;
  };
  for (const other of [rows, ...turned]) {
    eachChunk(rows, other, size, (similarity, from) => {
      const found = call("aten::nonzero", "", similarity.ge(least)) as Tensor;
      const places = found.toNumbers();
      if (places.length === 0) return;
      const all = similarity.toArray();
      for (let at = 0; at < places.length; at += 2) {
        const [i, j] = [from + places[at]!, places[at + 1]!];
        if (i === j) continue;
        const value = Number(all[places[at]! * n + j]);
        pairs.push({ first: Math.min(i, j), second: Math.max(i, j), similarity: value });
        if (pairs.length >= limit) sift();
      }
    });
  }
  sift();
  return pairs;
}

/** The most similar first, then by place. */
export function bySimilarity(a: Pair, b: Pair): number {
  return b.similarity - a.similarity || a.first - b.first || a.second - b.second;
}

function eachOnce(pairs: readonly Pair[]): Pair[] {
  const seen = new Set<number>();
  return pairs.filter(({ first, second }) => {
    const key = first * 2 ** 26 + second;
    return !seen.has(key) && seen.add(key);
  });
}

/**
 * `[N]`: 1 less the mean cosine to the `neighbors` nearest other rows, after the mean of all rows is taken away: 0 is amid its like, 1 is
 * alone.
 */
export function loneliness(features: Float32Array, size: number, neighbors = 10): Float64Array {
  const n = features.length / size;
  const mean = new Float64Array(size);
  for (const [at, v] of features.entries()) mean[at % size]! += v / n;
  const rows = unitRows(
    features.map((v, at) => v - mean[at % size]!),
    size,
  );
  const out = new Float64Array(n);
  const k = Math.min(neighbors, n - 1);
  if (k < 1) return out;
  eachChunk(rows, rows, size, (similarity, from, count) => {
    const [near, places] = call("aten::topk", "", similarity, k + 1, 1, true, true) as [Tensor, Tensor];
    const [values, index] = [near.toNumbers(), places.toNumbers()];
    for (let row = 0; row < count; row++) {
      let [sum, taken] = [0, 0];
      for (let at = row * (k + 1); at < (row + 1) * (k + 1) && taken < k; at++) {
        if (index[at] === from + row) continue;
        sum += values[at]!;
        taken++;
      }
      out[from + row] = 1 - sum / k;
    }
  });
  return out;
}

/** Rows whose value lies above the upper quartile by more than three times the distance of the quartiles (Tukey's far out), the largest first. */
export function farOut(values: Float64Array): number[] {
  const sorted = values.toSorted();
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
  const limit = at(0.75) + 3 * (at(0.75) - at(0.25));
  return [...values.keys()].filter((i) => values[i]! > limit).sort((a, b) => values[b]! - values[a]!);
}

/** Cosines `[count, N]` of some rows of `a` with all of `b`. */
function eachChunk(
  a: Float32Array,
  b: Float32Array,
  size: number,
  use: (similarity: Tensor, from: number, count: number) => void,
): void {
  const [n, m] = [a.length / size, b.length / size];
  noGrad(() =>
    scope(() => {
      const all = tensor(b, [m, size]);
      for (let from = 0; from < n; from += CHUNK) {
        const count = Math.min(CHUNK, n - from);
        scope(() => {
          // Three dimensions: the quick way of `linear`.
          const x = tensor(a.slice(from * size, (from + count) * size), [1, count, size]);
          use(linear(x, all).reshape([count, m]).contiguous(), from, count);
        });
      }
    }),
  );
}
