/** Rows of a batch and denominators of means, in one vocabulary: Bl labeled rows first, then Bu unlabeled ones, B in all. */
import type { Part } from "../../batch.js";
import { crossEntropy } from "../../losses/index.js";
import type { Model, PassRequest } from "../../nn/index.js";
import { cat, type Tensor, zeros } from "../../torch/index.js";

/** As much of a batch as tells its rows apart. */
type Rows = { readonly labeled: Pick<Part, "index">; readonly unlabeled: Pick<Part, "index"> };
type Role<R extends string> = { readonly x: { readonly [Name in R]: Tensor } };

/** `[Bl, Bu]`; either may be 0. */
export function counts({ labeled, unlabeled }: Rows): readonly [number, number] {
  return [labeled.index.size(0), unlabeled.index.size(0)];
}

/** One view of every image, labeled rows first: `[B, C, H, W]`. */
export function both<R extends string>(
  { labeled, unlabeled }: { readonly labeled: Role<R>; readonly unlabeled: Role<R> },
  role: R,
): Tensor {
  return cat([labeled.x[role], unlabeled.x[role]]);
}

/** The labeled rows `[Bl, ...]` of something with a row for each image of the batch. */
export function labeledOf(all: Tensor, batch: Rows): Tensor {
  return all.narrow(0, 0, counts(batch)[0]);
}

/** The unlabeled rows `[Bu, ...]` of it. */
export function unlabeledOf(all: Tensor, batch: Rows): Tensor {
  return all.narrow(0, ...counts(batch));
}

export interface ClassCostOptions {
  /** `batch`: 1 / B, which the weights of the first papers mean; `labeled`: 1 / Bl. */
  readonly classReduction: "batch" | "labeled";
  readonly labelSmoothing?: number;
}

/** (1 / B or 1 / Bl) sum_labeled H(target, softmax(zl)), a scalar; zl `[Bl, K]`, target as `crossEntropy` takes it. 0 without labeled rows. */
export function classCost(
  zl: Tensor,
  target: Tensor,
  batch: Rows,
  { classReduction, labelSmoothing: smoothing = 0 }: ClassCostOptions,
): Tensor {
  const [bl, bu] = counts(batch);
  return crossEntropy(zl, target, { divideBy: classReduction === "batch" ? bl + bu : undefined, smoothing });
}

/** Which rows have a part in the consistency cost: all, or the unlabeled ones. Its denominator is B either way. */
export function consistencyRows(batch: Rows, { consistencyOnLabeled }: { readonly consistencyOnLabeled: boolean }) {
  const [bl, bu] = counts(batch);
  return { among: (all: Tensor) => (consistencyOnLabeled ? all : unlabeledOf(all, batch)), divideBy: bl + bu };
}

/** Class logits `[N, K]` of a pass of its own. Networks take no empty batch: 0 rows give `[0, K]` without a pass. */
export function forwardRows(model: Model, x: Tensor, pass: PassRequest, numClasses: number): Tensor {
  return x.size(0) === 0 ? zeros([0, numClasses], { device: x.device }) : model.forward(x, pass);
}

/** Mean of `[N]`, 0 where N is 0. */
export function meanOrZero(values: Tensor): Tensor {
  return values.sum().div(Math.max(1, values.size(0)));
}
