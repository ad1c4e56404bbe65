/** Layers without weights. */
import {
  addGaussianNoise,
  dropout as drop,
  gelu as exactGelu,
  hardTanh,
  leakyRelu_,
  maxPool2d as max,
  globalAvgPool as pool,
  hardSwish as swish,
  type Tensor,
} from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { padSame } from "./same-padding.js";

/** A module without parts or weights; `type` names it in layer tables. */
export function layer(forward: (x: Tensor, pass: Pass) => Tensor, type?: string): Module {
  return { ...(type === undefined ? {} : { type }), children: {}, parameters: {}, buffers: {}, forward };
}

/** Whether dropout and noise act in this pass. */
export const noisy = (pass: Pass) => pass.mode === "train" || pass.mode === "init";

/** Inverted dropout per element; `pass.dropout` replaces `p`. */
export function dropout(p: number): Module {
  return layer((x, pass) => {
    const probability = pass.dropout ?? p;
    return noisy(pass) && probability > 0 ? drop(x, probability, pass.rng, pass.spread) : x;
  }, `dropout ${p}`);
}

/** x + N(0, sigma^2) per element, in the units of the normalized input; `pass.inputNoise` replaces `sigma`. */
export function gaussianNoise(sigma: number): Module {
  return layer((x, pass) => {
    const std = pass.inputNoise ?? sigma;
    return noisy(pass) && std > 0 ? addGaussianNoise(x, std, pass.rng, pass.spread) : x;
  }, `noise ${sigma}`);
}

/** In place: only behind layers whose gradient does not need their own output (normalization, convolution). */
export function leakyRelu(slope: number): Module {
  return layer((x) => leakyRelu_(x, slope), slope === 0 ? "relu" : `leaky relu ${slope}`);
}

/** ReLU in place: see `leakyRelu`. */
export function relu(): Module {
  return leakyRelu(0);
}

export interface PoolSpec {
  /** Default: the kernel. */
  readonly stride?: number;
  /** On every side, never the largest; or `same`, TensorFlow's rule (see `samePadding`). Default 0. */
  readonly padding?: number | "same";
}

/** `[N, C, H, W]` -> `[N, C, H', W']`, the largest of each window. */
export function maxPool2d(kernel: number, { stride = kernel, padding = 0 }: PoolSpec = {}): Module {
  const type = `max pool ${kernel}x${kernel} / ${stride}`;
  if (padding !== "same") return layer((x) => max(x, kernel, stride, padding), type);
  return layer((x) => max(padSame(x, kernel, stride, Number.NEGATIVE_INFINITY), kernel, stride), type);
}

/** `[N, C, H, W]` -> `[N, C]`, mean over height and width. */
export function globalAvgPool(): Module {
  return layer((x) => pool(x), "global average");
}

/** x sigmoid(x), also called swish. */
export function silu(): Module {
  return layer((x) => x.silu(), "silu");
}

/** x Phi(x). */
export function gelu(): Module {
  return layer((x) => exactGelu(x), "gelu");
}

/** x min(max(x + 3, 0), 6) / 6. */
export function hardSwish(): Module {
  return layer((x) => swish(x), "hard swish");
}

/** min(max(x, 0), 6). */
export function relu6(): Module {
  return layer((x) => hardTanh(x, 0, 6), "relu6");
}

export function sigmoid(): Module {
  return layer((x) => x.sigmoid(), "sigmoid");
}
