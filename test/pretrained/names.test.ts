// Weights under the names of others: DINOv2's against PyTorch (test/reference/make-dinov2-reference.py), timm's by shape; recognition.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { findModel } from "../../src/models/index.js";
import { createModel, namedBuffers, namedParameters, withoutValues } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { inOurNames } from "../../src/pretrained/names.js";
import { recognize } from "../../src/pretrained/recognize.js";
import { Rng } from "../../src/rng.js";
import type { RawTensor } from "../../src/run/index.js";
import { loadWeights } from "../../src/session/weights.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { type Digest, digestError, relativeError, tensorValues, values } from "../support/torchvision.js";
import { removeFolder, temporaryFolder } from "../support/train-run.js";

const folder = temporaryFolder();
afterAll(() => removeFolder(folder));

interface DinoReference {
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly features: readonly number[];
  readonly gradients: Readonly<Record<string, Digest>>;
}
const dino: DinoReference = JSON.parse(
  readFileSync(new URL("../reference/torchvision/dinov2.json", import.meta.url), "utf8"),
);

const rawTensor = (shape: readonly number[], numbers: Float32Array): RawTensor => ({
  dtype: "F32",
  shape,
  bytes: new Uint8Array(numbers.buffer),
});
/** Shapes alone. */
const shaped = (shapes: Readonly<Record<string, readonly number[]>>) =>
  new Map(
    Object.entries(shapes).map(([name, shape]) => [name, { dtype: "F32" as const, shape, bytes: new Uint8Array(0) }]),
  );

describeEngine("DINOv2's names", () => {
  test("features and gradients equal PyTorch's, with its table of 6 x 6 positions for 4 x 4 patches", () => {
    const path = join(folder, "dino.safetensors");
    const file = Object.entries(dino.shapes).map(([name, shape]) => [
      name,
      rawTensor(shape, tensorValues(name, shape)),
    ]);
    writeSafetensors(path, Object.fromEntries(file));
    const { definition, preset } = findModel("vit-s14");
    const options = parseOptions(definition.options, { ...preset, size: 48, layers: 2, attentionHeads: 3 }, "vit");
    const net = definition.create({ channels: 3, height: 56, width: 56, numClasses: 4 }, options);
    const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    const remarks = loadWeights(model, path);
    expect(remarks.join()).toMatch(/heads.head is not in the file, so this head starts with fresh weights/);
    scope(() => {
      const x = tensor(
        Float32Array.from(values("input", 2 * 3 * 56 * 56), (v) => v * 1.5),
        [2, 3, 56, 56],
      );
      const features = model.features(x);
      expect(relativeError(features.toNumbers(), dino.features)).toBeLessThan(1e-4);
      const upstream = tensor(Float32Array.from(values("upstream", 2 * 48)), [2, 48]);
      features.mul(upstream).sum().backward();
      const renamed = inOurNames(shaped(Object.fromEntries(Object.keys(dino.gradients).map((name) => [name, [1]]))));
      const ours = new Map(Object.keys(dino.gradients).map((name, i) => [[...renamed.keys()][i]!, name]));
      const gradients = model.parameters.flatMap(({ name, tensor: t }) =>
        ours.has(name) ? [{ name: ours.get(name)!, tensor: t.grad! }] : [],
      );
      expect(gradients).toHaveLength(Object.keys(dino.gradients).length);
      expect(digestError(gradients, dino.gradients)).toBeLessThan(1e-4);
    });
    for (const { tensor: t } of [...model.parameters, ...model.buffers]) t.release();
  });

  test("another patch size is not resampled but refused, and the file recognized is named", () => {
    const { definition } = findModel("vit");
    const options = parseOptions(definition.options, { size: 48, layers: 2, attentionHeads: 3, patch: 8 }, "vit");
    const net = definition.create({ channels: 3, height: 56, width: 56, numClasses: 4 }, options);
    const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    expect(() => loadWeights(model, join(folder, "dino.safetensors"))).toThrow(
      /conv_proj.weight \(\[48, 3, 14, 14\] there/,
    );
  });
});

/** Names and shapes of a network with that many classes. */
function shapesOf(name: string, numClasses = 7): Record<string, readonly number[]> {
  return withoutValues(() => {
    const { definition, preset } = findModel(name);
    const input = { channels: 3, height: 224, width: 224, numClasses };
    const net = definition.create(input, parseOptions(definition.options, { ...preset }, name));
    return Object.fromEntries(
      [...namedParameters(net), ...namedBuffers(net)].map(({ name: n, tensor: t }) => [n, t.shape]),
    );
  });
}

describeEngine("recognize", () => {
  for (const name of [
    "resnet-18",
    "resnet-50",
    "mobilenet-v2",
    "mobilenet-v3-small",
    "convnext-tiny",
    "vit-s14",
    "efficientnet-b0",
  ]) {
    test(`${name} by names and shapes, with its number of classes`, () => {
      expect(recognize(shaped(shapesOf(name)))).toEqual({ model: name, numClasses: 7 });
    });
  }

  test("nothing it knows: undefined", () => {
    const { "layer1.0.conv1.weight": _, ...rest } = shapesOf("resnet-18");
    expect(recognize(shaped(rest))).toBeUndefined();
    expect(recognize(shaped({ ...shapesOf("resnet-18"), more: [1] }))).toBeUndefined();
  });

  test("weights for another network are refused with the name of the right one", () => {
    const path = join(folder, "resnet18.safetensors");
    const zeros = Object.entries(shapesOf("resnet-18")).map(([name, shape]) => {
      return [name, rawTensor(shape, new Float32Array(shape.reduce((a, b) => a * b, 1)))];
    });
    writeSafetensors(path, Object.fromEntries(zeros));
    const { definition, preset } = findModel("mobilenet-v3-small");
    const net = definition.create(
      { channels: 3, height: 64, width: 64, numClasses: 4 },
      parseOptions(definition.options, { ...preset }, "m"),
    );
    const model = createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
    expect(() => loadWeights(model, path)).toThrow(/They are those of resnet-18: use --model resnet-18/);
  });
});

describe("timm's ConvNeXt", () => {
  test("its names become torchvision's, its scales columns", () => {
    const theirs = {
      "stem.0.weight": [96, 3, 4, 4],
      "stem.1.bias": [96],
      "stages.0.blocks.0.conv_dw.weight": [96, 1, 7, 7],
      "stages.0.blocks.2.norm.weight": [96],
      "stages.2.blocks.8.mlp.fc1.bias": [1536],
      "stages.3.blocks.1.mlp.fc2.weight": [768, 3072],
      "stages.1.blocks.0.gamma": [192],
      "stages.1.downsample.0.weight": [96],
      "stages.3.downsample.1.weight": [768, 384, 2, 2],
      "head.norm.weight": [768],
      "head.fc.weight": [1000, 768],
    };
    const ours = inOurNames(shaped(theirs));
    const wanted = shapesOf("convnext-tiny", 1000);
    expect([...ours.keys()].filter((name) => !(name in wanted))).toEqual([]);
    for (const [name, { shape }] of ours) expect(shape, name).toEqual(wanted[name]);
    expect(ours.size).toBe(Object.keys(theirs).length);
  });
});
