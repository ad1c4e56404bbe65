// int8: which layers go into 8 bits, and that the logits stay near.
import { expect, test } from "vitest";
import { relativeDifference } from "../../../src/export/check.js";
import { buildOnnx } from "../../../src/export/onnx/build.js";
import { decodeOnnx, encodeOnnx } from "../../../src/export/onnx/file.js";
import type { OnnxModel } from "../../../src/export/onnx/model.js";
import { loadGraph } from "../../../src/export/onnx/run-graph.js";
import { shrink } from "../../../src/export/onnx/shrink.js";
import { findModel } from "../../../src/models/index.js";
import { initialize, layer, linear, type Network, network } from "../../../src/nn/index.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { normal } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";

const input = { channels: 3, height: 16, width: 16, numClasses: 5 };

function graphOf(net: Network): OnnxModel {
  initialize(net, Rng.fromSeed(3));
  return buildOnnx(net, { ...input, normalize: "none", metadata: {} });
}

function registered(name: string, given: Record<string, unknown>, side: number): OnnxModel {
  const { definition, preset } = findModel(name);
  const size = { ...input, height: side, width: side };
  const net = definition.create(size, parseOptions(definition.options, { ...preset, ...given }, name));
  initialize(net, Rng.fromSeed(3));
  return buildOnnx(net, { ...size, normalize: "none", metadata: {} });
}

const bytesOf = (model: OnnxModel) => Buffer.concat(encodeOnnx(model, "test"));

function logits(model: OnnxModel, side: number): Float32Array {
  const rng = Rng.fromSeed(5);
  const graph = loadGraph(decodeOnnx(bytesOf(model), "test"), "test");
  const pixels = Float32Array.from({ length: 4 * 3 * side * side }, () => rng.integer(256));
  const got = graph.logits(pixels, [4, 3, side, side]);
  graph.release();
  return got;
}

const ops = (model: OnnxModel, op: string) => model.nodes.filter((node) => node.op === op).length;

describeEngine("int8", () => {
  test.each<[string, Record<string, unknown>, number, number]>([
    // Scores and sums of attention have no weights: two products a block.
    ["vit-s16", { size: 48, layers: 2, attentionHeads: 3, patch: 8 }, 16, 4],
    ["convnext-tiny", { width: 0.25, depth: 0.3 }, 32, 0],
  ])("%s: dense layers on tokens and pixels are in 8 bits too, and the file a third", (name, given, side, left) => {
    const exact = registered(name, given, side);
    const small = shrink(exact, "int8");
    expect(ops(small, "MatMul")).toBe(left);
    expect(ops(small, "MatMulInteger")).toBe(ops(exact, "Gemm") + ops(exact, "MatMul") - left);
    expect(bytesOf(small).length).toBeLessThan(bytesOf(exact).length / 2);
    expect(relativeDifference(logits(small, side), logits(exact, side))).toBeLessThan(0.1);
  });

  test("a product with a constant is a dense layer without a name", () => {
    const weight = normal([48, 20], 0, 1, Rng.fromSeed(4)).keep();
    const net = network({
      features: layer((x) => x.reshape([-1, 16, 48]).matmul(weight).mean([1]), "mine"),
      fc: linear(20, 5),
    });
    const exact = graphOf(net);
    const small = shrink(exact, "int8");
    expect([ops(exact, "MatMul"), ops(small, "MatMul")]).toEqual([1, 0]);
    expect(relativeDifference(logits(small, 16), logits(exact, 16))).toBeLessThan(0.1);
    weight.release();
  });

  test("the matrix that whitens stays as it is", () => {
    const size = 3 * 16 * 16;
    const net = network({ features: layer((x) => x.flatten(1), "flatten"), fc: linear(size, 5) });
    initialize(net, Rng.fromSeed(3));
    const matrix = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
    const whitening = { mean: new Float32Array(size), matrix };
    const exact = buildOnnx(net, { ...input, normalize: "zca", whitening, metadata: {} });
    expect(ops(shrink(exact, "int8"), "MatMul")).toBe(1);
  });
});
