/** Learning rates that differ between the parameters of one optimizer. */
import type { NamedTensor } from "../nn/model.js";

/** Factor on the learning rate of one parameter. */
export type RateFactor = (parameter: NamedTensor) => number;

export interface RateOptions {
  /** Default 1 for every parameter. Weight decay is part of the gradient, so it is scaled with it. */
  readonly rateFactor?: RateFactor;
}

/** The factor of each parameter, in order. */
export function rateFactors(parameters: readonly NamedTensor[], { rateFactor = () => 1 }: RateOptions): number[] {
  return parameters.map(rateFactor);
}

/** Of a list with an entry for each gathered parameter, the entries of one group. */
export type Pick = <T>(list: readonly T[]) => readonly T[];

/**
 * Calls `apply` once for each factor that occurs among the parameters at the positions `indices`; 0 is left out: those
 * stay as they are. One factor for all needs no copies.
 */
export function forEachRate(
  factors: readonly number[],
  indices: readonly number[],
  apply: (factor: number, pick: Pick) => void,
): void {
  const distinct = new Set(indices.map((i) => factors[i]!));
  for (const factor of distinct) {
    if (factor === 0) continue;
    apply(factor, (list) => (distinct.size === 1 ? list : list.filter((_, k) => factors[indices[k]!] === factor)));
  }
}
