/** Training with less memory changes no bit (segments), or only what batch norm sees (groups of rows). */
import { expect, test } from "vitest";
import { crossEntropy } from "../../src/losses/index.js";
import {
  batchNorm2d,
  conv2d,
  createModel,
  dropout,
  globalAvgPool,
  layer,
  linear,
  type ModelSettings,
  network,
  segment,
  sequential,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { cat, noGrad, normal, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { labelsTensor } from "../support/slow.js";

interface Built {
  norm?: boolean;
  p?: number;
  heads?: number;
  onRun?: () => void;
}

function build(settings: Partial<ModelSettings>, { norm = true, p = 0.5, heads = 1, onRun = () => {} }: Built = {}) {
  const count = layer((x) => {
    onRun();
    return x.mul(1);
  });
  const block = (from: number, to: number) =>
    segment(
      sequential([conv2d(from, to, { kernel: 3, padding: 1 }), ...(norm ? [batchNorm2d(to)] : []), dropout(p), count]),
    );
  const features = sequential({ a: block(3, 4), b: block(4, 4), pool: globalAvgPool() });
  const net = network(heads === 2 ? { features, fc: linear(4, 3), fc2: linear(4, 3) } : { features, fc: linear(4, 3) });
  return createModel(net, { rng: Rng.fromSeed(4), precision: "fp32", device: "cpu", ...settings });
}

const y = [0, 1, 2, 0, 1, 2, 0, 1];

/** Loss, logits, and every gradient and buffer after one backward pass. */
function measure(
  settings: Partial<ModelSettings>,
  about: Built = {},
  rows: readonly (readonly number[])[] = [[0, 1, 2, 3, 4, 5, 6, 7]],
) {
  const model = build(settings, about);
  return scope(() => {
    const x = normal([8, 3, 6, 6], 0, 1, Rng.fromSeed(9));
    const parts = rows.map((group) => {
      const { logits, consistency } = model.forwardHeads(cat(group.map((row) => x.narrow(0, row, 1))), "train");
      const labels = labelsTensor(group.map((row) => y[row]!));
      return crossEntropy(logits, labels, { divideBy: 8 }).add(crossEntropy(consistency, labels, { divideBy: 4 }));
    });
    const loss = parts.reduce((a, b) => a.add(b));
    loss.backward();
    const tensors = [
      ...model.parameters.map(({ name, tensor: t }) => [name, t.grad!.toNumbers()] as const),
      ...model.buffers.map(({ name, tensor: t }) => [name, t.toNumbers()] as const),
    ];
    return { loss: loss.item(), tensors: Object.fromEntries(tensors), state: model.stateDict().values };
  });
}

/** Sums come in another order. */
function expectClose(a: ReturnType<typeof measure>, b: ReturnType<typeof measure>): void {
  expect(a.loss).toBeCloseTo(b.loss, 5);
  for (const [name, values] of Object.entries(a.tensors)) {
    values.forEach((value, i) => void expect(value, name).toBeCloseTo(b.tensors[name]![i]!, 5));
  }
}

describeEngine("segments computed twice", () => {
  test("give the same bits as kept ones: loss, gradients, running statistics and the generator", () => {
    let runs = 0;
    const again = measure({ recompute: true }, { onRun: () => runs++ });
    expect(runs).toBe(4);
    expect(again).toEqual(measure({}));
    expect(again.tensors["features.a.0.weight"]!.some((g) => g !== 0)).toBe(true);
  });

  test("are not computed twice in evaluation", () => {
    let runs = 0;
    const model = build({ recompute: true }, { onRun: () => runs++ });
    scope(() => void model.forward(tensor(new Float32Array(8 * 108), [8, 3, 6, 6]), "eval"));
    expect(runs).toBe(2);
  });

  test("work with autocast: the second run computes in bfloat16 like the first", () => {
    const settings = { precision: "bf16" } as const;
    expect(measure({ ...settings, recompute: true })).toEqual(measure(settings));
  });
});

describeEngine("a batch in groups of rows", () => {
  test("is the whole batch where rows do not depend on each other, with one head and with two", () => {
    for (const heads of [1, 2]) {
      const about = { norm: false, p: 0, heads };
      expectClose(measure({ accumulate: 3 }, about), measure({}, about));
    }
  });

  test("with batch norm and dropout is the sum over groups passed one after the other: every second row a group", () => {
    const rows = [
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ];
    for (const recompute of [false, true]) {
      expectClose(measure({ accumulate: 2, recompute }), measure({}, {}, rows));
    }
    expect(measure({ accumulate: 2 }).loss).not.toBeCloseTo(measure({}).loss, 5);
  });

  test("features too: groups have statistics of their own, and their gradients add up", () => {
    const groups = [
      [0, 2, 4, 6],
      [1, 3, 5, 7],
    ];
    const passed = (accumulate: number, rows: readonly (readonly number[])[]) => {
      let runs = 0;
      const model = build({ accumulate }, { p: 0, onRun: () => runs++ });
      return scope(() => {
        const x = normal([8, 3, 6, 6], 0, 1, Rng.fromSeed(9));
        const parts = rows.map((group) =>
          model.features(cat(group.map((row) => x.narrow(0, row, 1))), { mode: "train", updateStatistics: false }),
        );
        const order = rows.flat();
        const joined = cat(order.map((_, row) => cat(parts).narrow(0, order.indexOf(row), 1)));
        joined
          .mul(normal([8, 4], 0, 1, Rng.fromSeed(10)))
          .sum()
          .backward();
        const gradient = model.parameters[0]!.tensor.grad!.toNumbers();
        return { values: joined.toNumbers(), gradient, runs };
      });
    };
    const [grouped, apart, whole] = [
      passed(2, [[0, 1, 2, 3, 4, 5, 6, 7]]),
      passed(1, groups),
      passed(1, [[0, 1, 2, 3, 4, 5, 6, 7]]),
    ];
    grouped.values.forEach((value, i) => void expect(value).toBeCloseTo(apart.values[i]!, 5));
    grouped.gradient.forEach((value, i) => void expect(value).toBeCloseTo(apart.gradient[i]!, 5));
    expect(Math.max(...grouped.values.map((value, i) => Math.abs(value - whole.values[i]!)))).toBeGreaterThan(1e-3);
    expect(grouped.runs).toBe(8); // two blocks in two groups, twice
  });

  test("has the same bits with segments computed twice", () => {
    expect(measure({ accumulate: 3, recompute: true })).toEqual(measure({ accumulate: 3 }));
  });

  test("has a share of each part of a joint batch in every group: strong rows get no statistics of their own", () => {
    // 2 labeled, 4 weak and 4 strong rows, as methods join them; strong ones lie far away.
    const strongLogits = (accumulate: number, joint: boolean) => {
      const model = build({ accumulate }, { p: 0 });
      return scope(() => {
        const near = normal([6, 3, 6, 6], 0, 1, Rng.fromSeed(9));
        const strong = normal([4, 3, 6, 6], 5, 1, Rng.fromSeed(10));
        const all = joint
          ? model.forward(cat([near, strong]), "train").narrow(0, 6, 4)
          : model.forward(strong, "train");
        return all.toNumbers();
      });
    };
    const distance = (a: number[], b: number[]) => Math.hypot(...a.map((v, i) => v - b[i]!));
    const [alone, whole, grouped] = [strongLogits(1, false), strongLogits(1, true), strongLogits(2, true)];
    expect(distance(grouped, whole)).toBeLessThan(0.5 * distance(grouped, alone));
  });

  test("comes back in its order, where groups differ in size", () => {
    const model = build({ accumulate: 3 }, { p: 0, norm: false });
    const plain = build({}, { p: 0, norm: false });
    scope(() => {
      const x = normal([8, 3, 6, 6], 0, 1, Rng.fromSeed(9));
      const [a, b] = [model.forward(x, "train").toNumbers(), plain.forward(x, "train").toNumbers()];
      a.forEach((v, i) => void expect(v).toBeCloseTo(b[i]!, 5));
    });
  });

  test("may be more groups than rows", () => {
    const about = { norm: false, p: 0 };
    expectClose(measure({ accumulate: 50 }, about), measure({}, about));
  });
});

describeEngine("a pass that is computed twice waits in a scope", () => {
  test.each([{ recompute: true }, { accumulate: 2 }])(
    "%o: outside of all it is refused, not silently without gradients",
    (settings) => {
      const model = build(settings);
      const x = normal([8, 3, 6, 6], 0, 1, Rng.fromSeed(9));
      expect(() => model.forward(x, "train")).toThrow(/into one scope/);
      scope(() => model.forward(x, "train").sum().backward());
      for (const { name, tensor: t } of model.parameters) expect(t.grad, name).toBeDefined();
      expect(noGrad(() => model.forward(x, "train")).shape).toEqual([8, 3]);
      x.release();
    },
  );
});
