import { expect, test } from "vitest";
import {
  initialize,
  type Mode,
  type Module,
  namedParameters,
  weightNormConv2d,
  weightNormLinear,
} from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, normal, scope, type Tensor, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import "../../support/matchers.js";

const rng = Rng.fromSeed(1);
const [rows, inputs, outputs, side, kernel] = [3, 2, 4, 5, 3];

interface Drawn {
  readonly name: string;
  readonly layer: Module;
  readonly shape: readonly number[];
  readonly x: Tensor;
  /** Of the leaky ReLU behind it, default 1: none. */
  readonly slope?: number;
  readonly layout?: "contiguous" | "channelsLast";
}

/** Fresh layers with every parameter away from its start, so that each one matters. */
function layers(): Omit<Drawn, "shape" | "layout">[] {
  const drawn: readonly Omit<Drawn, "x">[] = [
    {
      name: "conv",
      layer: weightNormConv2d(inputs, outputs, { kernel }, { keep: 0.9, start: "zero" }),
      shape: [rows, inputs, side, side],
    },
    {
      name: "valid conv",
      layer: weightNormConv2d(inputs, outputs, { kernel, padding: 0, stride: 2 }, { keep: 0.9, start: "zero" }),
      shape: [rows, inputs, side, side],
    },
    {
      name: "conv with leaky ReLU",
      layer: weightNormConv2d(inputs, outputs, { kernel, leakySlope: 0.1 }, { keep: 0.9, start: "zero" }),
      shape: [rows, inputs, side, side],
      slope: 0.1,
    },
    {
      name: "conv with leaky ReLU, channels last",
      layer: weightNormConv2d(inputs, outputs, { kernel, leakySlope: 0.1 }, { keep: 0.9, start: "zero" }),
      shape: [rows, inputs, side, side],
      slope: 0.1,
      layout: "channelsLast",
    },
    { name: "dense", layer: weightNormLinear(inputs, outputs, { keep: 0.9, start: "zero" }), shape: [rows, inputs] },
  ];
  return drawn.map(({ name, layer, shape, slope, layout = "contiguous" }) => {
    initialize(layer, rng);
    noGrad(() => {
      layer.parameters.weight_v!.mul_(20); // the formula does not see it, central differences do
      for (const t of [...Object.values(layer.parameters), ...Object.values(layer.buffers)]) {
        if (t.shape.length === 1) t.copy_(normal(t.shape, 0.7, 0.5, rng.split("1d")));
      }
    });
    return {
      name,
      layer,
      ...(slope !== undefined && { slope }),
      x: normal(shape, 0.3, 1, rng.split("x")).contiguous(layout),
    };
  });
}

/** u = x * W without offset by plain loops, `[N, O, positions]`; W = g V / ||V||. */
function slowProject(name: string, layer: Module, x: Tensor): { u: number[][][]; shape: readonly number[] } {
  const { weight_v, weight_g } = layer.parameters;
  const [v, g] = [weight_v!.toNumbers(), weight_g!.toNumbers()];
  const size = v.length / outputs;
  const w = g.map((gain, o) => {
    const direction = v.slice(o * size, (o + 1) * size);
    const length = Math.hypot(...direction);
    return direction.map((value) => (gain * value) / length);
  });
  const data = x.toNumbers();
  if (name === "dense") {
    const u = Array.from({ length: rows }, (_, n) =>
      w.map((row) => [row.reduce((sum, value, i) => sum + value * data[n * inputs + i]!, 0)]),
    );
    return { u, shape: [rows, outputs] };
  }
  const [padding, stride] = name === "valid conv" ? [0, 2] : [1, 1];
  const out = Math.floor((side + 2 * padding - kernel) / stride) + 1;
  const at = (n: number, c: number, y: number, xx: number) =>
    y < 0 || xx < 0 || y >= side || xx >= side ? 0 : data[((n * inputs + c) * side + y) * side + xx]!;
  const u = Array.from({ length: rows }, (_, n) =>
    w.map((filter) =>
      Array.from({ length: out * out }, (_, position) => {
        const [oy, ox] = [Math.floor(position / out), position % out];
        let sum = 0;
        for (let c = 0; c < inputs; c++)
          for (let i = 0; i < kernel; i++)
            for (let j = 0; j < kernel; j++)
              sum +=
                filter[(c * kernel + i) * kernel + j]! * at(n, c, oy * stride + i - padding, ox * stride + j - padding);
        return sum;
      }),
    ),
  );
  return { u, shape: [rows, outputs, out, out] };
}

/** Mean (and variance by the count) over everything but channels. */
function channelMoments(u: number[][][]): { mean: number[]; variance: number[] } {
  const channels = u[0]!.map((_, o) => u.flatMap((row) => row[o]!));
  const mean = channels.map((values) => values.reduce((a, b) => a + b, 0) / values.length);
  const variance = channels.map((values, o) => values.reduce((a, b) => a + (b - mean[o]!) ** 2, 0) / values.length);
  return { mean, variance };
}

const forward = (layer: Module, x: Tensor, mode: Mode, updateStatistics?: boolean) =>
  scope(() => layer.forward(x, { mode, rng, updateStatistics }).toNumbers());

describeEngine("weight norm with mean-only batch norm", () => {
  for (const { name, layer, x, slope = 1 } of layers()) {
    const { bias, weight_g } = layer.parameters;
    const { running_mean: running } = layer.buffers;

    for (const mode of ["train", "probe", "eval"] as const) {
      test(`${name}, ${mode}: g V / ||V|| x, less the ${mode === "eval" ? "running" : "batch"} mean, plus b`, () => {
        const before = running!.toNumbers();
        const { u } = slowProject(name, layer, x);
        const { mean } = channelMoments(u);
        const subtract = mode === "eval" ? before : mean;
        const b = bias!.toNumbers();
        const act = (v: number) => Math.max(v, slope * v);
        const expected = u.flatMap((row) => row.flatMap((vs, o) => vs.map((v) => act(v - subtract[o]! + b[o]!))));
        expect(forward(layer, x, mode)).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-5 });
        const after = mode === "train" ? before.map((m, o) => 0.9 * m + 0.1 * mean[o]!) : before;
        expect(running!.toNumbers()).toBeCloseToTensor(after, { rtol: 1e-5, atol: 1e-6 });
      });
    }

    test(`${name}: updateStatistics false leaves the running mean, bit for bit`, () => {
      const before = running!.toArray();
      forward(layer, x, "train", false);
      expect(running!.toArray()).toEqual(before);
      forward(layer, x, "train");
      expect(running!.toArray()).not.toEqual(before);
    });

    test(`${name}: gradients of V, g, b and x agree with central differences`, () => {
      const upstream = scope(() => {
        const y = layer.forward(x, { mode: "probe", rng });
        return normal(y.shape, 0, 1, rng.split("upstream")).toNumbers();
      });
      const loss = () =>
        scope(() => {
          const y = layer.forward(x, { mode: "probe", rng });
          return y.toNumbers().reduce((sum, value, i) => sum + value * upstream[i]!, 0);
        });
      x.requiresGrad_();
      scope(() => {
        const y = layer.forward(x, { mode: "probe", rng });
        y.mul(tensor(upstream, y.shape)).sum().backward();
      });
      for (const [key, t] of [...Object.entries(layer.parameters), ["x", x] as const]) {
        const exact = scope(() => t.grad!.toNumbers());
        for (let i = 0; i < t.numel; i += Math.ceil(t.numel / 12)) {
          const at = (shift: number) =>
            noGrad(() => {
              scope(() => nudge(t, i, shift));
              return loss();
            });
          const step = 1e-2;
          const numeric = (at(step) - at(-2 * step)) / (2 * step); // the second nudge undoes the first
          noGrad(() => scope(() => nudge(t, i, step)));
          expect([numeric], `${key}[${i}]`).toBeCloseToTensor([exact[i]!], { rtol: 1e-2, atol: 1e-2 });
        }
        t.clearGrad();
      }
      x.requiresGrad_(false);
    });

    test(`${name}, init: zero mean, unit variance for any start, running mean untouched`, () => {
      const before = running!.toArray();
      noGrad(() => weight_g!.fill_(123));
      const y = forward(layer, x, "init").map((v) => (v < 0 ? v / slope : v));
      const channels = bias!.numel;
      const positions = y.length / rows / channels;
      const u = Array.from({ length: rows }, (_, n) =>
        Array.from({ length: channels }, (_, o) =>
          y.slice((n * channels + o) * positions, (n * channels + o + 1) * positions),
        ),
      );
      const { mean, variance } = channelMoments(u);
      expect(mean).toBeCloseToTensor(new Array(channels).fill(0), { atol: 1e-5 });
      expect(variance).toBeCloseToTensor(new Array(channels).fill(1), { atol: 1e-3 });
      expect(bias!.toNumbers()).toEqual(new Array(channels).fill(0));
      expect(running!.toArray()).toEqual(before);
    });
  }

  test("the running mean is the weighted mean of the batch means so far, from the first on", () => {
    const layer = weightNormLinear(1, 1, { keep: 0.9 });
    noGrad(() => {
      layer.parameters.weight_v!.fill_(1);
      layer.parameters.weight_g!.fill_(1);
    });
    const means = [5, -1, 2];
    let [sum, weights] = [0, 0];
    for (const mean of means) {
      forward(layer, tensor([mean, mean], [2, 1]), "train");
      [sum, weights] = [0.9 * sum + mean, 0.9 * weights + 1];
      expect(layer.buffers.running_mean!.item()).toBeCloseTo(sum / weights, 5);
    }
  });

  test("after 250 steps of keep 0.999 it is the mean; as published (start zero) 22 % of it", () => {
    const after = (start?: "zero") => {
      const layer = weightNormLinear(2, 1, start && { start });
      noGrad(() => {
        layer.parameters.weight_v!.fill_(1);
        layer.parameters.weight_g!.fill_(Math.SQRT2);
      });
      for (let i = 0; i < 250; i++) forward(layer, tensor([1, 2, 3, 4], [2, 2]), "train");
      return layer.buffers.running_mean!.item();
    };
    expect(after()).toBeCloseTo(5, 4);
    expect(after("zero")).toBeCloseTo(5 * (1 - 0.999 ** 250), 4);
  });

  test.each(["corrected", "zero"] as const)("keep 1 leaves the running mean what it is (start %s)", (start) => {
    const layer = weightNormLinear(1, 1, { keep: 1, start });
    initialize(layer, rng);
    forward(layer, tensor([1, 2], [2, 1]), "train");
    expect(layer.buffers.running_mean!.item()).toBe(0);
  });

  test("a direction of zeros gives zeros, not NaN", () => {
    const layer = weightNormLinear(2, 1);
    expect(forward(layer, tensor([1, 2, 3, 4], [2, 2]), "train")).toEqual([0, 0]);
    scope(() => {
      const pass = { mode: "train", rng: Rng.fromSeed(1) } as const;
      layer
        .forward(tensor([1, 2, 3, 4], [2, 2]), pass)
        .pow(2)
        .sum()
        .backward();
      for (const { name, tensor: t } of namedParameters(layer))
        expect(t.grad!.toNumbers().every(Number.isFinite), name).toBe(true);
    });
  });

  test("as published keeps 0.999 of the running mean unless told otherwise", () => {
    const layer = weightNormLinear(2, 1, { start: "zero" });
    noGrad(() => {
      layer.parameters.weight_v!.fill_(1);
      layer.parameters.weight_g!.fill_(Math.SQRT2);
    });
    forward(layer, tensor([1, 2, 3, 4], [2, 2]), "train");
    expect(layer.buffers.running_mean!.item()).toBeCloseTo(0.001 * 5, 7);
  });

  test("the norm of W is |g|, whatever V", () => {
    const layer = weightNormLinear(3, 2);
    initialize(layer, rng);
    noGrad(() => layer.parameters.weight_g!.copy_(tensor([2, 5], [2])));
    const identity = tensor([1, 0, 0, 0, 1, 0, 0, 0, 1], [3, 3]);
    const columns = forward(layer, identity, "eval"); // W', as the running mean and b are 0
    const norm = (o: number) => Math.hypot(...[0, 1, 2].map((i) => columns[2 * i + o]!));
    expect([norm(0), norm(1)]).toBeCloseToTensor([2, 5]);
  });

  test("fresh directions are N(0, 0.05^2), gains 1, offsets and running mean 0", () => {
    const layer = weightNormConv2d(16, 64, { kernel: 3 });
    initialize(layer, rng);
    const v = layer.parameters.weight_v!.toNumbers();
    const std = Math.sqrt(v.reduce((sum, value) => sum + value * value, 0) / v.length);
    expect(std).toBeGreaterThan(0.048);
    expect(std).toBeLessThan(0.052);
    expect(new Set(layer.parameters.weight_g!.toNumbers())).toEqual(new Set([1]));
    expect(new Set([...layer.parameters.bias!.toNumbers(), ...layer.buffers.running_mean!.toNumbers()])).toEqual(
      new Set([0]),
    );
    expect(namedParameters(layer).map(({ name }) => name)).toEqual(["weight_v", "weight_g", "bias"]);
  });
});

/** Adds to one element, in place. */
function nudge(t: Tensor, element: number, by: number): void {
  const values = t.toNumbers();
  values[element]! += by;
  t.detach().copy_(tensor(values, t.shape));
}
