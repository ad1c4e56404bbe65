/**
 * Wide ResNet (methods.md 3.4): pre-activation blocks, widths 16k, 32k, 64k, final batch norm, global average, dense.
 * Public codes of the same paper numbers differ in five points: `variant`. Beyond it FM has convolutions with bias
 * (`convBias: all`) and USB one in the stem (`convBias: stem`); FM, UDA and GMPL pad as TensorFlow does (`padding: tf`).
 */
import { badValue, UsageError } from "../errors.js";
import {
  batchNorm2d,
  conv2d,
  dropout,
  globalAvgPool,
  linear,
  type Module,
  network,
  type Pass,
  segment,
  sequential,
} from "../nn/index.js";
import { choice, integer, number } from "../options.js";
import { scope, type Tensor } from "../torch/index.js";
import { defineModel } from "./model-definition.js";

/** What the shortcut convolution of a block whose width changes reads: its raw input x, or act(BN1(x)). */
type ShortcutInput = "raw" | "activated" | "activated in group 1";

interface Variant {
  /** Stem channels for widening factor k. */
  readonly stem: (k: number) => number;
  readonly slope: number;
  readonly shortcut: ShortcutInput;
  /** The first convolution of such a block outside group 1 reads x, so BN1 gets no gradient: a fault of public code. */
  readonly skipsFirstNorm: boolean;
  readonly normKeep: number;
  readonly normEps: number;
  readonly dense: "glorot" | "uniform";
}

const fm: Variant = {
  stem: () => 16,
  slope: 0.1,
  shortcut: "activated in group 1",
  skipsFirstNorm: false,
  normKeep: 0.999,
  normEps: 1e-3,
  dense: "glorot",
};
const variants = {
  fm,
  uda: { ...fm, slope: 0, shortcut: "raw", normKeep: 0.9, normEps: 1e-5, dense: "uniform" },
  gmpl: { ...fm, stem: (k) => 16 * k, slope: 0.2, shortcut: "activated", normKeep: 0.99, dense: "uniform" },
  "torch-legacy": { ...fm, skipsFirstNorm: true, normEps: 1e-5 },
} as const satisfies Record<string, Variant>;

export const wideResnet = defineModel({
  name: "wide-resnet",
  paper: "arXiv:1605.07146, Table 1; arXiv:2001.07685, Section 4.1",
  summary: "wide residual network for small images, 1.5 million parameters at depth 28 and width 2",
  options: {
    depth: integer(28, { min: 4, doc: "layers with weights: 1 + groups (2 n + 1) with n blocks a group, so 6n + 4" }),
    width: integer(2, { min: 1, max: 64, doc: "k, the widening factor: 16k, 32k, 64k channels" }),
    groups: integer(3, { min: 1, max: 5, doc: "groups of blocks; each after the first halves the image" }),
    variant: choice(["fm", "uda", "gmpl", "torch-legacy"], "fm", {
      doc: "public code followed in stem width, slope, shortcuts, dense start: FixMatch, UDA, MPL, PyTorch ports with a fault",
    }),
    convBias: choice(["none", "stem", "all"], "none", { doc: "which convolutions have a bias" }),
    padding: choice(["torch", "tf"], "torch", {
      doc: "zeros around images of even size at stride 2: the same on both sides, or TensorFlow's SAME",
    }),
    dropout: number(0, { min: 0, max: 1, doc: "dropout probability before the last layer" }),
    normKeep: number(undefined, {
      min: 0,
      max: 1,
      doc: "batch norm: share of the old running statistics kept per step; default by variant: 0.999, uda 0.9, gmpl 0.99",
    }),
    normEps: number(undefined, {
      min: 1e-12,
      doc: "batch norm: added to the variance, which is 0 where a channel is constant; default by variant: fm and gmpl 0.001, uda and torch-legacy 0.00001",
    }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
  },
  presets: {
    "wrn-28-2": { depth: 28, width: 2 },
    "wrn-28-8": { depth: 28, width: 8 },
    "wrn-28-10": { depth: 28, width: 10 },
    "wrn-37-2": { depth: 37, width: 2, groups: 4 }, // for images of 96 pixels (STL-10)
  },
  create({ channels, numClasses }, { depth, width: k, groups, heads, ...options }) {
    const variant: Variant = variants[options.variant];
    const { normKeep: keep = variant.normKeep, normEps: eps = variant.normEps } = options;
    const blocks = ((depth - 1) / groups - 1) / 2;
    if (!Number.isInteger(blocks) || blocks < 1) {
      const expected = `1 + ${groups} (2 n + 1) with a whole n, such as ${1 + 9 * groups}`;
      throw new UsageError(badValue("wide-resnet", `depth with ${groups} groups`, expected, depth));
    }
    const conv = (from: number, to: number, kernel: number, stride = 1, bias = options.convBias === "all") => {
      const padding = options.padding === "tf" ? "same" : (kernel - 1) / 2;
      return conv2d(from, to, { kernel, stride, bias, padding, init: "fan-out" });
    };
    const normAct = (n: number) => batchNorm2d(n, { keep, eps, leakySlope: variant.slope });

    /** conv2(act(bn2(conv1(act(bn1(x)))))) + shortcut, `[N, from, H, W]` -> `[N, to, H / stride, W / stride]`. */
    const block = (group: number, first: boolean, from: number, to: number, stride: number): Module => {
      const changes = from !== to || stride !== 1;
      const inFirst = group === 0 && first;
      const activated =
        variant.shortcut === "activated" ? changes : variant.shortcut === "activated in group 1" && inFirst;
      const skips = variant.skipsFirstNorm && changes && !inFirst;
      const bn1 = normAct(from);
      const rest = { conv1: conv(from, to, 3, stride), bn2: normAct(to), conv2: conv(to, to, 3) };
      const stack = sequential(rest);
      const shortcut: { shortcut?: Module } = changes ? { shortcut: conv(from, to, 1, stride) } : {};
      return segment({
        children: { bn1, ...rest, ...shortcut },
        parameters: {},
        buffers: {},
        forward: (x: Tensor, pass: Pass) =>
          scope(() => {
            const h = bn1.forward(x, pass);
            const base = activated ? h : x;
            // In place: a convolution does not need its own output for the gradient.
            const y = stack.forward(skips ? x : h, pass);
            return y.add_(shortcut.shortcut ? shortcut.shortcut.forward(base, pass) : base);
          }),
      });
    };

    let from = variant.stem(k);
    const layers: Record<string, Module> = {
      conv1: conv(channels, from, 3, 1, options.convBias !== "none"), // [N, 16, 32, 32]
    };
    for (let group = 0; group < groups; group++) {
      const to = 16 * k * 2 ** group;
      const stack: Module[] = [];
      for (let i = 0; i < blocks; i++, from = to) stack.push(block(group, i === 0, from, to, i === 0 && group ? 2 : 1));
      layers[`layer${group + 1}`] = sequential(stack); // [N, 16k, 32, 32], [N, 32k, 16, 16], [N, 64k, 8, 8]
    }
    layers.bn = normAct(from);
    layers.avgpool = globalAvgPool(); // [N, 64k]
    layers.dropout = dropout(options.dropout);
    const features = sequential(layers);
    const dense = () =>
      linear(
        from,
        numClasses,
        variant.dense === "glorot" ? { glorot: true } : { init: numClasses ** -0.5, zeroBias: true },
      );
    const parts = heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() };
    return network(parts, { features: "" });
  },
});
