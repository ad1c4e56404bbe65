import { afterEach, expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import {
  callTensor,
  type DType,
  maxPool2d,
  noGrad,
  scope,
  setThreads,
  type Tensor,
  tensor,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch } from "../support/gradients.js";

const rng = Rng.fromSeed(7);
const reference = (x: Tensor) => callTensor("aten::max_pool2d", "", x, [2, 2], [2, 2]);

/** Few different values, so that windows have ties. */
const values = (count: number) => Float32Array.from({ length: count }, () => rng.integer(9) - 4);

function run(
  f: (x: Tensor) => Tensor,
  data: Float32Array,
  shape: readonly number[],
  dtype: DType,
  layout: "contiguous" | "channelsLast",
) {
  return scope(() => {
    const x = tensor(data, shape).contiguous(layout).to(dtype).requiresGrad_();
    const y = f(x);
    const grad = tensor(
      Float32Array.from({ length: y.numel }, (_, i) => (i % 13) - 6),
      y.shape,
    ).to(dtype);
    y.mul(grad).sum().backward();
    return {
      y: y.toNumbers(),
      dtype: y.dtype,
      shape: y.shape,
      channelsLast: y.isChannelsLast,
      dx: x.grad!.toNumbers(),
    };
  });
}

describeEngine("max pooling of 2 x 2", () => {
  afterEach(() => setThreads(1));

  for (const shape of [
    [2, 32, 8, 8],
    [3, 5, 7, 9],
    [1, 1, 2, 2],
    [2, 33, 5, 4],
    [1, 64, 3, 3],
  ]) {
    for (const dtype of ["float32", "bfloat16"] as const) {
      test(`${dtype} [${shape.join(", ")}]: values and gradients equal libtorch's to the bit`, () => {
        const data = values(shape.reduce((a, b) => a * b, 1));
        const got = run((x) => maxPool2d(x, 2), data, shape, dtype, "channelsLast");
        expect(got).toEqual(run(reference, data, shape, dtype, "channelsLast"));
        expect(got.channelsLast).toBe(true);
        expect(run((x) => maxPool2d(x, 2), data, shape, dtype, "contiguous").y).toEqual(got.y);
      });
    }
  }

  test("the gradient equals central differences", () => {
    const data = Array.from({ length: 2 * 3 * 5 * 4 }, () => rng.normal());
    const f = ([x]: Tensor[]) => maxPool2d(x!.float().contiguous("channelsLast"), 2).mul(1).to("float64").pow(2).sum();
    const exact = ([x]: Tensor[]) => maxPool2d(x!.contiguous("channelsLast"), 2).pow(2).sum(); // float64: libtorch's own
    const input = [{ shape: [2, 3, 5, 4], data }];
    expect(gradientMismatch(exact, input)).toBeUndefined();
    const gradient = (g: (inputs: Tensor[]) => Tensor) =>
      scope(() => {
        const x = tensor(Float64Array.from(data), [2, 3, 5, 4]).requiresGrad_();
        g([x]).backward();
        return x.grad!.toNumbers();
      });
    for (const [i, v] of gradient(exact).entries()) expect(gradient(f)[i]).toBeCloseTo(v, 5);
  });

  test("a NaN in the window is its maximum", () => {
    for (const position of [0, 1, 2, 3]) {
      const data = Float32Array.of(1, 2, 3, 4).with(position, Number.NaN);
      const { y, dx } = run((x) => maxPool2d(x, 2), data, [1, 1, 2, 2], "float32", "channelsLast");
      expect(y).toEqual([Number.NaN]);
      expect(dx.findIndex((v) => v !== 0)).toBe(position);
    }
  });

  test("-Infinity everywhere is -Infinity, and the first element takes the gradient", () => {
    const data = new Float32Array(4).fill(Number.NEGATIVE_INFINITY);
    const { y, dx } = run((x) => maxPool2d(x, 2), data, [1, 1, 2, 2], "float32", "channelsLast");
    expect([y, dx.map((v) => v !== 0)]).toEqual([[Number.NEGATIVE_INFINITY], [true, false, false, false]]);
  });

  test("any number of threads, and no gradient, give the same bits", () => {
    const [shape, data] = [[9, 33, 16, 17], values(9 * 33 * 16 * 17)];
    const one = run((x) => maxPool2d(x, 2), data, shape, "bfloat16", "channelsLast");
    setThreads(2);
    expect(run((x) => maxPool2d(x, 2), data, shape, "bfloat16", "channelsLast")).toEqual(one);
    const quiet = scope(() =>
      noGrad(() => maxPool2d(tensor(data, shape).contiguous("channelsLast").to("bfloat16"), 2)).toNumbers(),
    );
    expect(quiet).toEqual(one.y);
  });

  test("a gradient in another layout arrives", () => {
    const [shape, data] = [[2, 4, 4, 4], values(128)];
    const through = (f: (x: Tensor) => Tensor) =>
      run((x) => f(x).mean([2, 3], true), data, shape, "float32", "channelsLast").dx;
    expect(through((x) => maxPool2d(x, 2))).toEqual(through(reference));
  });
});
