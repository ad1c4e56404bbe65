/**
 * MobileNetV2: inverted bottlenecks, thin between and wide inside, with ReLU6. Tensors are named as in torchvision
 * (`features.2.conv.0.0.weight`).
 */
import {
  batchNorm2d,
  conv2d,
  dropout,
  globalAvgPool,
  linear,
  type Module,
  network,
  relu6,
  segment,
  sequential,
} from "../nn/index.js";
import { number } from "../options.js";
import { defineModel } from "./model-definition.js";
import { addInput, isSmall, pooled, roundToEights, stridesOption } from "./parts/inverted-bottleneck.js";

/** Table 2 of the paper. */
const stages = [
  { expand: 1, channels: 16, repeats: 1, stride: 1 },
  { expand: 6, channels: 24, repeats: 2, stride: 2 },
  { expand: 6, channels: 32, repeats: 3, stride: 2 },
  { expand: 6, channels: 64, repeats: 4, stride: 2 },
  { expand: 6, channels: 96, repeats: 3, stride: 1 },
  { expand: 6, channels: 160, repeats: 3, stride: 2 },
  { expand: 6, channels: 320, repeats: 1, stride: 1 },
] as const;

export const mobilenetV2 = defineModel({
  name: "mobilenet-v2",
  paper: "arXiv:1801.04381, Table 2",
  summary: "inverted bottlenecks for small machines, 3.5 million parameters at 1000 classes",
  options: {
    width: number(1, {
      min: 0.05,
      max: 16,
      doc: "factor on the channel counts, rounded to multiples of 8; the last one never shrinks",
    }),
    dropout: number(0.2, { min: 0, max: 1, doc: "dropout probability before the last layer" }),
    strides: stridesOption,
  },
  presets: {},
  input: { channels: 3, height: 224, width: 224, numClasses: 1000 },
  create({ channels, height, width: imageWidth, numClasses }, { width, dropout: p, strides }) {
    const small = isSmall(strides, height, imageWidth);
    const convNorm = (from: number, to: number, kernel: number, stride = 1, groups = 1): Module =>
      sequential([conv2d(from, to, { kernel, stride, groups, init: "fan-out" }), batchNorm2d(to), relu6()]);
    /** `[N, from, H, W]` -> `[N, to, H / stride, W / stride]`. */
    const block = (from: number, to: number, stride: number, expand: number): Module => {
      const inner = from * expand;
      const conv = sequential([
        ...(expand > 1 ? [convNorm(from, inner, 1)] : []),
        convNorm(inner, inner, 3, stride, inner),
        conv2d(inner, to, { kernel: 1, init: "fan-out" }),
        batchNorm2d(to),
      ]);
      return segment(stride === 1 && from === to ? addInput("conv", conv) : sequential({ conv }));
    };

    let from = roundToEights(32 * width);
    const parts = [convNorm(channels, from, 3, small ? 1 : 2)];
    for (const [i, { expand, channels: base, repeats, stride }] of stages.entries()) {
      const to = roundToEights(base * width);
      for (let repeat = 0; repeat < repeats; repeat++, from = to) {
        parts.push(block(from, to, repeat > 0 || (small && i === 1) ? 1 : stride, expand));
      }
    }
    const last = roundToEights(1280 * Math.max(1, width));
    parts.push(convNorm(from, last, 1));
    const features = pooled(sequential(parts), globalAvgPool());
    return network(
      { features, fc: sequential([dropout(p), linear(last, numClasses, { zeroBias: true })]) },
      { fc: "classifier" },
    );
  },
});
