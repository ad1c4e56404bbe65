// Outputs and gradients against torchvision with the same weights: see make-torchvision-references.py.
import { expect, test } from "vitest";
import { findModel } from "../../src/models/index.js";
import { createModel, type NamedTensor } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { digestError, fill, relativeError, torchvisionReference, values } from "../support/torchvision.js";

/** Network, and options that switch off what draws at random or differs from torchvision. */
const networks: [string, Record<string, unknown>][] = [
  ["resnet-18", {}],
  ["resnet-50", {}],
  ["resnext-50", {}],
  ["resnet-34", {}],
  ["mobilenet-v2", { dropout: 0 }],
  ["mobilenet-v3-large", { dropout: 0 }],
  ["mobilenet-v3-small", { dropout: 0 }],
  ["convnext-tiny", { dropConnect: 0, width: 0.25 }],
  ["vit-b16", { layers: 2, size: 192, attentionHeads: 3 }],
];

describeEngine("torchvision's networks", () => {
  for (const [name, options] of networks) {
    const reference = torchvisionReference(name);
    const { size, rows, classes: numClasses } = reference;
    for (const mode of ["train", "eval"] as const) {
      test(`${name} in ${mode} mode: logits, all gradients and running statistics within 1e-4`, () => {
        const { definition, preset } = findModel(name);
        const input = { channels: 3, height: size, width: size, numClasses };
        const given = parseOptions(definition.options, { ...preset, ...options }, name);
        const settings = { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" } as const;
        const model = createModel(definition.create(input, given), settings);
        const wanted = reference[mode];
        scope(() => {
          fill(model, wanted.lift);
          const pixels = values(wanted.input, rows * 3 * size * size).map((v) => v * 1.5);
          const x = tensor(Float32Array.from(pixels), [rows, 3, size, size]).contiguous("channelsLast");
          const upstream = tensor(Float32Array.from(values("upstream", rows * numClasses)), [rows, numClasses]);
          const logits = model.forward(x, mode);
          expect(relativeError(logits.toNumbers(), wanted.logits)).toBeLessThan(1e-4);
          logits.mul(upstream).sum().backward();
          const gradients = model.parameters.map(({ name, tensor: t }): NamedTensor => ({ name, tensor: t.grad! }));
          expect(gradients.map((g) => g.name).toSorted()).toEqual(Object.keys(wanted.gradients).toSorted());
          expect(digestError(gradients, wanted.gradients)).toBeLessThan(1e-4);
          if (mode === "train") {
            expect(model.buffers.map((b) => b.name).toSorted()).toEqual(Object.keys(wanted.buffers).toSorted());
            expect(digestError(model.buffers, wanted.buffers)).toBeLessThan(1e-4);
          }
        });
        for (const { tensor: t } of [...model.parameters, ...model.buffers]) t.release();
      });
    }
  }
});
