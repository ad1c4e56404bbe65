/** Convolutions at stride 1 for tests: pictures and weights, their results with gradients, and how far two results are apart. */
import { expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import { callTensor, type DType, noGrad, normal, scope, setThreads, type Tensor } from "../../src/torch/index.js";

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

/** What our own convolutions promise besides values. The first shape has at least 40 pictures; the caller puts the threads back. */
export function testPromises(
  convolve: (x: Tensor, weight: Tensor, padding: number) => Tensor,
  made: (shape: Convolution) => { x: Tensor; weight: Tensor },
  shapes: readonly [Convolution, ...Convolution[]],
): void {
  const [shape] = shapes;
  const ours = (x: Tensor, weight: Tensor) => convolve(x, weight, shape.padding);

  test.each(shapes)(
    "$count x $channels x $height x $width: the bits are the same for any number of threads",
    (some) => {
      scope(() => {
        const given = made(some);
        const f = (x: Tensor, w: Tensor) => convolve(x, w, some.padding);
        const once = results(f, given);
        setThreads(3);
        expect(results(f, given)).toEqual(once);
      });
    },
  );

  test("a picture's values do not depend on the batch around it", () => {
    scope(() => {
      const { x, weight } = made(shape);
      const all = noGrad(() => ours(x, weight));
      const one = noGrad(() => ours(x.narrow(0, 7, 1).contiguous("channelsLast"), weight));
      expect(one.toNumbers()).toEqual(all.narrow(0, 7, 1).toNumbers());
    });
  });

  test("NaN stays where it belongs", () => {
    scope(() => {
      const { x, weight } = made(shape);
      const y = noGrad(() => ours(x, weight));
      x.narrow(0, 7, 1).fill_(Number.NaN);
      const after = noGrad(() => ours(x, weight));
      expect(after.narrow(0, 7, 1).toNumbers().every(Number.isNaN)).toBe(true);
      expect(after.narrow(0, 8, 32).toNumbers()).toEqual(y.narrow(0, 8, 32).toNumbers());
    });
  });

  test("only the gradient that is asked for is made", () => {
    scope(() => {
      const { x, weight } = made(shape);
      const [frozen, free] = [weight.clone(), weight.clone().requiresGrad_()];
      const learned = x.clone().requiresGrad_();
      ours(learned, frozen).sum().backward();
      ours(x, free).sum().backward();
      expect(frozen.grad).toBeUndefined();
      expect(x.grad).toBeUndefined();
      expect(largest(learned.grad!.toNumbers())).toBeGreaterThan(0);
      expect(largest(free.grad!.toNumbers())).toBeGreaterThan(0);
    });
  });
}
