import { expect, test } from "vitest";
import { DataError } from "../../src/errors.js";
import {
  batchNorm2d,
  conv2d,
  createModel,
  dropout,
  forwardJoint,
  globalAvgPool,
  linear,
  type Model,
  network,
  sequential,
  splitRows,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { arange, liveTensors, noGrad, normal, scope, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";

const channels = 4;

function build({ seed = 1, heads = 1, reverse = false, role = "m" } = {}): Model {
  const parts = {
    drop: () => dropout(0.5),
    conv: () => conv2d(3, channels, { kernel: 3, bias: true }),
    norm: () => batchNorm2d(channels),
    pool: () => globalAvgPool(),
  };
  // The same tree, its parts made in one order or the other.
  const keys = Object.keys(parts) as (keyof typeof parts)[];
  const made = new Map((reverse ? [...keys].reverse() : keys).map((key) => [key, parts[key]()]));
  const features = sequential(Object.fromEntries(keys.map((key) => [key, made.get(key)!])));
  const head = () => linear(channels, 5);
  const net = network(heads === 2 ? { features, fc: head(), fc2: head() } : { features, fc: head() });
  return createModel(net, { rng: Rng.fromSeed(seed).split(role), precision: "fp32", device: "cpu" });
}

const values = (model: Model) =>
  Object.fromEntries([...model.parameters, ...model.buffers].map(({ name, tensor }) => [name, tensor.toArray()]));
const images = normal([6, 3, 4, 4], 0, 1, Rng.fromSeed(7)).keep();
const logitsOf = (model: Model, mode: "train" | "eval") => scope(() => model.forward(images, mode).toArray());

describeEngine("names", () => {
  test("are PyTorch's, dotted, in the order of the layers", () => {
    const model = build({ heads: 2 });
    expect(model.parameters.map(({ name }) => name)).toEqual([
      "features.conv.weight",
      "features.conv.bias",
      "features.norm.weight",
      "features.norm.bias",
      "fc.weight",
      "fc.bias",
      "fc2.weight",
      "fc2.bias",
    ]);
    expect(model.buffers.map(({ name }) => name)).toEqual(["features.norm.running_mean", "features.norm.running_var"]);
    expect(model.parameters.every(({ tensor }) => tensor.requiresGrad && tensor.isKept)).toBe(true);
    expect(model.buffers.some(({ tensor }) => tensor.requiresGrad)).toBe(false);
  });

  test("convolution weights lie in channels_last layout", () => {
    expect(build().parameters[0]!.tensor.isChannelsLast).toBe(true);
  });
});

describeEngine("createModel", () => {
  test("the same generator gives the same weights and the same passes", () => {
    const [a, b] = [build(), build()];
    expect(values(a)).toEqual(values(b));
    expect(logitsOf(a, "train")).toEqual(logitsOf(b, "train"));
    expect(logitsOf(a, "train")).toEqual(logitsOf(b, "train")); // the second draws agree too
  });

  test("weights do not depend on the order in which the parts were made", () => {
    expect(values(build({ reverse: true }))).toEqual(values(build()));
  });

  test("another seed or role gives other weights, and no two layers share theirs", () => {
    const [a, b, c] = [build(), build({ seed: 2 }), build({ role: "other" })].map(values);
    expect(b!["fc.weight"]).not.toEqual(a!["fc.weight"]);
    expect(c!["fc.weight"]).not.toEqual(a!["fc.weight"]);
    const two = values(build({ heads: 2 }));
    expect(two["fc2.weight"]).not.toEqual(two["fc.weight"]);
    expect(two["fc.weight"]).toEqual(a!["fc.weight"]); // a second head leaves the rest alone
  });

  test("fresh weights lie within PyTorch's bounds and fill them", () => {
    const model = build();
    const bounds: [string, number][] = [
      ["features.conv.weight", 1 / Math.sqrt(27)],
      ["fc.weight", 1 / Math.sqrt(channels)],
    ];
    for (const [name, bound] of bounds) {
      const largest = Math.max(...Array.from(values(model)[name] as Float32Array, Math.abs));
      expect(largest).toBeLessThanOrEqual(bound);
      expect(largest).toBeGreaterThan(0.8 * bound);
    }
  });

  test("eval draws nothing and repeats itself; train draws", () => {
    const model = build();
    const drawn = () => (model.stateDict().values.generator as { drawn: number }).drawn;
    expect(logitsOf(model, "eval")).toEqual(logitsOf(model, "eval"));
    expect(drawn()).toBe(0);
    logitsOf(model, "train");
    expect(drawn()).toBeGreaterThan(0);
  });

  test("a pass leaves one live tensor, its logits", () => {
    const model = build();
    scope(() => {
      const before = liveTensors();
      model.forward(images, "train");
      expect(liveTensors() - before).toBe(1);
    });
    const two = build({ heads: 2 });
    scope(() => {
      const before = liveTensors();
      const { logits, consistency } = two.forwardHeads(images, "train");
      expect([liveTensors() - before, consistency === logits]).toEqual([2, false]);
    });
  });

  test("with one head the consistency logits are the class logits, the same tensor", () => {
    scope(() => {
      const { logits, consistency } = build().forwardHeads(images, "eval");
      expect(consistency).toBe(logits);
    });
  });

  test("a pass may bring its own generator and leaves the model's alone", () => {
    const [a, b] = [build(), build()];
    const own = (model: Model) => scope(() => model.forward(images, { mode: "train", rng: Rng.fromSeed(3) }).toArray());
    expect(own(a)).toEqual(own(b));
    expect(a.stateDict().values.generator).toMatchObject({ drawn: 0 });
  });
});

describeEngine("state of a model", () => {
  test("put into a fresh model it repeats outputs bit for bit, draws of dropout included", () => {
    const [a, b] = [build(), build({ heads: 1 })];
    logitsOf(a, "train");
    noGrad(() => a.parameters[0]!.tensor.mul_(1.5));
    expect(logitsOf(b, "eval")).not.toEqual(logitsOf(a, "eval"));
    b.loadStateDict(a.stateDict());
    expect(values(b)).toEqual(values(a));
    expect(b.stateDict().values).toEqual(a.stateDict().values);
    expect(logitsOf(b, "train")).toEqual(logitsOf(a, "train"));
  });

  test("is copied in place: loading changes neither objects nor the source", () => {
    const [a, b] = [build(), build({ seed: 1 })];
    const objects = b.parameters.map(({ tensor }) => tensor);
    noGrad(() => a.parameters[0]!.tensor.fill_(2));
    b.loadStateDict(a.stateDict());
    expect(b.parameters.map(({ tensor }) => tensor)).toEqual(objects);
    noGrad(() => b.parameters[0]!.tensor.fill_(3));
    expect(a.parameters[0]!.tensor.toNumbers()[0]).toBe(2);
    expect(b.parameters[0]!.tensor.requiresGrad).toBe(true);
  });

  test("one that does not fit is a DataError listing every missing, unexpected and mis-shaped name", () => {
    const model = build();
    const before = values(model);
    const { tensors, values: json } = model.stateDict();
    const { "fc.bias": _, ...rest } = tensors;
    const wrong = { ...rest, "fc.weight": zeros([2, 2]), "extra.weight": zeros([1]) };
    const load = () => model.loadStateDict({ tensors: wrong, values: json });
    expect(load).toThrow(DataError);
    expect(load).toThrow(/fc\.bias is missing/);
    expect(load).toThrow(/extra\.weight is not part of this model/);
    expect(load).toThrow(/fc\.weight is 2x2, expected 5x4/);
    expect(values(model)).toEqual(before);
  });
});

describeEngine("joint passes", () => {
  test("splitRows gives consecutive groups, empty ones too", () => {
    scope(() => {
      const parts = splitRows(arange(6).reshape([6, 1]), [2, 0, 3, 1]);
      expect(parts.map((t) => t.toNumbers())).toEqual([[0, 1], [], [2, 3, 4], [5]]);
    });
  });

  test("forwardJoint is one batch-norm batch, taken apart again", () => {
    scope(() => {
      const pass = { mode: "probe" } as const;
      const model = build();
      const [a, b] = [images.narrow(0, 0, 2), images.narrow(0, 2, 4)];
      const [first, second] = forwardJoint(model, [a, b], pass);
      const whole = model.forward(images, pass).toNumbers();
      expect([...first!.toNumbers(), ...second!.toNumbers()]).toEqual(whole);
      expect(model.forward(a, pass).toNumbers()).not.toBeCloseToTensor(first!.toNumbers());
    });
  });
});
