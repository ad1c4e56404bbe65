import { dropout as drop, ones } from "../../torch/index.js";
import type { Module } from "../module.js";
import { layer, noisy } from "./simple.js";

/**
 * Stochastic depth by rows ("drop-connect" in EfficientNet's code): in training each row of x `[N, ...]` is 0 with
 * probability `p`, else divided by 1 - p. For the branch of a residual block. Not a dropout of elements, so
 * `pass.dropout` does not replace `p`, but 0 there switches it off.
 *
 * @see Huang et al., arXiv:1603.09382, section 3; methods.md 3.6
 */
export function dropConnect(p: number): Module {
  return layer((x, pass) => {
    if (!noisy(pass) || p === 0 || pass.dropout === 0) return x;
    const rows = ones([x.size(0), ...x.shape.slice(1).map(() => 1)], { device: x.device });
    return x.mul(drop(rows, p, pass.rng, pass.spread).to(x.dtype));
  });
}
