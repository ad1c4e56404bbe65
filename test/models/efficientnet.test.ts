import { expect, test } from "vitest";
import { findByName } from "../../src/errors.js";
import { efficientnet } from "../../src/models/efficientnet.js";
import { createModel, initialize, type Model, namedParameters, withoutValues } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { noGrad, normal, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { digest, digestError, fill, relativeError, torchvisionReference, values } from "../support/torchvision.js";

const input = (side: number, numClasses: number) => ({ channels: 3, height: side, width: side, numClasses });

function create(name: string, side: number, numClasses: number, options: Record<string, unknown> = {}) {
  const { preset } = findByName([efficientnet], "model", name);
  return efficientnet.create(
    input(side, numClasses),
    parseOptions(efficientnet.options, { ...preset, ...options }, name),
  );
}

function build(name: string, side: number, numClasses: number, options: Record<string, unknown> = {}): Model {
  const net = create(name, side, numClasses, options);
  return createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu" });
}

function release(model: Model): void {
  for (const { tensor } of [...model.parameters, ...model.buffers]) tensor.release();
}

/** A network of two blocks a stage and few channels. */
const tiny = { width: 0.25, depth: 0.6 };

describeEngine("efficientnet: parameters", () => {
  // methods.md 3.6 and 7; B1 to B6 as published with torchvision's weights.
  const counts: [string, number, number][] = [
    ["efficientnet-b0", 1000, 5_288_548],
    ["efficientnet-b0", 10, 4_020_358],
    ["efficientnet-b1", 1000, 7_794_184],
    ["efficientnet-b2", 1000, 9_109_994],
    ["efficientnet-b3", 1000, 12_233_232],
    ["efficientnet-b4", 1000, 19_341_616],
    ["efficientnet-b5", 1000, 30_389_784],
    ["efficientnet-b6", 1000, 43_040_704],
    ["efficientnet-b7", 1000, 66_347_960],
    ["efficientnet-b7", 10, 63_812_570],
    ["efficientnet-b6-wide", 1000, 316_649_180],
    ["efficientnet-l2", 1000, 480_309_308],
  ];
  for (const [name, classes, count] of counts) {
    test(`${name}, ${classes} classes: ${count}`, () => {
      const list = namedParameters(withoutValues(() => create(name, 224, classes)));
      expect(list.reduce((sum, p) => sum + p.tensor.numel, 0)).toBe(count);
      for (const p of list) p.tensor.release();
    });
  }

  test("B7 has 4, 7, 7, 10, 10, 13, 4 blocks of 32, 48, 80, 160, 224, 384, 640 channels, stem 64, head 2560", () => {
    const list = namedParameters(withoutValues(() => create("efficientnet-b7", 224, 1000)));
    const outputs = new Map(list.map(({ name, tensor: t }) => [name, t.shape[0]]));
    const blocks = [1, 2, 3, 4, 5, 6, 7].map((stage) => {
      const last = (i: number) => outputs.get(`features.${stage}.${i}.block.${stage === 1 ? 2 : 3}.0.weight`);
      let count = 0;
      while (last(count) !== undefined) count++;
      return [count, last(0)];
    });
    expect(blocks).toEqual([
      [4, 32],
      [7, 48],
      [7, 80],
      [10, 160],
      [10, 224],
      [13, 384],
      [4, 640],
    ]);
    expect([outputs.get("features.0.0.weight"), outputs.get("features.8.0.weight")]).toEqual([64, 2560]);
    for (const p of list) p.tensor.release();
  });
});

describeEngine("efficientnet agrees with torchvision", () => {
  for (const [name, blocks, eachTensor] of [
    ["efficientnet-b0", 16, 1e-4],
    // Not behind the first three blocks: a padded convolution follows there. Single tensors: PyTorch's own float32 is off
    // by up to 2.4e-4 from its float64.
    ["efficientnet-b7", 52, 5e-4],
  ] as const) {
    const reference = torchvisionReference(name);
    for (const mode of ["train", "eval"] as const) {
      test(`${name}, ${mode}: logits, every gradient and every running statistic`, { timeout: 120_000 }, () => {
        const { size, rows, classes } = reference;
        // In eval the running statistics are those of the same batch: with arbitrary ones the signal fades on the way.
        const model = build(name, size, classes, {
          dropout: 0,
          dropConnect: 0,
          ...(mode === "eval" && { normKeep: 0 }),
        });
        fill(model);
        expect(model.parameters.map((p) => p.name).sort()).toEqual(Object.keys(reference[mode].gradients).sort());
        scope(() => {
          const pixels = Float32Array.from(values("input", rows * 3 * size * size), (v) => 1.5 * v);
          const x = tensor(pixels, [rows, 3, size, size]);
          if (mode === "eval") noGrad(() => model.forward(x, "train"));
          const logits = model.forward(x, mode);
          expect(relativeError(logits.toNumbers(), reference[mode].logits)).toBeLessThan(1e-4);
          const upstream = Float32Array.from(values("upstream", rows * classes));
          logits
            .mul(tensor(upstream, [rows, classes]))
            .sum()
            .backward();
          const wanted = reference[mode].gradients;
          const gradients = model.parameters.map((p) => ({ name: p.name, tensor: p.tensor.grad! }));
          // An offset at the end of a block is taken away by the next batch norm: no gradient in exact arithmetic.
          const [none, some] = [true, false].map((b) => gradients.filter((g) => wanted[g.name]![0] < 1e-9 === b));
          expect(none!.length).toBe(mode === "train" ? blocks : 0);
          for (const g of none!) {
            const layer = wanted[g.name.replace(/bias$/, "weight")]![0];
            expect(digest(g.name, g.tensor)[0], g.name).toBeLessThan(1e-4 * layer);
          }
          expect(digestError(some!, wanted)).toBeLessThan(eachTensor);
          const errors = some!.map((g) => Math.sqrt(3) * Math.abs(digest(g.name, g.tensor)[1] - wanted[g.name]![1]));
          const norms = some!.map((g) => wanted[g.name]![0]);
          expect(Math.hypot(...errors) / Math.hypot(...norms)).toBeLessThan(2e-5); // all gradients as one vector
          if (mode === "train") expect(digestError(model.buffers, reference.train.buffers)).toBeLessThan(1e-4);
        });
        release(model);
      });
    }
  }
});

describeEngine("efficientnet: options", () => {
  /** Side of the maps before the average, for images of `side` pixels. */
  const mapSide = (side: number, options: Record<string, unknown>) => {
    const net = create("efficientnet", side, 10, { ...tiny, ...options });
    const { features } = net.children;
    const sides: number[] = [];
    scope(() => {
      let h = normal([2, 3, side, side], 0, 1, Rng.fromSeed(2));
      for (const part of Object.values(features!.children)) {
        h = part.forward(h, { mode: "probe", rng: Rng.fromSeed(3) });
        sides.push(h.size(2));
      }
    });
    return sides;
  };
  test("small images keep their size through the stem and stages 2 and 3: 32 pixels end as 8, 64 as 2", () => {
    expect(mapSide(32, {})).toEqual([32, 32, 32, 32, 16, 16, 8, 8, 8]);
    expect(mapSide(32, { strides: "imagenet" })).toEqual([16, 16, 8, 4, 2, 2, 1, 1, 1]);
    expect(mapSide(64, {})).toEqual([32, 32, 16, 8, 4, 4, 2, 2, 2]);
    expect(mapSide(64, { strides: "cifar" })).toEqual([64, 64, 64, 64, 32, 32, 16, 16, 16]);
  });
  test("both paddings give ceil(size / 2), but not the same values", () => {
    expect(mapSide(75, { padding: "tf" })).toEqual(mapSide(75, { padding: "torch" }));
    const logits = ["torch", "tf"].map((padding) => {
      const model = build("efficientnet", 64, 10, { ...tiny, padding });
      const y = scope(() => model.forward(normal([2, 3, 64, 64], 0, 1, Rng.fromSeed(2)), "probe").toNumbers());
      release(model);
      return y;
    });
    expect(logits[0]).not.toEqual(logits[1]);
  });
  test("drop-connect acts in train alone, differs from image to image, and a pass without dropout has none", () => {
    const model = build("efficientnet", 32, 10, { ...tiny, dropout: 0, dropConnect: 0.8 });
    scope(() => {
      const x = normal([2, 3, 32, 32], 0, 1, Rng.fromSeed(2));
      const run = (mode: "train" | "eval" | "probe", more = {}) =>
        model.forward(x, { mode, updateStatistics: false, ...more }).toNumbers();
      expect(run("train")).not.toEqual(run("train"));
      expect(run("train", { dropout: 0 })).toEqual(run("probe"));
      expect(run("eval")).toEqual(run("eval"));
    });
    release(model);
  });
  test("block i of n drops its branch with probability dropConnect i / n", () => {
    const net = create("efficientnet", 32, 10, { width: 0.25, dropConnect: 0.9 });
    initialize(net, Rng.fromSeed(1));
    const rows = 400;
    // Stage, block in it, position over all 16: residual blocks of B0's depths.
    for (const [stage, block, index] of [
      [2, 1, 2],
      [4, 2, 7],
      [6, 3, 14],
    ] as const) {
      const part = net.children.features!.children[stage]!.children[block]!;
      const channels = namedParameters(part).at(-1)!.tensor.size(0);
      scope(() => {
        const x = normal([rows, channels, 2, 2], 0, 1, Rng.fromSeed(2));
        const y = part.forward(x, { mode: "train", rng: Rng.fromSeed(3) });
        const same = y.eq(x).flatten(1).float().mean([1]).toNumbers();
        const p = (0.9 * index) / 16;
        const dropped = same.filter((share) => share === 1).length;
        expect(Math.abs(dropped - p * rows)).toBeLessThan(5 * Math.sqrt(rows * p * (1 - p)));
      });
    }
  });
  test("batch norm takes normKeep and normEps", () => {
    const moved = [0.9, 0.5].map((normKeep) => {
      const model = build("efficientnet", 32, 10, { ...tiny, normKeep, dropConnect: 0, dropout: 0 });
      scope(() => model.forward(normal([2, 3, 32, 32], 0, 1, Rng.fromSeed(2)), "train"));
      const stem = model.buffers.find(({ name }) => name === "features.0.1.running_mean")!.tensor.toNumbers();
      release(model);
      return stem;
    });
    for (const [i, v] of moved[0]!.entries()) expect(5 * v).toBeCloseTo(moved[1]![i]!, 6);
    const flat = build("efficientnet", 32, 10, { ...tiny, normEps: 1e6 }); // everything vanishes against it
    const y = scope(() => flat.forward(normal([2, 3, 32, 32], 0, 1, Rng.fromSeed(2)), "probe").toNumbers());
    expect(Math.max(...y.map(Math.abs))).toBeLessThan(1e-3);
    release(flat);
  });
});
