/**
 * MobileNetV3, large and small: inverted bottlenecks with squeeze and excitation and hard swish. Tensors are named as in
 * torchvision (`features.4.block.2.fc1.weight`).
 */
import {
  batchNorm2d,
  conv2d,
  dropout,
  globalAvgPool,
  hardSwish,
  linear,
  type Module,
  network,
  relu,
  segment,
  sequential,
  squeezeExcitation,
} from "../nn/index.js";
import { choice, number } from "../options.js";
import { defineModel } from "./model-definition.js";
import { addInput, isSmall, pooled, roundToEights, stridesOption } from "./parts/inverted-bottleneck.js";

/** Kernel, channels inside, channels out, squeeze and excitation, hard swish (else ReLU), stride. */
type Row = readonly [kernel: 3 | 5, inner: number, to: number, squeeze: 0 | 1, swish: 0 | 1, stride: 1 | 2];

/** Tables 1 and 2 of the paper. */
const sizes: Readonly<Record<"large" | "small", { rows: readonly Row[]; last: number }>> = {
  large: {
    rows: [
      [3, 16, 16, 0, 0, 1],
      [3, 64, 24, 0, 0, 2],
      [3, 72, 24, 0, 0, 1],
      [5, 72, 40, 1, 0, 2],
      [5, 120, 40, 1, 0, 1],
      [5, 120, 40, 1, 0, 1],
      [3, 240, 80, 0, 1, 2],
      [3, 200, 80, 0, 1, 1],
      [3, 184, 80, 0, 1, 1],
      [3, 184, 80, 0, 1, 1],
      [3, 480, 112, 1, 1, 1],
      [3, 672, 112, 1, 1, 1],
      [5, 672, 160, 1, 1, 2],
      [5, 960, 160, 1, 1, 1],
      [5, 960, 160, 1, 1, 1],
    ],
    last: 1280,
  },
  small: {
    rows: [
      [3, 16, 16, 1, 0, 2],
      [3, 72, 24, 0, 0, 2],
      [3, 88, 24, 0, 0, 1],
      [5, 96, 40, 1, 1, 2],
      [5, 240, 40, 1, 1, 1],
      [5, 240, 40, 1, 1, 1],
      [5, 120, 48, 1, 1, 1],
      [5, 144, 48, 1, 1, 1],
      [5, 288, 96, 1, 1, 2],
      [5, 576, 96, 1, 1, 1],
      [5, 576, 96, 1, 1, 1],
    ],
    last: 1024,
  },
};

/** torchvision's batch norm: 1 % of the new statistics a step. */
const norm = { keep: 0.99, eps: 1e-3 };

export const mobilenetV3 = defineModel({
  name: "mobilenet-v3",
  paper: "arXiv:1905.02244, Tables 1 and 2",
  summary:
    "inverted bottlenecks with squeeze and excitation for small machines, 5.5 (large) or 2.5 million parameters at 1000 classes",
  options: {
    size: choice(["large", "small"], "large", { doc: "which of the paper's two tables" }),
    width: number(1, { min: 0.05, max: 16, doc: "factor on the channel counts, rounded to multiples of 8" }),
    dropout: number(0.2, { min: 0, max: 1, doc: "dropout probability before the last layer" }),
    strides: stridesOption,
  },
  presets: { "mobilenet-v3-large": { size: "large" }, "mobilenet-v3-small": { size: "small" } },
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create({ channels, height, width: imageWidth, numClasses }, { size, width, dropout: p, strides }) {
    const { rows, last } = sizes[size];
    const scaled = (n: number) => roundToEights(n * width);
    const convNorm = (from: number, to: number, kernel: number, stride: number, groups: number, act?: Module): Module =>
      sequential([
        conv2d(from, to, { kernel, stride, groups, init: "fan-out" }),
        batchNorm2d(to, norm),
        ...(act ? [act] : []),
      ]);
    /** `[N, from, H, W]` -> `[N, to, H / stride, W / stride]`. */
    const bottleneck = (from: number, [kernel, inner, to, squeeze, swish]: Row, stride: number): Module => {
      const [wide, out] = [scaled(inner), scaled(to)];
      const act = () => (swish ? hardSwish() : relu());
      const block = sequential([
        ...(wide === from ? [] : [convNorm(from, wide, 1, 1, 1, act())]),
        convNorm(wide, wide, kernel, stride, wide, act()),
        ...(squeeze ? [squeezeExcitation(wide, roundToEights(Math.floor(wide / 4)), { hard: true })] : []),
        convNorm(wide, out, 1, 1, 1),
      ]);
      return segment(stride === 1 && from === out ? addInput("block", block) : sequential({ block }));
    };

    const small = isSmall(strides, height, imageWidth);
    const firstHalving = rows.findIndex((row) => row[5] === 2);
    let from = scaled(16);
    const parts = [convNorm(channels, from, 3, small ? 1 : 2, 1, hardSwish())];
    for (const [i, row] of rows.entries()) {
      parts.push(bottleneck(from, row, small && i === firstHalving ? 1 : row[5]));
      from = scaled(row[2]);
    }
    parts.push(convNorm(from, 6 * from, 1, 1, 1, hardSwish()));
    const features = pooled(sequential(parts), globalAvgPool());
    const hidden = scaled(last);
    const neck = sequential({ 0: linear(6 * from, hidden, { zeroBias: true }), 1: hardSwish() });
    const fc = sequential({ 2: dropout(p), 3: linear(hidden, numClasses, { zeroBias: true }) });
    return network({ features, neck, fc }, { fc: "classifier" });
  },
});
