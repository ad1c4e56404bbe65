import { expect, test } from "vitest";
import {
  batchNorm2d,
  dropout,
  gaussianNoise,
  initialize,
  layer,
  leakyRelu,
  linear,
  type Mode,
  type Pass,
  sequential,
} from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { liveTensors, normal, ones, scope, type Tensor, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import "../../support/matchers.js";

const pass = (mode: Mode, more: Partial<Pass> = {}): Pass => ({ mode, rng: Rng.fromSeed(5), ...more });
const modes: readonly Mode[] = ["train", "init", "eval", "probe"];

describeEngine("batch norm by mode", () => {
  const [channels, rows] = [3, 8];
  const x = normal([rows, channels, 2, 2], 1, 2, Rng.fromSeed(1)).keep();
  const fresh = () => {
    const norm = batchNorm2d(channels, { keep: 0.75 });
    initialize(norm, Rng.fromSeed(0));
    return norm;
  };
  const moments = () => {
    const data = x.toNumbers();
    return [0, 1, 2].map((c) => {
      const values = data.filter((_, i) => Math.floor(i / 4) % channels === c);
      const mean = values.reduce((a, b) => a + b, 0) / values.length;
      const squares = values.reduce((a, b) => a + (b - mean) ** 2, 0);
      return { mean, biased: squares / values.length, unbiased: squares / (values.length - 1) };
    });
  };
  const standardized = (mean: readonly number[], variance: readonly number[]) =>
    x.toNumbers().map((value, i) => {
      const c = Math.floor(i / 4) % channels;
      return (value - mean[c]!) / Math.sqrt(variance[c]! + 1e-5);
    });

  for (const mode of ["train", "init", "probe"] as const) {
    test(`${mode} uses the batch's mean and biased variance`, () => {
      const norm = fresh();
      const y = scope(() => norm.forward(x, pass(mode)).toNumbers());
      const expected = standardized(
        moments().map((m) => m.mean),
        moments().map((m) => m.biased),
      );
      expect(y).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-5 });
    });
  }

  test("train moves the running statistics by 1 - keep, with the unbiased variance", () => {
    const norm = fresh();
    scope(() => norm.forward(x, pass("train")));
    expect(norm.buffers.running_mean!).toBeCloseToTensor(moments().map((m) => 0.25 * m.mean));
    expect(norm.buffers.running_var!).toBeCloseToTensor(moments().map((m) => 0.75 + 0.25 * m.unbiased));
  });

  test("probe, init and train with updateStatistics false leave them bit for bit", () => {
    const norm = fresh();
    scope(() => norm.forward(x, pass("train")));
    const before = Object.values(norm.buffers).map((t) => t.toArray());
    for (const p of [pass("probe"), pass("init"), pass("train", { updateStatistics: false }), pass("eval")]) {
      scope(() => norm.forward(x, p));
    }
    expect(Object.values(norm.buffers).map((t) => t.toArray())).toEqual(before);
  });

  test("updateStatistics false changes nothing else: the output is train's", () => {
    const y = (more: Partial<Pass>) => scope(() => fresh().forward(x, pass("train", more)).toArray());
    expect(y({ updateStatistics: false })).toEqual(y({}));
  });

  test("eval uses the running statistics, row by row", () => {
    const norm = fresh();
    scope(() => norm.forward(x, pass("train")));
    const [mean, variance] = [norm.buffers.running_mean!.toNumbers(), norm.buffers.running_var!.toNumbers()];
    const y = scope(() => norm.forward(x, pass("eval")).toNumbers());
    expect(y).toBeCloseToTensor(standardized(mean, variance), { rtol: 1e-4, atol: 1e-5 });
    const first = scope(() => norm.forward(x.narrow(0, 0, 1), pass("eval")).toNumbers());
    expect(first).toBeCloseToTensor(y.slice(0, first.length));
  });

  test("the leaky ReLU asked for follows, slope and all", () => {
    const [plain, leaky] = [fresh(), batchNorm2d(channels, { keep: 0.75, leakySlope: 0.1 })];
    initialize(leaky, Rng.fromSeed(0));
    const y = scope(() => plain.forward(x, pass("probe")).toNumbers());
    const z = scope(() => leaky.forward(x, pass("probe")).toNumbers());
    expect(z).toBeCloseToTensor(y.map((v) => (v > 0 ? v : 0.1 * v)));
  });
});

describeEngine("dropout and noise by mode", () => {
  const x = ones([50, 40]).keep();
  const values = (module: ReturnType<typeof layer>, p: Pass) => scope(() => module.forward(x, p).toNumbers());
  const changed = (module: ReturnType<typeof layer>, p: Pass) => values(module, p).some((v) => v !== 1);

  for (const mode of modes) {
    const on = mode === "train" || mode === "init";
    test(`${mode}: both ${on ? "on" : "off"}, also where the pass asks for more`, () => {
      expect(changed(dropout(0.5), pass(mode))).toBe(on);
      expect(changed(gaussianNoise(0.5), pass(mode))).toBe(on);
      expect(changed(dropout(0), pass(mode, { dropout: 0.5 }))).toBe(on);
      expect(changed(gaussianNoise(0), pass(mode, { inputNoise: 0.5 }))).toBe(on);
    });
  }

  test("the pass replaces the layer's own amount, 0 included", () => {
    expect(changed(dropout(0.5), pass("train", { dropout: 0 }))).toBe(false);
    expect(changed(gaussianNoise(1), pass("train", { inputNoise: 0 }))).toBe(false);
    const dropped = values(dropout(0.1), pass("train", { dropout: 0.75 }));
    expect(new Set(dropped)).toEqual(new Set([0, 4]));
    expect(dropped.filter((v) => v === 0).length / dropped.length).toBeCloseTo(0.75, 1);
    const noisy = values(gaussianNoise(0.1), pass("train", { inputNoise: 3 }));
    const std = Math.sqrt(noisy.reduce((sum, v) => sum + (v - 1) ** 2, 0) / noisy.length);
    expect(std).toBeCloseTo(3, 0);
  });

  test("dropout never mixes up with noise: each reads its own part of the pass", () => {
    expect(changed(dropout(0), pass("train", { inputNoise: 1 }))).toBe(false);
    expect(changed(gaussianNoise(0), pass("train", { dropout: 0.5 }))).toBe(false);
  });

  test("draws continue from the generator: two passes differ, the same state repeats", () => {
    const rng = Rng.fromSeed(9);
    const module = dropout(0.5);
    const state = rng.state();
    const [a, b] = [values(module, { mode: "train", rng }), values(module, { mode: "train", rng })];
    expect(a).not.toEqual(b);
    rng.restore(state);
    expect(values(module, { mode: "train", rng })).toEqual(a);
  });

  test("nothing is drawn where nothing is random", () => {
    const rng = Rng.fromSeed(9);
    for (const mode of modes) values(dropout(0), { mode, rng });
    for (const mode of ["eval", "probe"] as const) values(gaussianNoise(1), { mode, rng });
    expect(rng.state().drawn).toBe(0);
  });
});

describeEngine("sequential", () => {
  test("releases each intermediate once the next module has used it, and never the input", () => {
    scope(() => {
      const seen: Tensor[] = [];
      const spy = layer((h) => {
        seen.push(h);
        return h.add(1);
      });
      const x = ones([2]);
      const y = sequential({ a: spy, b: spy, c: spy }).forward(x, pass("train"));
      expect(y.toNumbers()).toEqual([4, 4]);
      expect(seen[0]).toBe(x);
      expect(seen.map((t) => t.released)).toEqual([false, true, true]);
    });
  });

  test("leaves tensors alone that pass through unchanged or in place, nested too", () => {
    scope(() => {
      const same = layer((h) => h);
      const x = tensor([-1, 2], [2]);
      const body = sequential({
        one: sequential({ same }),
        act: layer((h) => h.mul(1)),
        inPlace: leakyRelu(0.1),
        same,
      });
      expect(body.forward(x, pass("eval")).toNumbers()).toBeCloseToTensor([-0.1, 2]);
      expect(sequential({ same }).forward(x, pass("eval"))).toBe(x);
      expect(sequential({}).forward(x, pass("eval"))).toBe(x);
      expect(x.toNumbers()).toEqual([-1, 2]);
    });
  });

  test("holds one intermediate at a time, and the gradient still reaches every layer", () => {
    scope(() => {
      const parts = Object.fromEntries([1, 2, 3, 4].map((i) => [`fc${i}`, linear(4, 4)]));
      const body = sequential(parts);
      initialize(body, Rng.fromSeed(1));
      const x = ones([2, 4]);
      const before = liveTensors();
      const y = body.forward(x, pass("train"));
      expect(liveTensors() - before).toBe(1);
      y.sum().backward();
      for (const part of Object.values(parts)) {
        for (const t of Object.values(part.parameters)) {
          expect(t.grad).toBeDefined();
          t.release();
        }
      }
    });
  });
});
