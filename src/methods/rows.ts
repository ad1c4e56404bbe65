import type { Tensor } from "../torch/index.js";

/** Which rows of a joint `[Bl + Bu, K]` output take part in the consistency cost; its denominator is B either way. */
export function consistencyRows(
  { consistencyOnLabeled }: { readonly consistencyOnLabeled: boolean },
  [labeled, unlabeled]: readonly [number, number],
): { select(t: Tensor): Tensor; divideBy: number } {
  const select = consistencyOnLabeled ? (t: Tensor) => t : (t: Tensor) => t.narrow(0, labeled, unlabeled);
  return { select, divideBy: labeled + unlabeled };
}
