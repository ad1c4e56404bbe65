/** Convolutions at stride 1 for tests: pictures and weights, their results with gradients, and how far two results are apart. */
import { Rng } from "../../src/rng.js";
import { callTensor, type DType, normal, type Tensor } from "../../src/torch/index.js";

export interface Convolution {
  readonly count: number;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly outputs: number;
  readonly padding: number;
  /** Default 3. */
  readonly kernel?: number;
}
export const rng = Rng.fromSeed(5);
export const inputs = ({ count, channels, height, width, outputs, kernel = 3 }: Convolution) => ({
  x: normal([count, channels, height, width], 0, 1, rng).contiguous("channelsLast"),
  weight: normal([outputs, channels, kernel, kernel], 0, 1, rng),
});
/** libtorch's. */
export const plain = (x: Tensor, weight: Tensor, padding: number) =>
  callTensor("aten::conv2d", "", x, weight, undefined, [1, 1], [padding, padding], [1, 1], 1);

/** y, and the gradients of x and weight for a gradient of y that is no constant. */
export function results(
  f: (x: Tensor, weight: Tensor) => Tensor,
  given: { x: Tensor; weight: Tensor },
  dtype: DType = "float32",
) {
  const [x, weight] = [given.x, given.weight].map((t) => t.detach().to(dtype).clone().requiresGrad_());
  const y = f(x!, weight!);
  y.mul(y.detach().add(0.5)).sum().backward();
  return [y, x!.grad!, weight!.grad!].map((t) => t.toNumbers());
}
export const largest = (values: readonly number[]) => values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
/** The largest difference as a share of the largest value. */
export const apart = (a: readonly number[], b: readonly number[]) => largest(a.map((v, i) => v - b[i]!)) / largest(b);
