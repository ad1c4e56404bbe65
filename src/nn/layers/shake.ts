import { full, lerp, lerpInto, noGrad, type Tensor, uniform, whole } from "../../torch/index.js";
import type { Pass } from "../module.js";
import { noisy } from "./simple.js";

export interface ShakeSpec {
  /** Gate of the forward pass: `shake` draws it, `even` is 1/2. */
  readonly forward: "shake" | "even";
  /** Gate of the backward pass: `shake` draws another one, `keep` is the forward one, `even` is 1/2. */
  readonly backward: "shake" | "keep" | "even";
  /** One gate for each image, or one for the batch. */
  readonly level: "image" | "batch";
}

/**
 * Shake-shake of two branches `[N, C, H, W]`: y = alpha a + (1 - alpha) b with alpha ~ U(0, 1), while the gradient flows as
 * if y were beta a + (1 - beta) b with an independent beta: da = beta dy, db = (1 - beta) dy. Without noise both are 1/2.
 * No autograd function of our own: y = sg(forward mix - backward mix) + backward mix, whose value is the forward mix, so
 * that is written over the values of the backward mix (whose gradient needs neither a nor b).
 *
 * @see Gastaldi, arXiv:1705.07485, section 1; methods.md 3.2
 */
export function shake(a: Tensor, b: Tensor, spec: ShakeSpec, pass: Pass): Tensor {
  const even = () => full([1, 1, 1, 1], 0.5, { dtype: a.dtype, device: a.device });
  const draw = () => {
    const gates =
      spec.level === "image"
        ? uniform([a.size(0), 1, 1, 1], 0, 1, pass.rng, pass.spread, a.device)
        : uniform([1, 1, 1, 1], 0, 1, pass.rng, whole, a.device);
    return gates.to(a.dtype);
  };
  if (!noisy(pass)) return lerp(b, a, even());
  const alpha = spec.forward === "shake" ? draw() : even();
  const beta = spec.backward === "keep" ? alpha : spec.backward === "shake" ? draw() : even();
  const recorded = a.requiresGrad || b.requiresGrad;
  const y = lerp(b, a, recorded ? beta : alpha);
  if (recorded && beta !== alpha) noGrad(() => lerpInto(y.detach(), b, a, alpha));
  return y;
}
