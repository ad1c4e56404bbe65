import { layerNorm as normalize, type Tensor } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { parameter } from "../parameter.js";

/** Layer normalization over the last axis of x `[..., D]`, or, with `channels`, over C of `[N, C, H, W]`. */
export function layerNorm(size: number, { eps = 1e-6, channels = false } = {}): Module {
  const weight = parameter([size]);
  const bias = parameter([size]);
  return {
    type: "layer norm",
    children: {},
    parameters: { weight, bias },
    buffers: {},
    reset() {
      weight.fill_(1);
      bias.zero_();
    },
    forward(x: Tensor, _pass: Pass) {
      if (!channels) return normalize(x, weight, bias, eps);
      // Of a batch in channels_last layout both permutations are views.
      return normalize(x.permute([0, 2, 3, 1]), weight, bias, eps).permute([0, 3, 1, 2]);
    },
  };
}

/** Scales each channel: x times a tensor of `shape`, called `name`, that begins as `value`. */
export function layerScale(shape: readonly number[], value: number, name = "gamma"): Module {
  const gamma = parameter(shape);
  return {
    type: "layer scale",
    products: () => 0,
    children: {},
    parameters: { [name]: gamma },
    buffers: {},
    reset: () => void gamma.fill_(value),
    forward: (x: Tensor, _pass: Pass) => x.mul(gamma),
  };
}
