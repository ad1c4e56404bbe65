/** Convolutions in bfloat16 for tests: pictures and weights that lose nothing by it, and values and gradients against libtorch's in float64. */
import { expect, test } from "vitest";
import { autocast, conv2d, noGrad, ones, scope, type Tensor } from "../../src/torch/index.js";
import { apart, type Convolution, inputs, plain } from "./convolutions.js";

/** Half of bfloat16's last digit and a little: an output is rounded once, its sum is float32's. */
export const rounded = 2 ** -8;
/** By Winograd's method windows and weights are rounded too. */
export const twiceRounded = 2 * rounded;

/** Pictures and weights of which bfloat16 loses nothing. */
export function exact(shape: Convolution) {
  const given = inputs(shape);
  const lower = (t: Tensor) => t.to("bfloat16").to("float32");
  return { x: lower(given.x), weight: lower(given.weight) };
}
export const mixed = (x: Tensor, weight: Tensor, padding: number) =>
  autocast("bf16", "cpu", () => conv2d(x, weight, { padding }));

/** The gradients of x and weight for a gradient of ones and twos. */
export function gradients(f: (x: Tensor, weight: Tensor) => Tensor, given: { x: Tensor; weight: Tensor }) {
  const [x, weight] = [given.x, given.weight].map((t) => t.detach().clone().requiresGrad_());
  const y = f(x!, weight!);
  const factors = ones(y.shape.slice(0, 1), { dtype: y.dtype });
  factors.narrow(0, 0, 1).fill_(2);
  y.mul(factors.reshape([y.shape[0]!, 1, 1, 1]))
    .sum()
    .backward();
  return [x!.grad!, weight!.grad!];
}

/** Share of the outputs of a padded convolution that are not what rounding the exact sum gives: by Winograd's about half. */
export function wrongShare({ x, weight }: { x: Tensor; weight: Tensor }): number {
  const right = plain(x.to("float64"), weight.to("float64"), 1).to("bfloat16").toNumbers();
  const y = noGrad(() => mixed(x, weight, 1)).toNumbers();
  return y.filter((value, i) => value !== right[i]).length / y.length;
}

/** `weights`: how far a weight's gradient may be from float64's, as a share of its largest number. */
export function testValues(cases: readonly (Convolution & { winograd?: boolean })[], weights: number): void {
  test.each(cases.map((shape) => ({ kernel: 3, ...shape })))(
    "$count x $channels x $height x $width to $outputs, kernel $kernel, padding $padding: values and gradients are float64's, rounded",
    (shape) => {
      scope(() => {
        const given = exact(shape);
        const y = noGrad(() => mixed(given.x, given.weight, shape.padding));
        const right = noGrad(() => plain(given.x.to("float64"), given.weight.to("float64"), shape.padding));
        expect(y.dtype).toBe("bfloat16");
        const limit = shape.winograd ? twiceRounded : rounded;
        expect(apart(y.toNumbers(), right.toNumbers())).toBeLessThan(limit);
        const [dx, dweight] = gradients((x, w) => mixed(x, w, shape.padding), given);
        const double = { x: given.x.to("float64"), weight: given.weight.to("float64") };
        const [rightX, rightWeight] = gradients((x, w) => plain(x, w, shape.padding), double);
        expect(apart(dx!.toNumbers(), rightX!.toNumbers())).toBeLessThan(limit);
        // Ones and twos are exact: what is left is the rounding of float32's sums.
        expect(dweight!.dtype).toBe("float32");
        expect(apart(dweight!.toNumbers(), rightWeight!.toNumbers())).toBeLessThan(weights);
      });
    },
  );
}
