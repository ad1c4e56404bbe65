/** A map of features: pictures that are alike lie near each other. */
import { call, noGrad, scope, type Tensor, tensor } from "../../torch/index.js";

/**
 * `unit` `[N, size]`, rows of mean 0 together -> `[N, 2]` in 0 .. 1: the two directions in which the rows vary most (principal components), each
 * axis by rank, so that no corner is crowded and none is empty.
 */
export function mapOf(unit: Float32Array, size: number): Float32Array {
  const n = unit.length / size;
  if (n === 0) return new Float32Array(0);
  const places = noGrad(() =>
    scope(() => {
      const x = tensor(unit, [n, size]);
      const covariance = x.transpose(0, 1).matmul(x).div(n).to("float64");
      const [, vectors] = call("aten::linalg_eigh", "", covariance, "L") as [Tensor, Tensor];
      const two = vectors.narrow(1, Math.max(0, size - 2), Math.min(2, size)).float();
      return x.matmul(two).toArray() as Float32Array;
    }),
  );
  const axes = places.length / n;
  const out = new Float32Array(2 * n);
  for (let axis = 0; axis < axes; axis++) {
    const order = [...Array(n).keys()].sort((a, b) => places[a * axes + axis]! - places[b * axes + axis]! || a - b);
    for (const [rank, row] of order.entries()) out[2 * row + 1 - axis] = n === 1 ? 0.5 : rank / (n - 1);
  }
  return out;
}
