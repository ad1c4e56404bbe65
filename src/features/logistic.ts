/** Multinomial logistic regression on features, and its L2 path. */
import type { Rng } from "../rng.js";
import { noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import { lbfgs } from "./lbfgs.js";

/** A linear layer: logits = x weight' + bias. */
export interface LinearHead {
  /** `[K, D]`, row by row. */
  readonly weight: Float32Array;
  /** `[K]` */
  readonly bias: Float32Array;
}

export interface Examples {
  /** `[N, D]`, row by row. */
  readonly features: Float32Array;
  readonly size: number;
  /** `[N]` */
  readonly y: Int32Array;
  readonly numClasses: number;
  /** `[N]`, how much each example counts; default all 1. */
  readonly weights?: Float32Array;
}

/** From nearly none to nearly all: the strengths that are tried. */
export const L2_PATH = [1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1] as const;

/**
 * Minimizes (1 / sum w) sum w_i H(y_i, softmax(x_i W' + b)) + (l2 / 2) |W|^2 over W and b, where x are the features less their mean,
 * divided by one scale so that their mean squared length is the number of features; the result takes features as they are.
 */
export function fitLogistic(examples: Examples, l2: number): LinearHead {
  const { features, size, y, numClasses, weights } = examples;
  const n = y.length;
  const { mean, scale } = centered(features, size);
  return noGrad(() =>
    scope(() => {
      const standard = Float64Array.from(features, (v, i) => (v - mean[i % size]!) / scale);
      const x = tensor(standard, [n, size]);
      const w = Float64Array.from(weights ?? new Float32Array(n).fill(1));
      const total = w.reduce((a, b) => a + b, 0);
      const share = tensor(
        w.map((v) => v / total),
        [n, 1],
      );
      const target = new Float64Array(n * numClasses);
      for (const [i, k] of y.entries()) target[i * numClasses + k] = 1;
      const wanted = tensor(target, [n, numClasses]);
      const count = numClasses * size;
      const found = lbfgs(
        (theta) => {
          const [value, gradient] = scope(() => evaluate(x, wanted, share, theta, size, numClasses));
          let norm = 0;
          for (let i = 0; i < count; i++) {
            norm += theta[i]! ** 2;
            gradient[i]! += l2 * theta[i]!;
          }
          return { value: value + (l2 / 2) * norm, gradient };
        },
        new Float64Array(count + numClasses),
      );
      const weight = Float32Array.from(found.subarray(0, count), (v) => v / scale);
      const bias = Float32Array.from({ length: numClasses }, (_, k) => {
        let shift = 0;
        for (let d = 0; d < size; d++) shift += weight[k * size + d]! * mean[d]!;
        return found[count + k]! - shift;
      });
      return { weight, bias };
    }),
  );
}

/** Mean cross-entropy and its gradient by weights and offsets, without the penalty. */
function evaluate(
  x: Tensor,
  wanted: Tensor,
  share: Tensor,
  theta: Float64Array,
  size: number,
  numClasses: number,
): [number, Float64Array] {
  const weight = tensor(theta.slice(0, numClasses * size), [numClasses, size]);
  const bias = tensor(theta.slice(numClasses * size), [numClasses]);
  const logP = x.matmul(weight.transpose(0, 1)).add(bias).logSoftmax(1);
  const value = -wanted.mul(logP).mul(share).sum().item();
  const error = logP.exp().sub(wanted).mul(share); // [N, K]
  const gradient = new Float64Array(theta.length);
  gradient.set(error.transpose(0, 1).matmul(x).contiguous().toArray() as Float64Array);
  gradient.set(error.sum([0]).toArray() as Float64Array, numClasses * size);
  return [value, gradient];
}

function centered(features: Float32Array, size: number): { mean: Float64Array; scale: number } {
  const n = features.length / size;
  const mean = new Float64Array(size);
  for (const [i, v] of features.entries()) mean[i % size]! += v / n;
  let squares = 0;
  for (const [i, v] of features.entries()) squares += (v - mean[i % size]!) ** 2;
  return { mean, scale: Math.sqrt(squares / features.length) || 1 };
}

/** Error in percent of a linear head. */
export function errorOf({ weight, bias }: LinearHead, { features, size, y, numClasses }: Examples): number {
  let wrong = 0;
  for (const [i, truth] of y.entries()) {
    let [best, top] = [0, Number.NEGATIVE_INFINITY];
    for (let k = 0; k < numClasses; k++) {
      let logit = bias[k]!;
      for (let d = 0; d < size; d++) logit += weight[k * size + d]! * features[i * size + d]!;
      if (logit > top) [best, top] = [k, logit];
    }
    if (best !== truth) wrong++;
  }
  return (100 * wrong) / y.length;
}

/** Rows of some examples. */
export function rowsOf({ features, size, y, numClasses }: Examples, rows: readonly number[]): Examples {
  const part = new Float32Array(rows.length * size);
  for (const [i, row] of rows.entries()) part.set(features.subarray(row * size, (row + 1) * size), i * size);
  return { features: part, size, numClasses, y: Int32Array.from(rows, (row) => y[row]!) };
}

/**
 * Tries the strengths of `L2_PATH` on folds that hold every class in equal shares, and fits all examples with the one of the lowest mean
 * error, the strongest of equals. Fewer than two examples a class: the middle of the path, and no error.
 */
export function fitOnPath(
  examples: Examples,
  folds: number,
  rng: Rng,
): LinearHead & { readonly l2: number; readonly error: number | undefined } {
  const { y, numClasses } = examples;
  const byClass: number[][] = Array.from({ length: numClasses }, () => []);
  for (const [i, k] of y.entries()) byClass[k]!.push(i);
  const fewest = Math.min(...byClass.filter((rows) => rows.length > 0).map((rows) => rows.length));
  const count = Math.min(folds, fewest);
  if (count < 2) return { ...fitLogistic(examples, 1e-2), l2: 1e-2, error: undefined };
  const foldOf = new Int32Array(y.length);
  for (const [k, rows] of byClass.entries()) {
    const order = rng.split(`class:${k}`).shuffle(Int32Array.from(rows));
    for (const [i, row] of order.entries()) foldOf[row] = i % count;
  }
  const all = Array.from(y.keys());
  let best: { l2: number; error: number } = { l2: 1, error: Number.POSITIVE_INFINITY };
  for (const l2 of L2_PATH) {
    let error = 0;
    for (let fold = 0; fold < count; fold++) {
      const head = fitLogistic(
        rowsOf(
          examples,
          all.filter((i) => foldOf[i] !== fold),
        ),
        l2,
      );
      error +=
        errorOf(
          head,
          rowsOf(
            examples,
            all.filter((i) => foldOf[i] === fold),
          ),
        ) / count;
    }
    if (error <= best.error) best = { l2, error };
  }
  return { ...fitLogistic(examples, best.l2), ...best };
}
