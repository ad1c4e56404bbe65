import { expect, test } from "vitest";
import { type Pass, type ShakeSpec, shake } from "../../../src/nn/index.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, normal, scope, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import "../../support/matchers.js";

const rows = 3;
const shape = [rows, 2, 2, 2];
const a = normal(shape, 0, 1, Rng.fromSeed(1)).keep();
const b = normal(shape, 0, 1, Rng.fromSeed(2)).keep();
const upstream = normal(shape, 0, 1, Rng.fromSeed(3)).keep();
const full: ShakeSpec = { forward: "shake", backward: "shake", level: "image" };

interface Gates {
  /** One for each row: the gate of the value, and of the gradient that reaches a. */
  readonly forward: number[];
  readonly backward: number[];
}

/** Solves for the gates, row by row, and checks that every element of the row agrees with them. */
function gates(spec: ShakeSpec, rng: Rng, mode: Pass["mode"] = "train"): Gates {
  return scope(() => {
    const [x, y] = [a.clone().requiresGrad_(), b.clone().requiresGrad_()];
    const out = shake(x, y, spec, { mode, rng });
    out.mul(upstream).sum().backward();
    const [av, bv, up] = [a, b, upstream].map((t) => t.toNumbers()) as [number[], number[], number[]];
    const [ov, da, db] = [out, x.grad!, y.grad!].map((t) => t.toNumbers()) as [number[], number[], number[]];
    const size = av.length / rows;
    const result: Gates = { forward: [], backward: [] };
    for (let row = 0; row < rows; row++) {
      const first = row * size;
      const alpha = (ov[first]! - bv[first]!) / (av[first]! - bv[first]!);
      const beta = da[first]! / up[first]!;
      for (let i = first; i < first + size; i++) {
        expect(ov[i]!).toBeCloseTo(alpha * av[i]! + (1 - alpha) * bv[i]!, 4);
        expect(da[i]!).toBeCloseTo(beta * up[i]!, 4);
        expect(db[i]!).toBeCloseTo((1 - beta) * up[i]!, 4);
      }
      result.forward.push(alpha);
      result.backward.push(beta);
    }
    return result;
  });
}

const apart = (u: readonly number[], v: readonly number[]) => Math.min(...u.map((x, i) => Math.abs(x - v[i]!)));
const mean = (values: readonly number[]) => values.reduce((s, v) => s + v, 0) / values.length;

describeEngine("shake", () => {
  test("draws one gate an image in 0..1 for the value, and another for the gradient", () => {
    const { forward, backward } = gates(full, Rng.fromSeed(5));
    for (const gate of [...forward, ...backward]) {
      expect(gate).toBeGreaterThanOrEqual(-1e-4);
      expect(gate).toBeLessThanOrEqual(1 + 1e-4);
    }
    expect(new Set(forward.map((g) => g.toFixed(3))).size).toBe(rows);
    expect(new Set(backward.map((g) => g.toFixed(3))).size).toBe(rows);
    expect(apart(forward, backward)).toBeGreaterThan(1e-3);
    expect(apart(forward, [...backward].reverse())).toBeGreaterThan(1e-3); // not the forward gates in another order
  });

  test("in expectation the gradient is half of what comes from above, and the value the mean of both branches", () => {
    const rng = Rng.fromSeed(6);
    const drawn = Array.from({ length: 400 }, () => gates(full, rng));
    const forward = drawn.flatMap((g) => g.forward);
    const backward = drawn.flatMap((g) => g.backward);
    // 1,200 uniform draws: standard error 0.0083.
    expect(Math.abs(mean(forward) - 0.5)).toBeLessThan(0.04);
    expect(Math.abs(mean(backward) - 0.5)).toBeLessThan(0.04);
    for (const gate of [forward, backward]) {
      expect(Math.abs(mean(gate.map((g) => (g - 0.5) ** 2)) - 1 / 12)).toBeLessThan(0.01);
    }
    // Independent: covariance 0, standard error 1 / 12 / sqrt(1200) = 0.0024; shake-keep would have 1 / 12.
    const covariance = mean(forward.map((g, i) => (g - 0.5) * (backward[i]! - 0.5)));
    expect(Math.abs(covariance)).toBeLessThan(0.012);
  });

  test("without noise both gates are 1/2: the mean of training outputs over gates", () => {
    for (const mode of ["eval", "probe"] as const) {
      const { forward, backward } = gates(full, Rng.fromSeed(5), mode);
      for (const gate of [...forward, ...backward]) expect(gate).toBeCloseTo(0.5, 4);
    }
  });

  test("keep: the gradient's gate is the value's; even: 1/2 in that direction alone", () => {
    const keep = gates({ ...full, backward: "keep" }, Rng.fromSeed(5));
    expect(keep.backward).toBeCloseToTensor(keep.forward, { rtol: 1e-3, atol: 1e-3 });
    const evenBack = gates({ ...full, backward: "even" }, Rng.fromSeed(5));
    for (const gate of evenBack.backward) expect(gate).toBeCloseTo(0.5, 4);
    expect(evenBack.forward).toBeCloseToTensor(keep.forward, { rtol: 1e-3, atol: 1e-3 });
    const evenForward = gates({ ...full, forward: "even" }, Rng.fromSeed(5));
    for (const gate of evenForward.forward) expect(gate).toBeCloseTo(0.5, 4);
    expect(Math.max(...evenForward.backward.map((g) => Math.abs(g - 0.5)))).toBeGreaterThan(0.01);
  });

  test("level batch: one gate for all images in each direction, still two independent ones", () => {
    const { forward, backward } = gates({ ...full, level: "batch" }, Rng.fromSeed(5));
    for (const gate of forward) expect(gate).toBeCloseTo(forward[0]!, 3);
    for (const gate of backward) expect(gate).toBeCloseTo(backward[0]!, 3);
    expect(Math.abs(forward[0]! - backward[0]!)).toBeGreaterThan(1e-3);
  });

  test("a pass without gradients mixes with the same gates and draws as much", () => {
    const [one, two] = [Rng.fromSeed(5), Rng.fromSeed(5)];
    scope(() => {
      const recorded = shake(a.clone().requiresGrad_(), b, full, { mode: "train", rng: one });
      const plain = noGrad(() => shake(a, b, full, { mode: "train", rng: two }));
      expect(plain).toBeCloseToTensor(recorded.toNumbers());
    });
    expect(two.state()).toEqual(one.state());
  });

  test("bfloat16 in, bfloat16 out", () => {
    scope(() => {
      const [x, y] = [a.to("bfloat16").requiresGrad_(), tensor([1, 2], [2, 1, 1, 1]).to("bfloat16")];
      expect(shake(x, x, full, { mode: "train", rng: Rng.fromSeed(1) }).dtype).toBe("bfloat16");
      expect(shake(y, y, full, { mode: "eval", rng: Rng.fromSeed(1) }).toNumbers()).toEqual([1, 2]);
    });
  });
});
