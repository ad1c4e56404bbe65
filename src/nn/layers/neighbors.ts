import { call, full, linear, noGrad, type Tensor, tensor, where, zerosLike } from "../../torch/index.js";
import type { Module } from "../module.js";

export interface NeighborsShape {
  /** Examples kept, N. */
  readonly count: number;
  /** Numbers of a feature, D. */
  readonly size: number;
  readonly numClasses: number;
  /** The largest k that can be set. */
  readonly most: number;
}

/** What such a head is called in a model that has it in place of its own. */
export const NEIGHBORS = "neighbors";

/** Added to the votes of each class, so that a class without any has a finite logit: a millionth of the nearest neighbor's. */
const LEAST = 1e-6;

/**
 * The vote of the k nearest of N kept examples, x `[B, D]` -> the logarithm of the votes `[B, K]`, whose softmax are their shares:
 *
 *   s_i = cos(x, f_i);   v_c = sum over the k largest s_i of exp((s_i - max s) / T) [y_i = c]
 *
 * All it knows are buffers: `features` `[N, D]` of length 1, `classes` `[N, K]` with a 1 in each row, `nearest` `[most]` with a 1 at k - 1,
 * `temperature` `[1]`. Examples exactly as near as the k-th vote too.
 */
export function neighbors({ count, size, numClasses, most }: NeighborsShape): Module {
  const empty = (shape: readonly number[]) => noGrad(() => full(shape, 0).keep());
  const [features, classes] = [empty([count, size]), empty([count, numClasses])];
  const [nearest, temperature] = [empty([most]), empty([1])];
  return {
    type: `${count} neighbors`,
    children: {},
    parameters: {},
    buffers: { features, classes, nearest, temperature },
    forward(x) {
      const length = x.pow(2).sum([1], true).sqrt().clampMin(1e-12);
      const similar = linear(x.div(length), features); // [B, N]
      const [largest] = call("aten::topk", "", similar, most, 1, true, true) as [Tensor, Tensor]; // [B, most]
      const least = largest.mul(nearest).sum([1], true);
      const weights = similar
        .sub(largest.narrow(1, 0, 1))
        .div(temperature)
        .exp();
      const votes = where(similar.ge(least), weights, zerosLike(weights)).matmul(classes);
      return votes.add(LEAST).log();
    },
  };
}

export interface Kept {
  /** `[N, D]` row by row, each of length 1. */
  readonly features: Float32Array;
  /** `[N]` */
  readonly y: Int32Array;
  readonly k: number;
  readonly temperature: number;
}

/** Gives the layer its examples. */
export function keepNeighbors({ buffers }: Module, { features, y, k, temperature }: Kept): void {
  const { features: rows, classes, nearest, temperature: t } = buffers;
  const oneOf = (shape: readonly number[], at: (row: number) => number) => {
    const [n, width] = shape as [number, number];
    const values = new Float32Array(n * width);
    for (let row = 0; row < n; row++) values[row * width + at(row)] = 1;
    return tensor(values, [n, width]);
  };
  noGrad(() => {
    rows!.copy_(tensor(features, rows!.shape));
    classes!.copy_(oneOf(classes!.shape, (row) => y[row]!));
    nearest!.copy_(oneOf([1, nearest!.size(0)], () => k - 1).reshape(nearest!.shape));
    t!.fill_(temperature);
  });
}
