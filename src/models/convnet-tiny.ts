/** Three convolutions in the block order of cnn-13, for quick runs and tests on small machines. */

import { badValue, UsageError } from "../errors.js";
import {
  batchNorm2d,
  conv2d,
  dropout,
  gaussianNoise,
  globalAvgPool,
  linear,
  type Module,
  maxPool2d,
  network,
  sequential,
} from "../nn/index.js";
import { integer, number } from "../options.js";
import { defineModel } from "./model-definition.js";

export const convnetTiny = defineModel({
  name: "convnet-tiny",
  paper: "none; block order of arXiv:1610.02242, Table 5",
  summary: "three convolutions (16, 32, 64 channels), 24,000 parameters",
  options: {
    width: number(1, { min: 0.05, max: 64, doc: "factor on the channel counts 16, 32, 64" }),
    dropout: number(0.5, { min: 0, max: 1, doc: "dropout probability after each pool" }),
    inputNoise: number(0.15, { min: 0, doc: "standard deviation of the Gaussian noise added to the normalized input" }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
    normKeep: number(0.9, { min: 0, max: 1, doc: "share of the old running statistics kept per step" }),
  },
  presets: {},
  create({ channels, height, width: imageWidth, numClasses }, { width, dropout: p, inputNoise, heads, normKeep }) {
    if (Math.min(height, imageWidth) < 4) {
      const advice = "Use the model mlp for points";
      const size = `${height} x ${imageWidth}`;
      throw new UsageError(badValue("convnet-tiny", "the image size", "at least 4 x 4 pixels", size, advice));
    }
    const scaled = (n: number) => Math.max(1, Math.floor(n * width));
    const [c16, c32, c64] = [scaled(16), scaled(32), scaled(64)] as const;
    const unit = (from: number, to: number): Module =>
      sequential({
        conv: conv2d(from, to, { kernel: 3 }),
        norm: batchNorm2d(to, { keep: normKeep, leakySlope: 0.1, ownsInput: true }),
      });
    const features = sequential({
      noise: gaussianNoise(inputNoise),
      conv1: unit(channels, c16), // [N, 16, H, W]
      pool1: maxPool2d(2),
      drop1: dropout(p),
      conv2: unit(c16, c32), // [N, 32, H/2, W/2]
      pool2: maxPool2d(2),
      drop2: dropout(p),
      conv3: unit(c32, c64), // [N, 64, H/4, W/4]
      pool3: globalAvgPool(), // [N, 64]
    });
    const dense = () => linear(c64, numClasses);
    return network(heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() });
  },
});
