import type { Rng } from "../rng.js";
import { linear as multiply, type Tensor, uniform } from "../torch/index.js";
import type { Module, Pass } from "./module.js";
import { parameter } from "./parameter.js";

/** x `[N, in]` -> x W' + b `[N, out]`; weight `[out, in]`. Both start as U(-1/sqrt(in), 1/sqrt(in)), or +-`init`. */
export function linear(inFeatures: number, outFeatures: number, { init }: { readonly init?: number } = {}): Module {
  const weight = parameter([outFeatures, inFeatures]);
  const bias = parameter([outFeatures]);
  const bound = init ?? 1 / Math.sqrt(inFeatures);
  return {
    children: {},
    parameters: { weight, bias },
    buffers: {},
    reset(rng: Rng) {
      weight.copy_(uniform([outFeatures, inFeatures], -bound, bound, rng));
      bias.copy_(uniform([outFeatures], -bound, bound, rng));
    },
    forward: (x: Tensor, _pass: Pass) => multiply(x, weight, bias),
  };
}
