import type { Rng } from "../../rng.js";
import { attention, linear as multiply, type Tensor, uniform } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";
import { parameter } from "../parameter.js";
import { linear } from "./linear.js";

/**
 * Multi-head self-attention of tokens, x `[N, T, D]`: query, key and value by one product with `in_proj_weight` `[3 D, D]`, then
 * `out_proj` (the names of PyTorch's MultiheadAttention).
 *
 * @see Vaswani et al., arXiv:1706.03762, section 3.2
 */
export function selfAttention(size: number, heads: number): Module {
  const weight = parameter([3 * size, size]);
  const bias = parameter([3 * size]);
  const out = linear(size, size, { zeroBias: true });
  const bound = Math.sqrt(6 / (4 * size)); // Glorot's, of the joint matrix
  return {
    type: `attention, ${heads} heads`,
    // The joint product, and the two of the attention itself; out_proj counts its own.
    products: ([tokens = 0]) => tokens * 3 * size * size + 2 * tokens * tokens * size,
    children: { out_proj: out },
    parameters: { in_proj_weight: weight, in_proj_bias: bias },
    buffers: {},
    reset(rng: Rng) {
      weight.copy_(uniform([3 * size, size], -bound, bound, rng));
      bias.zero_();
    },
    forward(x: Tensor, pass: Pass) {
      const [rows, tokens] = [x.size(0), x.size(1)];
      const joint = multiply(x, weight, bias)
        .reshape([rows, tokens, 3, heads, size / heads])
        .permute([2, 0, 3, 1, 4]);
      const mixed = attention(joint.select(0, 0), joint.select(0, 1), joint.select(0, 2)); // [N, heads, T, D / heads]
      return out.forward(mixed.transpose(1, 2).reshape([rows, tokens, size]), pass);
    },
  };
}
