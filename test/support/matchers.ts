/**
 * One matcher for tensors and arrays of numbers: `expect(t).toBeCloseToTensor(expected, { rtol, atol })`. Import this file
 * for its effect.
 */
import { expect } from "vitest";
import { Tensor } from "../../src/torch/index.js";

export interface Tolerance {
  /** Relative to the expected value; default 1e-5. */
  readonly rtol?: number;
  /** Absolute; default 1e-6. */
  readonly atol?: number;
}

/** A tensor, or its values with or without a shape. */
export type TensorLike =
  | Tensor
  | ArrayLike<number>
  | { readonly shape: readonly number[]; readonly data: ArrayLike<number> };

declare module "vitest" {
  // biome-ignore lint/suspicious/noExplicitAny: the declaration must match vitest's own
  interface Matchers<T = any> {
    /** |got - expected| <= atol + rtol |expected| elementwise, and equal shapes where both have one. */
    toBeCloseToTensor(expected: TensorLike, tolerance?: Tolerance): T;
  }
}

/** What differs, in one line; undefined if nothing does. NaN equals NaN. */
export function difference(got: TensorLike, expected: TensorLike, tolerance: Tolerance = {}): string | undefined {
  const { rtol = 1e-5, atol = 1e-6 } = tolerance;
  const [a, b] = [got, expected].map(read);
  if (a!.shape && b!.shape && a!.shape.join() !== b!.shape.join()) {
    return `expected shape [${b!.shape.join(", ")}], got [${a!.shape.join(", ")}]`;
  }
  if (a!.data.length !== b!.data.length) return `expected ${b!.data.length} values, got ${a!.data.length}`;
  let [worst, worstExcess] = [-1, 0];
  for (const [i, y] of b!.data.entries()) {
    const x = a!.data[i]!;
    if (Object.is(x, y) || x === y) continue;
    const excess = Math.abs(x - y) / (atol + rtol * Math.abs(y));
    if (excess <= 1) continue;
    if (worst < 0 || !(excess <= worstExcess)) [worst, worstExcess] = [i, excess];
  }
  if (worst < 0) return undefined;
  return `expected ${b!.data[worst]} at position ${worst}, got ${a!.data[worst]} (${worstExcess.toPrecision(3)} times the tolerance)`;
}

function read(value: TensorLike): { shape?: readonly number[]; data: readonly number[] } {
  if (value instanceof Tensor) return { shape: value.shape, data: value.toNumbers() };
  if ("data" in value) return { shape: value.shape, data: Array.from(value.data) };
  return { data: Array.from(value) };
}

expect.extend({
  toBeCloseToTensor(received: TensorLike, expected: TensorLike, tolerance?: Tolerance) {
    const text = difference(received, expected, tolerance);
    return { pass: text === undefined, message: () => text ?? "expected the values to differ" };
  },
});
