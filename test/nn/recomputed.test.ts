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
import { normal, scope, tensor } from "../../src/torch/index.js";
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
function measure(settings: Partial<ModelSettings>, about: Built = {}, rows: [number, number][] = [[0, 8]]) {
  const model = build(settings, about);
  return scope(() => {
    const x = normal([8, 3, 6, 6], 0, 1, Rng.fromSeed(9));
    const parts = rows.map(([start, end]) => {
      const { logits, consistency } = model.forwardHeads(x.narrow(0, start, end - start), "train");
      const labels = labelsTensor(y.slice(start, end));
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

  test("with batch norm and dropout is the sum over groups passed one after the other", () => {
    const rows: [number, number][] = [
      [0, 4],
      [4, 8],
    ];
    for (const recompute of [false, true]) {
      expectClose(measure({ accumulate: 2, recompute }), measure({}, {}, rows));
    }
    expect(measure({ accumulate: 2 }).loss).not.toBeCloseTo(measure({}).loss, 5);
  });

  test("may be more groups than rows", () => {
    const about = { norm: false, p: 0 };
    expectClose(measure({ accumulate: 50 }, about), measure({}, about));
  });
});
