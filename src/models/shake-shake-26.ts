/**
 * ResNet-26 with two shaken branches (methods.md 3.2): stem, three layers of four blocks, global average, dense.
 *
 *   branch(x) = BN(conv3x3(ReLU(BN(conv3x3(ReLU(x))))))
 *   y = shortcut(x) + shake(branch a, branch b)
 *
 * Two public forms differ in the shortcut where the shape changes, a batch norm behind the stem and a ReLU before the
 * average: `mt`, the PyTorch code of Mean Teacher, and `ss`, Gastaldi's original.
 */
import { badValue, UsageError } from "../errors.js";
import {
  batchNorm2d,
  conv2d,
  globalAvgPool,
  layer,
  linear,
  type Module,
  network,
  type Pass,
  type ShakeSpec,
  segment,
  sequential,
  shake,
} from "../nn/index.js";
import { boolean, choice, integer, number } from "../options.js";
import { cat, constantPad2d, scope, type Tensor } from "../torch/index.js";
import { defineModel } from "./model-definition.js";

/** Layers, blocks in each. */
const LAYERS = 3;
const BLOCKS = 4;
const STEM = 16;

export const shakeShake26 = defineModel({
  name: "shake-shake-26",
  paper: "arXiv:1705.07485, Table 1; arXiv:1703.01780, Section 3.4",
  summary: "ResNet-26 with shake-shake regularization, 26.2 million parameters at width 96",
  options: {
    width: integer(96, { min: 1, max: 512, doc: "channels of the first layer, doubled in each of the two after it" }),
    forward: choice(["shake", "even"], "shake", { doc: "gate of the forward pass in training: drawn, or 1/2" }),
    backward: choice(["shake", "keep", "even"], "shake", {
      doc: "gate of the gradient: drawn anew, the same as forward, or 1/2",
    }),
    level: choice(["image", "batch"], "image", { doc: "one gate for each image, or one for the batch" }),
    shortcut: choice(["mt", "ss"], "mt", {
      doc: "form of the public code: Mean Teacher's, or the original one, which takes an even width",
    }),
    shortcutBias: boolean(undefined, { doc: "bias in the strided shortcut convolutions; default: true with mt" }),
    stemNorm: boolean(undefined, { doc: "batch norm behind the first convolution; default: true with ss" }),
    finalRelu: boolean(undefined, { doc: "ReLU before the global average; default: true with ss" }),
    normKeep: number(0.9, { min: 0, max: 1, doc: "batch norm: share of the old running statistics kept per step" }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
  },
  presets: {
    "shake-shake-26-2x96d": { width: 96 },
    "shake-shake-26-2x32d": { width: 32 },
  },
  create({ channels, height, width: imageWidth, numClasses }, { width, heads, normKeep: keep, ...options }) {
    const original = options.shortcut === "ss";
    const { shortcutBias = !original, stemNorm = original, finalRelu = original } = options;
    if (!original && (height % 4 !== 0 || imageWidth % 4 !== 0)) {
      const advice = "Use --model.shortcut ss, which takes every size";
      const size = `${height} x ${imageWidth}`;
      throw new UsageError(badValue("shake-shake-26", "the image size", "multiples of 4", size, advice));
    }
    if (original && width % 2 !== 0) {
      const advice = `Its shortcuts have two halves: use --model.width ${width + 1}, or --model.shortcut mt`;
      throw new UsageError(badValue("shake-shake-26", "width with shortcut ss", "an even number", width, advice));
    }
    const gates: ShakeSpec = options;
    const conv = (
      from: number,
      to: number,
      kernel: number,
      more: { stride?: number; groups?: number; bias?: boolean } = {},
    ) => conv2d(from, to, { kernel, init: "fan-out", ...more });
    const norm = (n: number) => batchNorm2d(n, { keep });
    const branch = (from: number, to: number, stride: number): Module =>
      sequential({
        conv1: conv(from, to, 3, { stride }),
        bn1: batchNorm2d(to, { keep, leakySlope: 0, ownsInput: true }),
        conv2: conv(to, to, 3),
        bn2: norm(to),
      });

    /** The shortcut where the shape changes, of x and h = relu(x). */
    const downsample = (from: number, to: number, stride: number): Shortcut => {
      const bn = norm(to);
      if (original) {
        const [conv1, conv2] = [0, 1].map(() => conv(from, to / 2, 1, { bias: shortcutBias })) as [Module, Module];
        return shortcutOf({ conv1, conv2, bn }, (_, h, pass) => {
          const even = conv1.forward(everySecond(h, 0, stride), pass);
          // Moved one pixel right and down, zeros coming in: the positions -1, 1, 3, ...
          const moved = constantPad2d(h, { left: 1, right: -1, top: 1, bottom: -1 }, 0);
          const odd = conv2.forward(everySecond(moved, 0, stride), pass);
          return bn.forward(cat([even, odd], 1), pass);
        });
      }
      if (stride === 1) {
        const conv1 = conv(from, to, 1);
        return shortcutOf({ conv: conv1, bn }, (x, _, pass) => bn.forward(conv1.forward(x, pass), pass));
      }
      const grouped = conv(2 * from, to, 1, { groups: 2, bias: shortcutBias });
      return shortcutOf({ conv: grouped, bn }, (_, h, pass) => {
        const grids = cat([everySecond(h, 0, stride), everySecond(h, 1, stride)], 1); // [N, 2 from, H / 2, W / 2]
        return bn.forward(grouped.forward(grids, pass), pass);
      });
    };

    const block = (from: number, to: number, stride: number): Module => {
      const [a, b] = [branch(from, to, stride), branch(from, to, stride)];
      const changed = from !== to || stride !== 1 ? downsample(from, to, stride) : undefined;
      return segment({
        children: changed ? { a, b, downsample: changed } : { a, b },
        parameters: {},
        buffers: {},
        forward: (x: Tensor, pass: Pass) =>
          scope(() => {
            const h = x.relu(); // both branches begin with it
            const y = shake(a.forward(h, pass), b.forward(h, pass), gates, pass);
            return y.add_(changed ? changed.both(x, h, pass) : x);
          }),
      });
    };

    const layers: Record<string, Module> = { conv1: conv(channels, STEM, 3) }; // [N, 16, 32, 32]
    if (stemNorm) layers.bn1 = norm(STEM);
    let from = STEM;
    for (let i = 0; i < LAYERS; i++) {
      const to = width * 2 ** i;
      const stride = i === 0 ? 1 : 2;
      const blocks = Array.from({ length: BLOCKS }, (_, j) => (j === 0 ? block(from, to, stride) : block(to, to, 1)));
      layers[`layer${i + 1}`] = sequential(blocks); // [N, 96, 32, 32], [N, 192, 16, 16], [N, 384, 8, 8]
      from = to;
    }
    if (finalRelu) layers.relu = layer((x) => x.relu(), "relu");
    layers.avgpool = globalAvgPool(); // [N, 384]
    const features = sequential(layers);
    const dense = () => linear(from, numClasses);
    const parts = heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() };
    return network(parts, { features: "" });
  },
});

/** A module of the block's input x and of h = relu(x), which the block has anyway. */
interface Shortcut extends Module {
  both(x: Tensor, h: Tensor, pass: Pass): Tensor;
}

function shortcutOf(children: Module["children"], both: Shortcut["both"]): Shortcut {
  return { children, parameters: {}, buffers: {}, both, forward: (x, pass) => both(x, x.relu(), pass) };
}

/** Every `stride`-th row and column of `[N, C, H, W]` from `start` on. */
function everySecond(t: Tensor, start: number, stride: number): Tensor {
  return stride === 1 ? t : t.everyNth(2, start, stride).everyNth(3, start, stride);
}
