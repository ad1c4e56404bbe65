/**
 * MixUp (Zhang et al., arXiv:1710.09412): rows and their targets are replaced by the same convex combination with those of
 * a partner row.
 */
import type { Rng } from "../rng.js";
import { type Tensor, tensor } from "../torch/index.js";

export interface MixUpOptions {
  /** Both parameters of the Beta distribution that shares come from; 0 leaves every row as it is. */
  readonly alpha: number;
  /** A share for each `row`, or one for the whole `batch`. */
  readonly per: "row" | "batch";
  /** Row i's partner: a random permutation's (`shuffled`), or row N - 1 - i (`reversed`). */
  readonly partner: "shuffled" | "reversed";
}

/** Who is mixed with whom, and how: one draw serves inputs and targets. */
export interface MixUp {
  /** `[N]` float32 in 0.5 .. 1: the row's own share, max(beta, 1 - beta), so that a row stays nearer to itself. */
  readonly share: Tensor;
  /** `[N]` int32. */
  readonly partner: Tensor;
}

/** Draws a mixture of `rows` rows, on `device`. */
export function drawMixUp(rng: Rng, rows: number, options: MixUpOptions, device = "cpu"): MixUp {
  const draw = () => {
    const beta = options.alpha === 0 ? 1 : rng.beta(options.alpha, options.alpha);
    return Math.max(beta, 1 - beta);
  };
  const shares =
    options.per === "row" ? Float32Array.from({ length: rows }, draw) : new Float32Array(rows).fill(draw());
  const partners =
    options.partner === "shuffled" ? rng.permutation(rows) : Int32Array.from({ length: rows }, (_, i) => rows - 1 - i);
  return { share: tensor(shares, [rows]).toDevice(device), partner: tensor(partners, [rows]).toDevice(device) };
}

/** share_i t_i + (1 - share_i) t_partner(i): `t` `[N, ...]` float -> the same shape. Gradients flow through. */
export function mixRows(t: Tensor, { share, partner }: MixUp): Tensor {
  const own = share.to(t.dtype).reshape([t.size(0), ...t.shape.slice(1).map(() => 1)]);
  return t.mul(own).add(t.indexSelect(0, partner).mul(own.mul(-1).add(1)));
}
