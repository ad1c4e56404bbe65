import type { Rng } from "../../rng.js";
import { linear as multiply, normal, type Tensor, uniform } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { parameter } from "../parameter.js";

export interface LinearSpec {
  /** Bound of the uniform fresh values, default 1 / sqrt(in). */
  readonly init?: number;
  /** The weight starts as N(0, 2 / (in + out)) instead (Glorot), the bias at 0. */
  readonly glorot?: boolean;
  /** The bias starts at 0. */
  readonly zeroBias?: boolean;
}

/** x `[N, in]` -> x W' + b `[N, out]`; weight `[out, in]`. Both start as U(-1/sqrt(in), 1/sqrt(in)), or +-`init`. */
export function linear(
  inFeatures: number,
  outFeatures: number,
  { init, glorot = false, zeroBias = glorot }: LinearSpec = {},
): Module {
  const weight = parameter([outFeatures, inFeatures]);
  const bias = parameter([outFeatures]);
  const bound = init ?? 1 / Math.sqrt(inFeatures);
  return {
    type: "linear",
    children: {},
    parameters: { weight, bias },
    buffers: {},
    reset(rng: Rng) {
      const shape = [outFeatures, inFeatures];
      const std = Math.sqrt(2 / (inFeatures + outFeatures));
      weight.copy_(glorot ? normal(shape, 0, std, rng) : uniform(shape, -bound, bound, rng));
      if (zeroBias) bias.zero_();
      else bias.copy_(uniform([outFeatures], -bound, bound, rng));
    },
    forward: (x: Tensor, _pass: Pass) => multiply(x, weight, bias),
  };
}
