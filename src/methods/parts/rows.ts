import type { Model, PassRequest } from "../../nn/index.js";
import { type Tensor, zeros } from "../../torch/index.js";

/** Which rows of a joint `[Bl + Bu, K]` output take part in the consistency cost; its denominator is B either way. */
export function consistencyRows(
  { consistencyOnLabeled }: { readonly consistencyOnLabeled: boolean },
  [labeled, unlabeled]: readonly [number, number],
): { select(t: Tensor): Tensor; divideBy: number } {
  const select = consistencyOnLabeled ? (t: Tensor) => t : (t: Tensor) => t.narrow(0, labeled, unlabeled);
  return { select, divideBy: labeled + unlabeled };
}

/** Class logits `[N, K]` of a pass of its own. Networks take no empty batch: 0 rows give `[0, K]` without a pass. */
export function forwardRows(model: Model, x: Tensor, pass: PassRequest, numClasses: number): Tensor {
  return x.size(0) === 0 ? zeros([0, numClasses], { device: x.device }) : model.forward(x, pass);
}
