import type { Rng } from "../../rng.js";
import { conv2d as convolve, normal, type Tensor, uniform } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { parameter } from "../parameter.js";
import { padSame } from "./same-padding.js";

export interface ConvSpec {
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on every side, default (kernel - 1) / 2; or `same`, TensorFlow's rule (see `samePadding`). */
  readonly padding?: number | "same";
  readonly groups?: number;
  readonly bias?: boolean;
  /**
   * `torch` (default): U(-1/sqrt(fanIn), 1/sqrt(fanIn)), PyTorch's own; `fan-out`: N(0, 2 / (k k out)) (methods.md 3.2);
   * `depthwise`: N(0, 2 / (k k)), the fan-out of one filter (methods.md 3.6). Biases: as the weights with `torch`, else 0.
   */
  readonly init?: "torch" | "fan-out" | "depthwise";
}

/** 2-D convolution, x `[N, in, H, W]` -> `[N, out, H', W']`; weight `[out, in / groups, k, k]`, no bias unless asked for. */
export function conv2d(inChannels: number, outChannels: number, spec: ConvSpec): Module {
  const { kernel, stride = 1, groups = 1, padding = (kernel - 1) / 2, init = "torch" } = spec;
  const shape = [outChannels, inChannels / groups, kernel, kernel];
  const weight = parameter(shape);
  const bias = spec.bias ? parameter([outChannels]) : undefined;
  const fanIn = (inChannels / groups) * kernel * kernel;
  return {
    type: `conv ${kernel}x${kernel}${stride === 1 ? "" : ` / ${stride}`}${groups === 1 ? "" : `, ${groups} groups`}`,
    children: {},
    parameters: bias ? { weight, bias } : { weight },
    buffers: {},
    reset(rng: Rng) {
      const bound = 1 / Math.sqrt(fanIn);
      const std = Math.sqrt(2 / (kernel * kernel * (init === "depthwise" ? 1 : outChannels)));
      weight.copy_(init === "torch" ? uniform(shape, -bound, bound, rng) : normal(shape, 0, std, rng));
      if (init === "torch") bias?.copy_(uniform([outChannels], -bound, bound, rng));
      else bias?.zero_();
    },
    forward(x: Tensor, _pass: Pass) {
      if (padding !== "same") return convolve(x, weight, { bias, stride, padding, groups });
      if (stride === 1 && kernel % 2 === 1) return convolve(x, weight, { bias, padding: (kernel - 1) / 2, groups });
      return convolve(padSame(x, kernel, stride), weight, { bias, stride, groups });
    },
  };
}
