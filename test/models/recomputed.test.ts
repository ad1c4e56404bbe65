/** `--recompute` of the networks that have segments: the same gradients as without. */
import { expect, test } from "vitest";
import { crossEntropy } from "../../src/losses/index.js";
import { findModel } from "../../src/models/index.js";
import { createModel } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { normal, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";

const size = 32;

/** All gradients of one training pass, by the names of the parameters. */
function gradients(name: string, more: object, recompute: boolean): Map<string, number[]> {
  const { definition, preset } = findModel(name);
  const options = parseOptions(definition.options, { ...preset, ...more }, name);
  const net = definition.create({ channels: 3, height: size, width: size, numClasses: 3 }, options as never);
  const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu", recompute });
  return scope(() => {
    const x = normal([4, 3, size, size], 0, 1, Rng.fromSeed(2)).contiguous("channelsLast");
    crossEntropy(model.forward(x, "train"), tensor([0, 1, 2, 0], [4], "int64")).backward();
    return new Map(model.parameters.map((p) => [p.name, p.tensor.grad!.toNumbers()]));
  });
}

describeEngine("networks computed twice", () => {
  test.each<[string, object]>([
    ["wide-resnet", { depth: 10, width: 1 }],
    ["mobilenet-v2", { width: 0.25 }],
    ["mobilenet-v3", { size: "small", width: 0.25 }],
    ["efficientnet", { width: 0.25, depth: 0.3 }],
    ["vit", { size: 24, layers: 3, attentionHeads: 3, dropConnect: 0.3, dropout: 0.1 }],
    ["shake-shake-26", { width: 4, finalRelu: true }],
  ])("%s %o: the same bits", (name, more) => {
    const [again, plain] = [gradients(name, more, true), gradients(name, more, false)];
    const differ = [...plain].filter(([parameter, kept]) => kept.some((g, i) => g !== again.get(parameter)![i]));
    expect(differ.map(([parameter]) => parameter)).toEqual([]);
  });

  // Behind the last block comes the mean alone, whose gradient lies in memory in another order than what a leaf keeps of it.
  test.each<[string, object]>([
    ["shake-shake-26", { width: 4 }],
    ["convnext", { width: 0.1, depth: 0.3 }],
  ])("%s %o: the same up to rounding", (name, more) => {
    const [again, plain] = [gradients(name, more, true), gradients(name, more, false)];
    const largest = [...plain.values()].flat().reduce((most, g) => Math.max(most, Math.abs(g)), 0);
    for (const [parameter, kept] of plain) {
      const apart = again.get(parameter)!.reduce((most, g, i) => Math.max(most, Math.abs(g - kept[i]!)), 0);
      expect(apart, parameter).toBeLessThan(1e-5 * largest);
    }
  });
});
