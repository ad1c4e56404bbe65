/** Layers without weights. */
import {
  addGaussianNoise,
  dropout as drop,
  leakyRelu_,
  maxPool2d as max,
  globalAvgPool as pool,
  type Tensor,
} from "../torch/index.js";
import type { Module, Pass } from "./module.js";

/** A module without parts or weights. */
export function layer(forward: (x: Tensor, pass: Pass) => Tensor): Module {
  return { children: {}, parameters: {}, buffers: {}, forward };
}

const noisy = (pass: Pass) => pass.mode === "train" || pass.mode === "init";

/** Inverted dropout per element; `pass.dropout` replaces `p`. */
export function dropout(p: number): Module {
  return layer((x, pass) => {
    const probability = pass.dropout ?? p;
    return noisy(pass) && probability > 0 ? drop(x, probability, pass.rng) : x;
  });
}

/** x + N(0, sigma^2) per element, in the units of the normalized input; `pass.inputNoise` replaces `sigma`. */
export function gaussianNoise(sigma: number): Module {
  return layer((x, pass) => {
    const std = pass.inputNoise ?? sigma;
    return noisy(pass) && std > 0 ? addGaussianNoise(x, std, pass.rng) : x;
  });
}

/** In place: only behind layers whose gradient does not need their own output (normalization, convolution). */
export function leakyRelu(slope: number): Module {
  return layer((x) => leakyRelu_(x, slope));
}

export function maxPool2d(kernel: number): Module {
  return layer((x) => max(x, kernel));
}

/** `[N, C, H, W]` -> `[N, C]`, mean over height and width. */
export function globalAvgPool(): Module {
  return layer((x) => pool(x));
}

export function sigmoid(): Module {
  return layer((x) => x.sigmoid());
}
