/**
 * EfficientNet (methods.md 3.6): a stem, seven stages of inverted bottlenecks with squeeze and excitation, a 1x1 head.
 * Compound scaling by `width` and `depth`. Tensors are named as in torchvision (`features.1.0.block.0.0.weight`).
 */
import {
  batchNorm2d,
  conv2d,
  dropConnect,
  dropout,
  globalAvgPool,
  linear,
  type Module,
  network,
  type Pass,
  segment,
  sequential,
  silu,
  squeezeExcitation,
} from "../nn/index.js";
import { choice, integer, number } from "../options.js";
import type { Tensor } from "../torch/index.js";
import { defineModel } from "./model-definition.js";
import { pooled, roundToEights } from "./parts/inverted-bottleneck.js";

/** Table 1 of the paper. `cifarStride`: methods.md 3.6. */
const stages = [
  { expand: 1, kernel: 3, stride: 1, cifarStride: 1, channels: 16, repeats: 1 },
  { expand: 6, kernel: 3, stride: 2, cifarStride: 1, channels: 24, repeats: 2 },
  { expand: 6, kernel: 5, stride: 2, cifarStride: 1, channels: 40, repeats: 2 },
  { expand: 6, kernel: 3, stride: 2, cifarStride: 2, channels: 80, repeats: 3 },
  { expand: 6, kernel: 5, stride: 1, cifarStride: 1, channels: 112, repeats: 3 },
  { expand: 6, kernel: 5, stride: 2, cifarStride: 2, channels: 192, repeats: 4 },
  { expand: 6, kernel: 3, stride: 1, cifarStride: 1, channels: 320, repeats: 1 },
] as const;

/** Below this many pixels a side, `strides` is `cifar` unless given. */
const CIFAR_SIDE = 64;

const torchvision = { normKeep: 0.9, normEps: 1e-5 };
const large = { normKeep: 0.99, normEps: 1e-3 };
const google = { ...large, padding: "tf" };

export const efficientnet = defineModel({
  name: "efficientnet",
  paper: "arXiv:1905.11946, Table 1; arXiv:2003.10580, Section 3.3",
  summary: "inverted bottlenecks with squeeze and excitation, B0 (5.3 million parameters at 1000 classes) to L2",
  options: {
    width: number(1, { min: 0.05, max: 16, doc: "factor on all channel counts, rounded to multiples of 8" }),
    depth: number(1, { min: 0.05, max: 16, doc: "factor on the blocks of each stage, rounded up" }),
    dropout: number(0.2, { min: 0, max: 1, doc: "dropout probability before the last layer" }),
    dropConnect: number(0.2, {
      min: 0,
      max: 1,
      doc: "stochastic depth by image: the last block's branch is dropped with about this probability, the first never",
    }),
    strides: choice(["imagenet", "cifar"], undefined, {
      doc: "total stride 32, or 4 (stem, stages 2 and 3 at stride 1); if not given, cifar for images below 64 pixels",
    }),
    padding: choice(["torch", "tf"], "torch", {
      doc: "zeros around images of even size at stride 2: the same on both sides, or TensorFlow's SAME",
    }),
    normKeep: number(0.9, { min: 0, max: 1, doc: "batch norm: share of the old running statistics kept per step" }),
    normEps: number(1e-5, {
      min: 1e-12,
      doc: "batch norm: added to the variance, which is 0 where a channel is constant",
    }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
  },
  presets: {
    "efficientnet-b0": { width: 1, depth: 1, dropout: 0.2, ...torchvision },
    "efficientnet-b1": { width: 1, depth: 1.1, dropout: 0.2, ...torchvision },
    "efficientnet-b2": { width: 1.1, depth: 1.2, dropout: 0.3, ...torchvision },
    "efficientnet-b3": { width: 1.2, depth: 1.4, dropout: 0.3, ...torchvision },
    "efficientnet-b4": { width: 1.4, depth: 1.8, dropout: 0.4, ...torchvision },
    "efficientnet-b5": { width: 1.6, depth: 2.2, dropout: 0.4, ...large },
    "efficientnet-b6": { width: 1.8, depth: 2.6, dropout: 0.5, ...large },
    "efficientnet-b7": { width: 2, depth: 3.1, dropout: 0.5, ...large },
    "efficientnet-b6-wide": { width: 5, depth: 2.6, dropout: 0.5, ...google },
    "efficientnet-l2": { width: 4.3, depth: 5.3, dropout: 0.5, ...google },
  },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create({ channels: inChannels, height, width: imageWidth, numClasses }, options) {
    const { width, depth, normKeep: keep, normEps: eps, heads } = options;
    const { strides = Math.min(height, imageWidth) < CIFAR_SIDE ? "cifar" : "imagenet" } = options;
    const scaled = (channels: number) => roundToEights(channels * width);
    const convNorm = (from: number, to: number, { kernel = 1, stride = 1, groups = 1, act = true }): Module => {
      const init = groups > 1 ? "depthwise" : "fan-out";
      const padding = options.padding === "tf" ? "same" : (kernel - 1) / 2;
      const conv = conv2d(from, to, { kernel, stride, groups, padding, init });
      return sequential([conv, batchNorm2d(to, { keep, eps }), ...(act ? [silu()] : [])]);
    };
    /** `[N, from, H, W]` -> `[N, to, H / stride, W / stride]`. */
    const block = (from: number, to: number, kernel: number, stride: number, expand: number, drop: number): Module => {
      const inner = from * expand;
      const branch = sequential([
        ...(expand > 1 ? [convNorm(from, inner, {})] : []),
        convNorm(inner, inner, { kernel, stride, groups: inner }),
        squeezeExcitation(inner, Math.max(1, Math.floor(from / 4))),
        convNorm(inner, to, { act: false }),
      ]);
      return stride === 1 && from === to ? segment(residual(branch, drop)) : segment(sequential({ block: branch }));
    };

    let from = scaled(32);
    const parts = [convNorm(inChannels, from, { kernel: 3, stride: strides === "cifar" ? 1 : 2 })];
    const counts = stages.map(({ repeats }) => Math.ceil(repeats * depth));
    const total = counts.reduce((a, b) => a + b, 0);
    let index = 0; // of the block, over all stages
    for (const [i, { expand, kernel, stride, cifarStride, channels }] of stages.entries()) {
      const to = scaled(channels);
      const blocks: Module[] = [];
      for (let repeat = 0; repeat < counts[i]!; repeat++, index++, from = to) {
        const step = repeat > 0 ? 1 : strides === "cifar" ? cifarStride : stride;
        blocks.push(block(from, to, kernel, step, expand, (options.dropConnect * index) / total));
      }
      parts.push(sequential(blocks));
    }
    const last = scaled(1280);
    parts.push(convNorm(from, last, {}));
    const features = pooled(sequential(parts), globalAvgPool());
    const dense = () => linear(last, numClasses, { init: numClasses ** -0.5, zeroBias: true });
    const head = () => sequential([dropout(options.dropout), dense()]);
    const names = { fc: "classifier", fc2: "classifier2" };
    return network(heads === 2 ? { features, fc: head(), fc2: head() } : { features, fc: head() }, names);
  },
});

/** x + drop-connect(branch(x)). */
function residual(branch: Module, drop: number): Module {
  const gate = dropConnect(drop);
  return named({ block: branch }, (x, pass) => {
    const h = branch.forward(x, pass);
    const kept = gate.forward(h, pass);
    if (kept !== h) h.release();
    return kept.add_(x); // neither batch norm nor the gate needs its output for the gradient
  });
}

function named(children: Module["children"], forward: (x: Tensor, pass: Pass) => Tensor): Module {
  return { children, parameters: {}, buffers: {}, forward };
}
