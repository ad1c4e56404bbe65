/** Losses as plain loops over float64 numbers, written from the papers' formulas: the second route in tests. */
import { Rng } from "../../src/rng.js";
import { type Tensor, tensor } from "../../src/torch/index.js";

export type Rows = readonly (readonly number[])[];

export function softmaxRow(z: readonly number[]): number[] {
  const top = Math.max(...z);
  const powers = z.map((x) => Math.exp(x - top));
  const total = powers.reduce((a, b) => a + b, 0);
  return powers.map((x) => x / total);
}

/** -sum_k q_k log p_k */
export function slowEntropy(q: readonly number[], p: readonly number[]): number {
  let total = 0;
  for (let k = 0; k < q.length; k++) if (q[k]! > 0) total -= q[k]! * Math.log(p[k]!);
  return total;
}

/** sum_k q_k (log q_k - log p_k) */
export function slowKl(q: readonly number[], p: readonly number[]): number {
  return slowEntropy(q, p) - slowEntropy(q, q);
}

/** (1 / K) sum_k (p_k - q_k)^2 */
export function slowMsq(p: readonly number[], q: readonly number[]): number {
  let total = 0;
  for (let k = 0; k < p.length; k++) total += (p[k]! - q[k]!) ** 2;
  return total / p.length;
}

/** Z KL(tau q + (1 - tau) / K || tau p + (1 - tau) / K) with Z = 2 / (K tau)^2 */
export function slowTau(p: readonly number[], q: readonly number[], tau: number): number {
  const k = p.length;
  const mix = (probs: readonly number[]) => probs.map((x) => tau * x + (1 - tau) / k);
  return (2 / (k * tau) ** 2) * slowKl(mix(q), mix(p));
}

/** (1 / divideBy) sum_i f(i) */
export function slowMean(rows: number, f: (row: number) => number, divideBy = rows): number {
  let total = 0;
  for (let i = 0; i < rows; i++) total += f(i);
  return rows === 0 ? 0 : total / divideBy;
}

/** n rows of k normal numbers, times `scale`. */
export function randomRows(seed: number, n: number, k: number, scale = 2): number[][] {
  const rng = Rng.fromSeed(seed);
  return Array.from({ length: n }, () => Array.from({ length: k }, () => scale * rng.normal()));
}

export function rowsTensor(rows: Rows, k = rows[0]?.length ?? 10, type: "float32" | "float64" = "float64"): Tensor {
  return tensor(Float64Array.from(rows.flat()), [rows.length, k], type);
}

export function labelsTensor(labels: readonly number[]): Tensor {
  return tensor(BigInt64Array.from(labels, BigInt), [labels.length]);
}
