/** Operators on many tensors at once against libtorch's: the same bits, in one loop on the CPU. */
import { expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import {
  call,
  foreachAdd_,
  foreachAddcdiv_,
  foreachAddcmul_,
  foreachAddScalar_,
  foreachMul_,
  foreachSqrt,
  noGrad,
  normal,
  ones,
  scope,
  setThreads,
  type Tensor,
  uniform,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

type Tensors = readonly Tensor[];
/** Each operator of ours, and libtorch's; both change `a`. */
const operators: Record<
  string,
  [(a: Tensors, b: Tensors, c: Tensors) => void, (a: Tensors, b: Tensors, c: Tensors) => void]
> = {
  "a *= 0.3": [(a) => foreachMul_(a, 0.3), (a) => call("aten::_foreach_mul_", "Scalar", a, 0.3)],
  "a += 0.3": [(a) => foreachAddScalar_(a, 0.3), (a) => call("aten::_foreach_add_", "Scalar", a, 0.3)],
  "a += 0.3 b": [(a, b) => foreachAdd_(a, b, 0.3), (a, b) => call("aten::_foreach_add_", "List", a, b, 0.3)],
  "a += 0.3 b c": [
    (a, b, c) => foreachAddcmul_(a, b, c, 0.3),
    (a, b, c) => call("aten::_foreach_addcmul_", "Scalar", a, b, c, 0.3),
  ],
  "a += 0.3 b / c": [
    (a, b, c) => foreachAddcdiv_(a, b, c, 0.3),
    (a, b, c) => call("aten::_foreach_addcdiv_", "Scalar", a, b, c, 0.3),
  ],
};
const numbers = (tensors: Tensors) => tensors.map((t) => t.toNumbers());

describeEngine("operators on many tensors", () => {
  const rng = Rng.fromSeed(3);
  const kinds: Record<string, (shape: number[]) => Tensor> = {
    "in a row": (shape) => uniform(shape, 0.1, 2, rng),
    "turned, as libtorch's own operators take them": (shape) =>
      uniform([...shape].reverse(), 0.1, 2, rng).transpose(0, 1),
    "in channels_last": (shape) => uniform([2, 3, ...shape], 0.1, 2, rng).contiguous("channelsLast"),
    "of float64": (shape) => uniform(shape, 0.1, 2, rng).to("float64"),
  };
  const shapes = [
    [3, 5],
    [1, 1],
    [0, 4],
    [300, 200],
    [7, 31],
  ];

  test.each(
    Object.entries(operators).flatMap(([name, pair]) => Object.keys(kinds).map((kind) => ({ name, kind, pair }))),
  )("$name, $kind: libtorch's bits", ({ kind, pair: [ours, theirs] }) => {
    scope(() =>
      noGrad(() => {
        const make = () => shapes.map((shape) => kinds[kind]!(shape));
        const [a, b, c] = [make(), make(), make()];
        const other = a.map((t) => t.clone());
        setThreads(2);
        ours(a, b, c);
        setThreads(1);
        theirs(other, b, c);
        expect(numbers(a)).toEqual(numbers(other));
      }),
    );
  });

  test("roots are new tensors, and libtorch's bits", () => {
    scope(() =>
      noGrad(() => {
        for (const kind of Object.values(kinds)) {
          const a = shapes.map((shape) => kind(shape));
          const before = numbers(a);
          expect(numbers(foreachSqrt(a))).toEqual(numbers(call("aten::_foreach_sqrt", "", a) as Tensor[]));
          expect(numbers(a)).toEqual(before);
        }
      }),
    );
  });

  test("no tensors: nothing happens", () => {
    noGrad(() => foreachMul_([], 2));
  });

  test("tensors of other shapes are libtorch's to refuse or to spread", () => {
    scope(() =>
      noGrad(() => {
        const [a] = [[ones([2, 3])]];
        foreachAdd_(a, [normal([1, 3], 0, 1, rng)]);
        expect(() => foreachAdd_(a, [ones([4])])).toThrow(/size/);
        expect(() => foreachAdd_(a, [ones([2, 3]), ones([2, 3])])).toThrow(/same number/);
        for (const change of Object.values(operators).slice(2)) {
          expect(() => change[0](a, [], [])).toThrow(/tensor/i);
        }
      }),
    );
  });

  test("a window of 1 x 1 lies in a row whatever its strides say", () => {
    scope(() =>
      noGrad(() => {
        const weight = normal([64, 32, 1, 1], 0, 1, rng);
        const [other, gradient] = [weight.clone(), normal([64, 32, 1, 1], 0, 1, rng).contiguous("channelsLast")];
        foreachAdd_([weight], [gradient], -0.1);
        call("aten::_foreach_add_", "List", [other], [gradient], -0.1);
        expect(weight.toNumbers()).toEqual(other.toNumbers());
      }),
    );
  });

  test("a change makes what was saved for a gradient stale", () => {
    scope(() => {
      const weight = ones([2]).requiresGrad_();
      const squared = weight.mul(weight).sum();
      noGrad(() => foreachMul_([weight], 2));
      expect(() => squared.backward()).toThrow(/modified by an inplace operation/);
    });
  });
});
