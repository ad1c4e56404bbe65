/**
 * The 13-layer ConvNet of Temporal Ensembling and Mean Teacher ("Conv-Large"): nine convolutions, two pools, a global
 * average and a dense layer (methods.md 3.1). Two normalizations: plain batch norm, or weight norm with mean-only batch norm.
 */
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
  NORM_STARTS,
  network,
  sequential,
  weightNormConv2d,
  weightNormLinear,
} from "../nn/index.js";
import { choice, integer, need, number } from "../options.js";
import { defineModel } from "./model-definition.js";

const SLOPE = 0.1;

export const cnn13 = defineModel({
  name: "cnn-13",
  paper: "arXiv:1610.02242, Table 5; arXiv:1703.01780, Appendix B",
  summary: "13-layer ConvNet, 3.1 million parameters at width 1",
  options: {
    width: number(1, { min: 0.02, max: 8, doc: "factor on all channel counts (128, 256, 512, 256, 128)" }),
    dropout: number(0.5, { min: 0, max: 1, doc: "dropout probability after each pool" }),
    inputNoise: number(0.15, { min: 0, doc: "standard deviation of the Gaussian noise added to the normalized input" }),
    heads: integer(1, { min: 1, max: 2, doc: "2 adds a consistency head" }),
    norm: choice(["batch", "weight"], "batch", { doc: "batch norm, or weight norm with mean-only batch norm" }),
    normStart: choice(NORM_STARTS, "corrected", {
      needs: [need("model.norm", "weight")],
      doc: "weight norm: running mean corrected for its start at 0 from the first step, or as published, which short runs do not get over",
    }),
    normKeep: number(undefined, {
      min: 0,
      max: 1,
      doc: "share of the old running statistics kept per step; default 0.9 with batch norm, 0.999 with weight norm",
    }),
  },
  presets: {},
  create(
    { channels: inChannels, height, width: imageWidth, numClasses },
    { width, dropout: p, inputNoise, heads, norm, normKeep, normStart: start },
  ) {
    if (Math.min(height, imageWidth) < 12) {
      throw new UsageError(
        badValue(
          "cnn-13",
          "the image size",
          "at least 12 x 12 pixels",
          `${height} x ${imageWidth}`,
          "Use the model mlp for points",
        ),
      );
    }
    const keep = normKeep ?? (norm === "weight" ? 0.999 : 0.9);
    const scaled = (n: number) => Math.max(1, Math.floor(n * width));
    const unit = (from: number, to: number, kernel: number, padding: number): Module =>
      norm === "weight"
        ? sequential({
            conv: weightNormConv2d(from, to, { kernel, padding, leakySlope: SLOPE }, { keep, start }),
          })
        : sequential({
            conv: conv2d(from, to, { kernel, padding }),
            norm: batchNorm2d(to, { keep, leakySlope: SLOPE, ownsInput: true }),
          });
    const dense = () =>
      norm === "weight" ? weightNormLinear(c128, numClasses, { keep, start }) : linear(c128, numClasses);
    const [c128, c256, c512] = [scaled(128), scaled(256), scaled(512)] as const;
    const features = sequential({
      noise: gaussianNoise(inputNoise),
      conv1a: unit(inChannels, c128, 3, 1), // [N, 128, 32, 32]
      conv1b: unit(c128, c128, 3, 1),
      conv1c: unit(c128, c128, 3, 1),
      pool1: maxPool2d(2), // [N, 128, 16, 16]
      drop1: dropout(p),
      conv2a: unit(c128, c256, 3, 1), // [N, 256, 16, 16]
      conv2b: unit(c256, c256, 3, 1),
      conv2c: unit(c256, c256, 3, 1),
      pool2: maxPool2d(2), // [N, 256, 8, 8]
      drop2: dropout(p),
      conv3a: unit(c256, c512, 3, 0), // [N, 512, 6, 6]
      conv3b: unit(c512, c256, 1, 0), // [N, 256, 6, 6]
      conv3c: unit(c256, c128, 1, 0), // [N, 128, 6, 6]
      pool3: globalAvgPool(), // [N, 128]
    });
    return network(heads === 2 ? { features, fc: dense(), fc2: dense() } : { features, fc: dense() });
  },
});
