import { afterEach, expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import {
  type BatchNormArguments,
  batchNorm,
  batchNormLeakyRelu,
  type DType,
  leakyRelu,
  noGrad,
  scope,
  setThreads,
  type Tensor,
  tensor,
} from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch } from "../support/gradients.js";
import "../support/matchers.js";

const [EPS, SLOPE, MOMENTUM] = [1e-5, 0.1, 0.1];
type Shape = readonly [number, number, number, number];

interface Case {
  readonly shape: Shape;
  readonly x: Float32Array;
  readonly grad: Float32Array;
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly mean: Float32Array;
  readonly variance: Float32Array;
}

function makeCase(shape: Shape, { offset = 0.5, seed = 1 } = {}): Case {
  const rng = Rng.fromSeed(seed);
  const [n, c, h, w] = shape;
  const draw = (count: number, f: () => number) => Float32Array.from({ length: count }, f);
  return {
    shape,
    x: draw(n * c * h * w, () => offset + 2 * rng.normal()),
    grad: draw(n * c * h * w, () => rng.normal()),
    weight: draw(c, () => 0.5 + rng.float()),
    bias: draw(c, () => rng.normal()),
    mean: draw(c, () => rng.normal()),
    variance: draw(c, () => 0.5 + rng.float()),
  };
}

/** Channel of element i of `[N, C, H, W]`. */
const channelOf = ([, c, h, w]: Shape, i: number) => Math.floor(i / (h * w)) % c;

/** Forward and backward in float64, element by element; the batch's statistics, or those given. */
function slow({ shape, x, grad, weight, bias, mean, variance }: Case, training: boolean) {
  const [n, c, h, w] = shape;
  const count = n * h * w;
  const zeros = () => new Float64Array(c);
  const [mu, sigma2, dWeight, dBias] = [zeros(), zeros(), zeros(), zeros()];
  for (const [i, v] of x.entries()) mu[channelOf(shape, i)]! += v / count;
  for (const [i, v] of x.entries()) sigma2[channelOf(shape, i)]! += (v - mu[channelOf(shape, i)]!) ** 2 / count;
  const blend = (old: number, fresh: number) => (1 - MOMENTUM) * old + MOMENTUM * fresh;
  const runningMean = training ? mu.map((m, k) => blend(mean[k]!, m)) : Float64Array.from(mean);
  const runningVar = training
    ? sigma2.map((s, k) => blend(variance[k]!, (s * count) / (count - 1)))
    : Float64Array.from(variance);
  const [m, s2] = training ? [mu, sigma2] : [runningMean, runningVar];
  const hat = Float64Array.from(x, (v, i) => {
    const k = channelOf(shape, i);
    return (v - m[k]!) / Math.sqrt(s2[k]! + EPS);
  });
  const z = hat.map((v, i) => v * weight[channelOf(shape, i)]! + bias[channelOf(shape, i)]!);
  const g = z.map((v, i) => grad[i]! * (v > 0 ? 1 : SLOPE));
  for (const [i, v] of g.entries()) {
    dBias[channelOf(shape, i)]! += v;
    dWeight[channelOf(shape, i)]! += v * hat[i]!;
  }
  const dx = g.map((v, i) => {
    const k = channelOf(shape, i);
    const centered = training ? v - dBias[k]! / count - (hat[i]! * dWeight[k]!) / count : v;
    return (centered * weight[k]!) / Math.sqrt(s2[k]! + EPS);
  });
  return { y: z.map((v) => (v > 0 ? v : SLOPE * v)), dx, dWeight, dBias, runningMean, runningVar };
}

interface RunOptions {
  readonly training?: boolean;
  readonly dtype?: DType;
  readonly layout?: "contiguous" | "channelsLast";
  readonly statistics?: boolean;
  readonly f?: (x: Tensor, a: BatchNormArguments, slope: number) => Tensor;
}

/** What `f` gives for a case, as plain numbers in `[N, C, H, W]` order. */
function run(
  c: Case,
  {
    training = true,
    dtype = "float32",
    layout = "channelsLast",
    statistics = true,
    f = batchNormLeakyRelu,
  }: RunOptions = {},
) {
  return scope(() => {
    const vector = (data: Float32Array) => tensor(data, [data.length]);
    const image = (data: Float32Array) => tensor(data, c.shape).contiguous(layout).to(dtype);
    const x = image(c.x).requiresGrad_();
    const [weight, bias] = [vector(c.weight).requiresGrad_(), vector(c.bias).requiresGrad_()];
    const [mean, variance] = [vector(c.mean), vector(c.variance)];
    const running = statistics
      ? { runningMean: mean, runningVar: variance }
      : { runningMean: undefined, runningVar: undefined };
    const y = f(x, { weight, bias, ...running, training, momentum: MOMENTUM, eps: EPS }, SLOPE);
    y.mul(image(c.grad)).sum().backward();
    return {
      y: y.toNumbers(),
      yType: y.dtype,
      channelsLast: y.isChannelsLast,
      dx: x.grad!.toNumbers(),
      dWeight: weight.grad!.toNumbers(),
      dBias: bias.grad!.toNumbers(),
      runningMean: mean.toNumbers(),
      runningVar: variance.toNumbers(),
    };
  });
}

const composition = (x: Tensor, a: BatchNormArguments, slope: number) => leakyRelu(batchNorm(x, a), slope);
const close = { rtol: 2e-5, atol: 2e-5 };

describeEngine("batch norm with leaky ReLU", () => {
  afterEach(() => setThreads(1));

  const shapes: Shape[] = [
    [4, 32, 5, 5],
    [3, 7, 3, 2],
    [2, 1, 4, 4],
    [5, 33, 1, 1],
    [2, 512, 2, 2],
    [3, 130, 32, 32],
    [2, 3, 1, 1],
  ];
  for (const shape of shapes) {
    for (const training of [true, false]) {
      test(`${training ? "training" : "eval"} of [${shape.join(", ")}] equals a float64 loop, forward and backward`, () => {
        const c = makeCase(shape);
        const got = run(c, { training });
        const want = slow(c, training);
        const scale = Math.sqrt(shape[0] * shape[2] * shape[3]); // of a sum of independent terms
        expect(got.y).toBeCloseToTensor(want.y, close);
        expect(got.dx).toBeCloseToTensor(
          want.dx,
          shape[0] * shape[2] * shape[3] < 3 ? { rtol: 1e-3, atol: 1e-3 } : close,
        );
        expect(got.dWeight).toBeCloseToTensor(want.dWeight, { rtol: 2e-5, atol: 2e-5 * scale });
        expect(got.dBias).toBeCloseToTensor(want.dBias, { rtol: 2e-5, atol: 2e-5 * scale });
        expect(got.runningMean).toBeCloseToTensor(want.runningMean, close);
        expect(got.runningVar).toBeCloseToTensor(want.runningVar, close);
        expect(got.channelsLast).toBe(true);
      });
    }
  }

  test("equals libtorch's two operators, in float32 within rounding and in bfloat16 within its steps", () => {
    const c = makeCase([6, 17, 4, 5]);
    for (const training of [true, false]) {
      const [a, b] = [run(c, { training }), run(c, { training, f: composition })];
      for (const key of ["y", "dx", "dWeight", "dBias", "runningMean", "runningVar"] as const) {
        expect(a[key]).toBeCloseToTensor(b[key], { rtol: 1e-4, atol: 1e-4 });
      }
      const [h, k] = [run(c, { training, dtype: "bfloat16" }), run(c, { training, dtype: "bfloat16", f: composition })];
      expect(h.yType).toBe("bfloat16");
      expect(h.y).toBeCloseToTensor(k.y, { rtol: 2 ** -6, atol: 2 ** -8 });
      expect(h.dx).toBeCloseToTensor(k.dx, { rtol: 2 ** -5, atol: 2 ** -6 });
      expect(h.runningVar).toBeCloseToTensor(k.runningVar, { rtol: 1e-4, atol: 1e-4 });
    }
  });

  test("bfloat16 differs from a float64 loop over the same rounded input by one rounding", () => {
    const raw = makeCase([8, 32, 6, 6]);
    const round = (data: Float32Array) =>
      scope(() => Float32Array.from(tensor(data, [data.length]).to("bfloat16").toNumbers()));
    const c = { ...raw, x: round(raw.x), grad: round(raw.grad) };
    const [got, want] = [run(c, { dtype: "bfloat16" }), slow(c, true)];
    expect(got.y).toBeCloseToTensor(want.y, { rtol: 2 ** -8, atol: 1e-5 });
    expect(got.dx).toBeCloseToTensor(want.dx, { rtol: 2 ** -8, atol: 2e-5 });
    expect(got.dWeight).toBeCloseToTensor(want.dWeight, { rtol: 1e-4, atol: 1e-3 });
  });

  // Of 48 channels they are not made for, and bits of a channel do not depend on the others.
  test.each([105, 512])(
    "with bfloat16's own instructions (32 channels) every bit is that without them: %i rows",
    (rows) => {
      const many = makeCase([rows, 48, 1, 1]);
      const shape: Shape = [rows, 32, 1, 1];
      const few = <T extends Float32Array | number[]>(data: T) =>
        data.filter((_: number, i: number) => (data.length === 48 ? i : channelOf(many.shape, i)) < 32) as T;
      const same: Case = {
        shape,
        x: few(many.x),
        grad: few(many.grad),
        weight: few(many.weight),
        bias: few(many.bias),
        mean: few(many.mean),
        variance: few(many.variance),
      };
      for (const training of [true, false]) {
        const right = run(many, { dtype: "bfloat16", training });
        const got = run(same, { dtype: "bfloat16", training });
        for (const name of ["y", "dx", "dWeight", "dBias", "runningMean", "runningVar"] as const)
          expect(got[name], name).toEqual(few(right[name]));
      }
    },
  );

  test("the backward pass equals numeric differentiation of the float64 loop", () => {
    const c = makeCase([2, 3, 2, 2], { seed: 5 });
    const cost = (x: Float32Array) => slow({ ...c, x }, true).y.reduce((sum, v, i) => sum + v * c.grad[i]!, 0);
    const step = 2 ** -10; // exact in float32 near 1
    const numeric = Array.from(c.x, (v, i) => {
      const at = (shift: number) => cost(c.x.with(i, v + shift));
      return (at(step) - at(-step)) / (Math.fround(v + step) - Math.fround(v - step));
    });
    expect(run(c).dx).toBeCloseToTensor(numeric, { rtol: 1e-3, atol: 1e-4 });
  });

  test("elsewhere (float64) the two operators run and their gradients equal central differences", () => {
    const c = makeCase([3, 2, 2, 2], { seed: 3 });
    const f = ([x, weight, bias]: Tensor[]) => {
      const a = { weight: weight!, bias: bias!, runningMean: undefined, runningVar: undefined };
      const y = batchNormLeakyRelu(x!, { ...a, training: true, momentum: MOMENTUM, eps: EPS }, SLOPE);
      return y.mul(tensor(Float64Array.from(c.grad), c.shape)).sum();
    };
    const input = (data: Float32Array, shape: readonly number[]) => ({ shape, data: Array.from(data) });
    expect(gradientMismatch(f, [input(c.x, c.shape), input(c.weight, [2]), input(c.bias, [2])])).toBeUndefined();
  });

  test("the default layout gives the values of channels_last", () => {
    const c = makeCase([4, 5, 3, 3]);
    const [a, b] = [run(c), run(c, { layout: "contiguous" })];
    for (const key of ["y", "dx", "dWeight", "dBias", "runningMean", "runningVar"] as const) {
      expect(a[key]).toBeCloseToTensor(b[key], { rtol: 1e-4, atol: 1e-4 });
    }
  });

  test("[N, C] is [N, C, 1, 1]", () => {
    const c = makeCase([40, 9, 1, 1]);
    const flat = run(c, { f: (x, a, slope) => batchNormLeakyRelu(x.flatten(1), a, slope).reshape(c.shape) });
    const { y, dx, dWeight } = run(c);
    expect(flat).toMatchObject({ y, dx, dWeight });
  });

  test("any number of threads gives the same bits", () => {
    const c = makeCase([11, 33, 32, 32]);
    for (const dtype of ["float32", "bfloat16"] as const) {
      const [one, two, three] = [1, 2, 3].map((threads) => {
        setThreads(threads);
        return run(c, { dtype });
      });
      expect(two).toEqual(one);
      expect(three).toEqual(one);
    }
  });

  test("without running statistics nothing but the result changes hands", () => {
    const c = makeCase([4, 6, 3, 3]);
    const probe = run(c, { statistics: false });
    expect(probe.y).toEqual(run(c).y);
    expect(probe.runningMean).toEqual(Array.from(c.mean));
    expect(probe.runningVar).toEqual(Array.from(c.variance));
  });

  test("a mean far from 0 does not spoil the variance", () => {
    const c = makeCase([16, 4, 16, 16], { offset: 3000 });
    expect(run(c).y).toBeCloseToTensor(slow(c, true).y, { rtol: 1e-3, atol: 1e-3 });
    expect(run(c).runningVar).toBeCloseToTensor(slow(c, true).runningVar, { rtol: 1e-5 });
  });

  test("the result without a gradient has the same bits", () => {
    const c = makeCase([4, 32, 5, 5]);
    const quiet = run(c, {
      f: (x, a, slope) =>
        noGrad(() => batchNormLeakyRelu(x, a, slope))
          .add(x.mul(0))
          .add(a.weight.sum().add(a.bias.sum()).mul(0)),
    });
    expect(quiet.y).toEqual(run(c).y);
  });

  test("overwrite: the result takes the input's place without a gradient, with the same bits, and never with one", () => {
    const c = makeCase([40, 32, 9, 9]);
    const expected = run(c).y;
    scope(() => {
      for (const dtype of ["float32", "bfloat16"] as const) {
        const [weight, bias] = [c.weight, c.bias].map((data) => tensor(data, [data.length]).requiresGrad_());
        const settings = { weight: weight!, bias: bias!, runningMean: undefined, runningVar: undefined };
        const given = tensor(c.x, c.shape).contiguous("channelsLast").to(dtype);
        const apply = (x: Tensor, overwrite: boolean) =>
          batchNormLeakyRelu(x, { ...settings, training: true, momentum: MOMENTUM, eps: EPS, overwrite }, SLOPE);
        const recorded = given.clone();
        const y = apply(recorded, true);
        expect(recorded.toNumbers()).toEqual(given.toNumbers());
        const kept = given.clone();
        expect(noGrad(() => apply(kept, false)).toNumbers()).toEqual(y.toNumbers());
        expect(kept.toNumbers()).toEqual(given.toNumbers());
        const spent = given.clone();
        expect(noGrad(() => apply(spent, true)).toNumbers()).toEqual(y.toNumbers());
        expect(spent.toNumbers()).toEqual(y.toNumbers());
        if (dtype === "float32") expect(y.toNumbers()).toEqual(expected);
      }
    });
  });

  test("training on one value a channel, and eval without statistics, are errors", () => {
    expect(() => run(makeCase([1, 4, 1, 1]))).toThrow(/more than one value per channel/);
    expect(() => run(makeCase([2, 4, 1, 1]), { training: false, statistics: false })).toThrow(/running statistics/);
  });

  test("one value a channel is normalized in eval", () => {
    const c = makeCase([1, 4, 1, 1]);
    expect(run(c, { training: false }).y).toBeCloseToTensor(slow(c, false).y, close);
  });
});
