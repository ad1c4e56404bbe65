/**
 * Label propagation over the neighbors of features.
 *
 * @see Zhou et al., Learning with Local and Global Consistency (NIPS 2003); Iscen et al., arXiv:1904.04717, sections 3.2 to 3.4
 */
import { call, noGrad, scope, type Tensor, tensor } from "../torch/index.js";

/** A sparse symmetric matrix: of row i the entries `begin[i]` .. `begin[i + 1]`. */
export interface Graph {
  readonly begin: Int32Array;
  readonly column: Int32Array;
  readonly value: Float64Array;
}

/** Rows a pass of the search for neighbors. */
const CHUNK = 512;

/** Each row divided by its length. */
export function unitRows(features: Float32Array, size: number): Float32Array {
  const out = features.slice();
  for (let at = 0; at < out.length; at += size) {
    let squares = 0;
    for (let d = 0; d < size; d++) squares += out[at + d]! ** 2;
    const length = Math.sqrt(squares) || 1;
    for (let d = 0; d < size; d++) out[at + d]! /= length;
  }
  return out;
}

/**
 * D^-1/2 W D^-1/2 with W = A + A', where a_ij = max(0, cos(i, j))^gamma for the k nearest neighbors j of i, and D the sums of W's rows
 * (Iscen et al., eq. 9 and 10). `rows` have length 1.
 */
export function neighborGraph(rows: Float32Array, size: number, neighbors: number, gamma: number): Graph {
  const n = rows.length / size;
  const k = Math.min(neighbors, n - 1);
  const entries: Map<number, number>[] = Array.from({ length: n }, () => new Map());
  noGrad(() =>
    scope(() => {
      const x = tensor(rows, [n, size]);
      const turned = x.transpose(0, 1);
      for (let from = 0; from < n; from += CHUNK) {
        const count = Math.min(CHUNK, n - from);
        const [near, places] = scope(() => {
          // One more than wanted: the row itself is among them.
          const found = call("aten::topk", "", x.narrow(0, from, count).matmul(turned), k + 1, 1, true, true);
          const [similarity, index] = found as [Tensor, Tensor];
          return [similarity.toNumbers(), index.toNumbers()];
        });
        for (let row = 0; row < count; row++) {
          const i = from + row;
          let taken = 0;
          for (let at = row * (k + 1); at < (row + 1) * (k + 1) && taken < k; at++) {
            const j = places[at]!;
            if (j === i) continue;
            taken++;
            const weight = Math.max(0, near[at]!) ** gamma;
            if (weight === 0) continue;
            entries[i]!.set(j, (entries[i]!.get(j) ?? 0) + weight);
            entries[j]!.set(i, (entries[j]!.get(i) ?? 0) + weight);
          }
        }
      }
    }),
  );
  const degree = entries.map((row) => [...row.values()].reduce((a, b) => a + b, 0));
  const begin = new Int32Array(n + 1);
  for (const [i, row] of entries.entries()) begin[i + 1] = begin[i]! + row.size;
  const [column, value] = [new Int32Array(begin[n]!), new Float64Array(begin[n]!)];
  for (const [i, row] of entries.entries()) {
    let at = begin[i]!;
    for (const [j, weight] of row) {
      column[at] = j;
      value[at++] = weight / Math.sqrt(degree[i]! * degree[j]!);
    }
  }
  return { begin, column, value };
}

function multiply({ begin, column, value }: Graph, v: Float64Array): Float64Array {
  const out = new Float64Array(v.length);
  for (let i = 0; i < v.length; i++) {
    let sum = 0;
    for (let at = begin[i]!; at < begin[i + 1]!; at++) sum += value[at]! * v[column[at]!]!;
    out[i] = sum;
  }
  return out;
}

/** Solves (I - alpha S) z = b by conjugate gradients, to a residual of 1e-6 of b's length or in 200 steps. */
export function diffuse(graph: Graph, b: Float64Array, alpha: number): Float64Array {
  const dot = (p: Float64Array, q: Float64Array) => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  const z = new Float64Array(b.length);
  const r = b.slice();
  const p = b.slice();
  let rr = dot(r, r);
  const enough = 1e-12 * rr;
  for (let iteration = 0; iteration < 200 && rr > enough; iteration++) {
    const sp = multiply(graph, p);
    const ap = p.map((v, i) => v - alpha * sp[i]!);
    const step = rr / dot(p, ap);
    for (let i = 0; i < z.length; i++) {
      z[i]! += step * p[i]!;
      r[i]! -= step * ap[i]!;
    }
    const next = dot(r, r);
    for (let i = 0; i < p.length; i++) p[i] = r[i]! + (next / rr) * p[i]!;
    rr = next;
  }
  return z;
}

export interface Propagated {
  /** `[N]`: the class of each row. */
  readonly classes: Int32Array;
  /** `[N]`, in 0 .. 1: 1 - H(z) / log K, how sure it is; 0 where no label reaches. */
  readonly certainty: Float32Array;
}

/** Spreads the labels y (-1: none) over the graph. */
export function propagate(graph: Graph, y: Int32Array, numClasses: number, alpha: number): Propagated {
  const n = y.length;
  const columns = Array.from({ length: numClasses }, (_, k) =>
    diffuse(
      graph,
      Float64Array.from(y, (v) => (v === k ? 1 : 0)),
      alpha,
    ),
  );
  const classes = new Int32Array(n);
  const certainty = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const z = columns.map((column) => Math.max(0, column[i]!));
    const sum = z.reduce((a, b) => a + b, 0);
    if (sum === 0) continue;
    let entropy = 0;
    for (const v of z) entropy -= v > 0 ? (v / sum) * Math.log(v / sum) : 0;
    classes[i] = z.indexOf(Math.max(...z));
    certainty[i] = Math.max(0, 1 - entropy / Math.log(numClasses));
  }
  return { classes, certainty };
}
