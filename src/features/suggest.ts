/**
 * Which pictures to label next: first the middle of every group of features that has no label yet, later the least certain picture of
 * each group.
 *
 * @see Hacohen et al., arXiv:2202.02794 (typical pictures of uncovered clusters first); Gupte et al., arXiv:2401.14555 (uncertainty inside
 * clusters)
 */
import type { Rng } from "../rng.js";
import { call, noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import { type Examples, fitLogistic } from "./logistic.js";
import { unitRows } from "./propagate.js";

/** Labels of a class, on average, from which on uncertainty counts. */
const ENOUGH = 4;
/** Pictures with a larger cosine are the same picture twice. */
const SAME = 0.999;
const ITERATIONS = 20;

/**
 * Rows of `features` (`[N, size]`) that should get a label, the most useful first: `count`, or fewer where there are no more that differ.
 * `y`: the class of each row, -1 where there is none.
 */
export function suggest(
  { features, size, y, numClasses }: Examples,
  count: number,
  rng: Rng,
): { readonly rows: number[]; readonly by: "typical" | "uncertain" } {
  const rows = unitRows(features, size);
  const known = [...y.keys()].filter((i) => y[i]! >= 0);
  const open = [...y.keys()].filter((i) => y[i]! < 0);
  const by = numClasses > 1 && known.length >= ENOUGH * numClasses ? "uncertain" : "typical";
  const among = by === "typical" ? [...known, ...open] : open;
  const wanted = Math.min(open.length, count);
  if (wanted === 0) return { rows: [], by };
  const groups = cluster(pick(rows, size, among), size, by === "typical" ? known.length + wanted : wanted, rng);
  const margins = by === "typical" ? undefined : marginsOf({ features, size, y, numClasses }, known, open);
  const clusters = new Map<number, { readonly rows: { row: number; score: number }[]; labeled: number }>();
  for (const [at, row] of among.entries()) {
    const group = clusters.get(groups.of[at]!) ?? { rows: [], labeled: 0 };
    clusters.set(groups.of[at]!, group);
    if (y[row]! >= 0) group.labeled++;
    else group.rows.push({ row, score: margins ? -margins.get(row)! : groups.similarity[at]! });
  }
  // Groups without a label first, of these the largest, or those with the least certain picture; then again the next of each.
  for (const group of clusters.values()) group.rows.sort((a, b) => b.score - a.score || a.row - b.row);
  const most = (group: { readonly rows: readonly { readonly score: number }[] }) =>
    margins ? (group.rows[0]?.score ?? -1) : group.rows.length;
  const queue = [...clusters.values()].sort((a, b) => a.labeled - b.labeled || most(b) - most(a));
  const taken: number[] = [];
  const isNew = (row: number) => [...known, ...taken].every((other) => cosine(rows, size, row, other) < SAME);
  for (let turn = 0; taken.length < count && queue.some((group) => group.rows.length > turn); turn++) {
    for (const group of queue) {
      const next = group.rows[turn];
      if (next && taken.length < count && isNew(next.row)) taken.push(next.row);
    }
  }
  return { rows: taken, by };
}

/** Difference of the two largest probabilities of a logistic regression on the labeled rows. */
function marginsOf(examples: Examples, known: readonly number[], open: readonly number[]): Map<number, number> {
  const { features, size, y, numClasses } = examples;
  const labeled = { features: pick(features, size, known), size, y: Int32Array.from(known, (i) => y[i]!), numClasses };
  const { weight, bias } = fitLogistic(labeled, 1e-2);
  return new Map(
    open.map((row) => {
      const z = Array.from(bias, (b, k) => {
        let sum = b;
        for (let d = 0; d < size; d++) sum += weight[k * size + d]! * features[row * size + d]!;
        return sum;
      });
      const top = Math.max(...z);
      const p = z.map((v) => Math.exp(v - top));
      const sum = p.reduce((a, b) => a + b, 0);
      const [first = 0, second = 0] = p.sort((a, b) => b - a);
      return [row, (first - second) / sum];
    }),
  );
}

/** k-means by cosine from k-means++; rows have length 1. */
function cluster(rows: Float32Array, size: number, k: number, rng: Rng) {
  const n = rows.length / size;
  return noGrad(() =>
    scope(() => {
      const all = tensor(rows, [n, size]);
      let centers = firstCenters(all, rows, size, Math.min(k, n), rng);
      let found = nearest(all, centers, size);
      for (let i = 0; i < ITERATIONS; i++) {
        const sums = new Float32Array(centers.length);
        for (let row = 0; row < n; row++) {
          for (let d = 0; d < size; d++) sums[found.of[row]! * size + d]! += rows[row * size + d]!;
        }
        centers = unitRows(sums, size);
        const next = nearest(all, centers, size);
        const same = next.of.every((group, row) => group === found.of[row]);
        found = next;
        if (same) break;
      }
      return found;
    }),
  );
}

function firstCenters(all: Tensor, rows: Float32Array, size: number, k: number, rng: Rng): Float32Array {
  const n = rows.length / size;
  const centers = new Float32Array(k * size);
  const distance = new Float64Array(n).fill(Number.POSITIVE_INFINITY);
  let chosen = rng.integer(n);
  for (let c = 0; c < k; c++) {
    const center = rows.slice(chosen * size, (chosen + 1) * size);
    centers.set(center, c * size);
    const { similarity } = nearest(all, center, size);
    let sum = 0;
    for (let i = 0; i < n; i++) {
      distance[i] = Math.min(distance[i]!, Math.max(0, 1 - similarity[i]!));
      sum += distance[i]!;
    }
    let left = rng.float() * sum - distance[0]!;
    for (chosen = 0; left > 0 && chosen < n - 1; left -= distance[chosen]!) chosen++;
  }
  return centers;
}

/** The center with the largest cosine, and that cosine, of each row of `all` (`[n, size]`). */
function nearest(all: Tensor, centers: Float32Array, size: number) {
  return scope(() => {
    const k = centers.length / size;
    const similarity = all.matmul(tensor(centers, [k, size]).transpose(0, 1));
    const [top, index] = call("aten::max", "dim", similarity, 1, false) as [Tensor, Tensor];
    return { of: Int32Array.from(index.toNumbers()), similarity: Float64Array.from(top.toNumbers()) };
  });
}

function cosine(rows: Float32Array, size: number, a: number, b: number): number {
  let sum = 0;
  for (let d = 0; d < size; d++) sum += rows[a * size + d]! * rows[b * size + d]!;
  return sum;
}

function pick(rows: Float32Array, size: number, places: readonly number[]): Float32Array {
  const out = new Float32Array(places.length * size);
  for (const [to, from] of places.entries()) out.set(rows.subarray(from * size, (from + 1) * size), to * size);
  return out;
}
