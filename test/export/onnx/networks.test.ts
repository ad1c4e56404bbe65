// Every network of the registry as ONNX: onnxruntime-node and our own reading of the file give the network's logits.
import { expect, test } from "vitest";
import { type BuildOptions, buildOnnx } from "../../../src/export/onnx/build.js";
import { decodeOnnx, encodeOnnx } from "../../../src/export/onnx/file.js";
import { loadGraph } from "../../../src/export/onnx/run-graph.js";
import { findModel, type InputSpec, models } from "../../../src/models/index.js";
import { initialize, namedBuffers, namedParameters } from "../../../src/nn/index.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { noGrad, scope, tensor, uniform } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { describeRuntimes, ortRunner } from "../../support/runtimes.js";

/** Small forms of all registered networks that take pictures of 32 pixels; every option that changes the graph. */
const forms: [name: string, options: Record<string, unknown>, side?: number][] = [
  ["cnn-13", { width: 0.1 }],
  ["cnn-13", { width: 0.1, norm: "weight", heads: 2 }],
  ["wide-resnet", { depth: 10, width: 1 }],
  ["wide-resnet", { depth: 10, width: 1, variant: "uda", convBias: "all", padding: "tf" }],
  ["wide-resnet", { depth: 10, width: 1, variant: "gmpl" }],
  ["wide-resnet", { depth: 10, width: 1, variant: "torch-legacy", heads: 2 }],
  ["shake-shake-26", { width: 4 }],
  ["shake-shake-26", { width: 4, shortcut: "ss" }],
  ["resnet-18", { width: 0.1 }, 64],
  ["resnet-50", { width: 0.1, padding: "tf" }, 64],
  ["resnext", { width: 0.25 }, 64],
  ["efficientnet-b0", { width: 0.2 }],
  ["efficientnet-b0", { width: 0.2, padding: "tf" }, 64],
  ["mobilenet-v2", { width: 0.1 }],
  ["mobilenet-v3-small", { width: 0.2 }, 64],
  ["mobilenet-v3-large", { width: 0.1 }],
  ["convnext-tiny", { width: 0.1, depth: 0.3 }],
  ["vit-b16", { size: 24, layers: 2, attentionHeads: 3, patch: 8 }],
  ["vit-s14", { size: 24, layers: 2, attentionHeads: 3, patch: 8, layerScale: 0.5 }],
  ["convnet-tiny", { width: 0.5 }],
  ["mlp", { hidden: 12 }],
  ["mlp", { hidden: 12, activation: "relu", depth: 3 }],
];

function build(name: string, input: InputSpec, given: Record<string, unknown>, seed = 3) {
  const { definition, preset } = findModel(name);
  const network = definition.create(input, parseOptions(definition.options, { ...preset, ...given }, name));
  const rng = Rng.fromSeed(seed);
  initialize(network, rng);
  // Running statistics and offsets as after training: not 0 and 1.
  noGrad(() =>
    scope(() => {
      for (const { name: own, tensor: t } of namedBuffers(network)) {
        t.copy_(uniform(t.shape, own.endsWith("var") ? 0.5 : -0.3, own.endsWith("var") ? 2 : 0.3, rng));
      }
      for (const { tensor: t } of namedParameters(network))
        if (t.shape.length === 1) t.add_(uniform(t.shape, -0.2, 0.2, rng));
    }),
  );
  return network;
}

const plain = (input: InputSpec): BuildOptions => ({ ...input, normalize: "none", metadata: {} });

/** Random pixels, or smooth ones as in photos. */
function pictures(rows: number, { channels, height, width }: InputSpec, seed: number): Float32Array {
  const rng = Rng.fromSeed(seed);
  const area = height * width;
  return Float32Array.from({ length: rows * channels * area }, (_, i) => {
    const [row, at] = [Math.floor(i / (channels * area)), i % area];
    if (seed % 2 === 0) return rng.integer(256);
    const [y, x] = [Math.floor(at / width), at % width];
    return Math.round(127 + 100 * Math.sin((x * (row + 1)) / 9) * Math.cos(y / (3 + row)) + rng.integer(20));
  });
}

function ours(network: ReturnType<typeof build>, pixels: Float32Array, rows: number, input: InputSpec): Float32Array {
  return noGrad(() =>
    scope(() => {
      const x = tensor(pixels, [rows, input.channels, input.height, input.width]).div(255);
      return network.forward(x, { mode: "eval", rng: Rng.fromSeed(0) }).toArray() as Float32Array;
    }),
  );
}

/** Largest difference, relative to the largest logit. */
function relative(a: Float32Array, b: Float32Array): number {
  expect(a.length).toBe(b.length);
  const scale = b.reduce((top, v) => Math.max(top, Math.abs(v)), 1e-6);
  return a.reduce((worst, v, i) => Math.max(worst, Math.abs(v - b[i]!)), 0) / scale;
}

describeEngine("ONNX of every network", () => {
  test("covers the registry", () => {
    const covered = new Set(forms.map(([name]) => findModel(name).definition.name));
    expect(models.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
  });

  test.each(forms)("%s %o: the file read back gives the network's logits", (name, options, side = 32) => {
    const input = { channels: 3, height: side, width: side, numClasses: 5 };
    const network = build(name, input, options);
    const chunks = encodeOnnx(buildOnnx(network, plain(input)), "test");
    const model = decodeOnnx(Buffer.concat(chunks), name);
    expect(model.nodes.filter(({ op }) => op === "Dropout")).toEqual([]);
    const graph = loadGraph(model, name);
    for (const [rows, seed] of [
      [1, 1],
      [7, 2],
    ] as const) {
      const pixels = pictures(rows, input, seed);
      const got = graph.logits(pixels, [rows, 3, side, side]);
      expect(relative(got, ours(network, pixels, rows, input))).toBeLessThan(1e-4);
    }
    graph.release();
  });
});

describeRuntimes("onnxruntime-node", () => {
  test.each(forms)(
    "%s %o: the network's logits within 1e-4, one picture and seven",
    async (name, options, side = 32) => {
      const input = { channels: 3, height: side, width: side, numClasses: 5 };
      const network = build(name, input, options);
      const runner = await ortRunner(Buffer.concat(encodeOnnx(buildOnnx(network, plain(input)), "test")));
      for (const rows of [1, 7]) {
        for (const seed of [1, 2]) {
          const pixels = pictures(rows, input, seed);
          const got = await runner.logits(pixels, [rows, 3, side, side]);
          expect(relative(got, ours(network, pixels, rows, input))).toBeLessThan(1e-4);
        }
      }
      await runner.release();
    },
  );
});
