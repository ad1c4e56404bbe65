/**
 * A network outside the package: two convolutions, each halving the picture, and a linear head.
 *
 *   fewlabels model ./examples/plain-net.mjs
 *   fewlabels train --dataset digits --model ./examples/plain-net.mjs --model.channels 24
 *
 * Every network also has `--model.weights` and `--model.freeze`: `defineModel` adds them.
 */
import { defineModel, nn, option } from "fewlabels";

export const model = defineModel({
  name: "plain-net",
  paper: "none",
  summary: "two convolutions with stride 2 and a linear head",
  options: {
    channels: option.integer(16, { min: 1, doc: "channels of the first convolution; the second has twice as many" }),
    dropout: option.number(0.1, { min: 0, max: 1, doc: "dropout probability before the head" }),
  },
  presets: { "plain-net-wide": { channels: 64 } },
  create({ channels: from, numClasses }, { channels, dropout }) {
    /** @param {number} inputs @param {number} outputs */
    const block = (inputs, outputs) =>
      nn.sequential({
        conv: nn.conv2d(inputs, outputs, { kernel: 3, stride: 2 }),
        norm: nn.batchNorm2d(outputs),
        relu: nn.relu(),
      });
    const features = nn.sequential({
      block1: block(from, channels), // [N, channels, H/2, W/2]
      block2: block(channels, 2 * channels), // [N, 2 channels, H/4, W/4]
      pool: nn.globalAvgPool(), // [N, 2 channels]
      drop: nn.dropout(dropout),
    });
    return nn.network({ features, fc: nn.linear(2 * channels, numClasses) });
  },
});
