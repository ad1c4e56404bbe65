import { expect, test } from "vitest";
import {
  batchNorm2d,
  conv2d,
  createModel,
  dropout,
  globalAvgPool,
  linear,
  type ModelSettings,
  network,
  segment,
  sequential,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { normal, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

function build(more: Partial<ModelSettings> = {}, prefix = "", headDropout = 0) {
  const features = sequential({
    conv1: segment(sequential([conv2d(3, 4, { kernel: 3, bias: true }), batchNorm2d(4), dropout(0.5)])),
    pool: globalAvgPool(),
  });
  const head = () => sequential([dropout(headDropout), linear(4, 5)]);
  const names = { features: prefix, fc: "classifier", fc2: "classifier2" };
  const net = network({ features, fc: head(), fc2: head() }, names);
  return createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu", ...more });
}

const x = normal([6, 3, 4, 4], 0, 1, Rng.fromSeed(7)).keep();

describeEngine("names of parts", () => {
  test("features without a name move to the top; heads are called as asked; each tensor knows its part", () => {
    const { parameters, buffers } = build();
    expect(parameters.map(({ name, part }) => `${name} ${part}`)).toEqual([
      "conv1.0.weight backbone",
      "conv1.0.bias backbone",
      "conv1.1.weight backbone",
      "conv1.1.bias backbone",
      "classifier.1.weight head",
      "classifier.1.bias head",
      "classifier2.1.weight head",
      "classifier2.1.bias head",
    ]);
    expect(buffers.map(({ name, part }) => `${name} ${part}`)).toEqual([
      "conv1.1.running_mean backbone",
      "conv1.1.running_var backbone",
    ]);
    expect(build({}, "body").parameters[0]!.name).toBe("body.conv1.0.weight");
  });
});

describeEngine("a frozen backbone", () => {
  test("runs as in evaluation though the heads train: no dropout, statistics untouched", () => {
    const model = build({ freeze: "backbone" });
    const before = model.buffers.map(({ tensor }) => tensor.toArray());
    scope(() => {
      const [once, again] = [0, 1].map(() => model.forward(x, "train").toNumbers());
      expect(once).toEqual(again);
      expect(once).toEqual(model.forward(x, "eval").toNumbers());
      expect(once).not.toEqual(build().forward(x, "train").toNumbers());
    });
    expect(model.buffers.map(({ tensor }) => tensor.toArray())).toEqual(before);
  });

  test("leaves dropout of the head on", () => {
    const model = build({ freeze: "backbone" }, "", 0.5);
    scope(() => expect(model.forward(x, "train").toNumbers()).not.toEqual(model.forward(x, "train").toNumbers()));
  });

  for (const memory of [{}, { recompute: true }, { accumulate: 3 }, { recompute: true, accumulate: 2 }]) {
    test(`sends gradients to the heads alone, the whole batch's ones (${JSON.stringify(memory)})`, () => {
      const gradients = (more: object) => {
        const model = build({ freeze: "backbone", ...more });
        return scope(() => {
          const { logits, consistency } = model.forwardHeads(x, "train");
          logits.mul(logits).sum().add(consistency.sum()).backward();
          return model.parameters.map(({ name, tensor }) => [name, tensor.grad?.toNumbers()] as const);
        });
      };
      const plain = new Map(gradients({}));
      for (const [name, grad] of gradients(memory)) {
        expect(grad !== undefined, name).toBe(name.startsWith("classifier"));
        for (const [i, g] of (grad ?? []).entries()) expect(g).toBeCloseTo(plain.get(name)![i]!, 4);
      }
    });
  }
});
