import type { Rng } from "../rng.js";
import { conv2d as convolve, normal, type Tensor, uniform } from "../torch/index.js";
import type { Module, Pass } from "./module.js";
import { parameter } from "./parameter.js";

export interface ConvSpec {
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on every side; default "same" for odd kernels: (kernel - 1) / 2. */
  readonly padding?: number;
  readonly groups?: number;
  readonly bias?: boolean;
  /**
   * `torch` (default): U(-1/sqrt(fanIn), 1/sqrt(fanIn)), PyTorch's own; `fan-out`: N(0, 2 / (k k out)) (methods.md 3.2).
   */
  readonly init?: "torch" | "fan-out";
}

/** 2-D convolution, x `[N, in, H, W]` -> `[N, out, H', W']`; weight `[out, in / groups, k, k]`, no bias unless asked for. */
export function conv2d(inChannels: number, outChannels: number, spec: ConvSpec): Module {
  const { kernel, stride = 1, groups = 1, padding = (kernel - 1) / 2, init = "torch" } = spec;
  const shape = [outChannels, inChannels / groups, kernel, kernel];
  const weight = parameter(shape);
  const bias = spec.bias ? parameter([outChannels]) : undefined;
  const fanIn = (inChannels / groups) * kernel * kernel;
  return {
    children: {},
    parameters: bias ? { weight, bias } : { weight },
    buffers: {},
    reset(rng: Rng) {
      const bound = 1 / Math.sqrt(fanIn);
      const std = Math.sqrt(2 / (kernel * kernel * outChannels));
      weight.copy_(init === "torch" ? uniform(shape, -bound, bound, rng) : normal(shape, 0, std, rng));
      bias?.copy_(uniform([outChannels], -bound, bound, rng));
    },
    forward: (x: Tensor, _pass: Pass) => convolve(x, weight, { bias, stride, padding, groups }),
  };
}
