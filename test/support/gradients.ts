/** Numeric check of gradients, in float64. */
import { noGrad, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { difference, type Tolerance } from "./matchers.js";

export interface Input {
  readonly shape: readonly number[];
  readonly data: readonly number[];
}

/** Gradients of a scalar function by autograd, one array per input. A gradient that is absent is undefined. */
export function gradientsOf(f: (inputs: Tensor[]) => Tensor, inputs: readonly Input[]): (number[] | undefined)[] {
  return scope(() => {
    const leaves = inputs.map(({ shape, data }) => tensor(Float64Array.from(data), shape).requiresGrad_());
    f(leaves).backward();
    return leaves.map((leaf) => leaf.grad?.toNumbers());
  });
}

/** The same by central differences. */
export function numericGradients(f: (inputs: Tensor[]) => Tensor, inputs: readonly Input[], step = 1e-5): number[][] {
  const at = (which: number, element: number, shift: number) =>
    scope(() =>
      noGrad(() => {
        const leaves = inputs.map(({ shape, data }, i) => {
          const values = Float64Array.from(data);
          if (i === which) values[element]! += shift;
          return tensor(values, shape);
        });
        return f(leaves).item();
      }),
    );
  return inputs.map(({ data }, which) =>
    data.map((_, element) => (at(which, element, step) - at(which, element, -step)) / (2 * step)),
  );
}

/** Says where autograd and central differences disagree; undefined if nowhere. An absent gradient counts as zeros. */
export function gradientMismatch(
  f: (inputs: Tensor[]) => Tensor,
  inputs: readonly Input[],
  tolerance: Tolerance = { rtol: 1e-5, atol: 1e-8 },
): string | undefined {
  const numeric = numericGradients(f, inputs);
  for (const [i, exact] of gradientsOf(f, inputs).entries()) {
    const text = difference(exact ?? numeric[i]!.map(() => 0), numeric[i]!, tolerance);
    if (text) return `gradient of input ${i}: ${text}`;
  }
  return undefined;
}
