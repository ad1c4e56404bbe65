/** How many neighbors to ask: tried on folds of the labeled images. */
import type { Rng } from "../rng.js";
import { call, noGrad, scope, type Tensor, tensor } from "../torch/index.js";
import type { Examples } from "./logistic.js";
import { unitRows } from "./propagate.js";

/** What is tried; the last one is that of the protocol. */
export const K_PATH = [1, 2, 5, 10, 20, 50, 100, 200] as const;

/** Rows a pass. */
const CHUNK = 256;

/** Folds by position, each class dealt out in turn, going on where the class before it ended. */
export function dealt(y: Int32Array, numClasses: number, folds: number, rng: Rng): Int32Array {
  const foldOf = new Int32Array(y.length);
  let next = 0;
  for (let k = 0; k < numClasses; k++) {
    const rows = Int32Array.from(y.keys()).filter((i) => y[i] === k);
    for (const row of rng.split(`class:${k}`).shuffle(rows)) foldOf[row] = next++ % folds;
  }
  return foldOf;
}

export interface ChosenNeighbors {
  readonly k: number;
  /** Error of the k in percent over all labeled images, each judged by those of other folds; undefined where there was no choice. */
  readonly error: number | undefined;
}

/**
 * The k of `K_PATH` whose vote (see `neighbors` in nn/layers) is wrong least often, the largest of equals. No k above the number of
 * examples is tried. Where every class has one example they say nothing of each other: the largest k then, and no error.
 */
export function chooseNeighbors(
  examples: Examples,
  temperature: number,
  { folds, rng }: { readonly folds: number; readonly rng: Rng },
): ChosenNeighbors {
  const { features, size, y, numClasses } = examples;
  const n = y.length;
  const path = K_PATH.filter((k) => k <= n);
  const most = path.at(-1)!;
  if (new Set(y).size === n || path.length === 1) return { k: most, error: undefined };
  const foldOf = dealt(y, numClasses, Math.min(folds, n), rng);
  const wrong = new Int32Array(path.length);
  noGrad(() =>
    scope(() => {
      const x = tensor(unitRows(features, size), [n, size]);
      const turned = x.transpose(0, 1);
      for (let from = 0; from < n; from += CHUNK) {
        const count = Math.min(CHUNK, n - from);
        const [near, places] = scope(() => {
          const other = Float32Array.from({ length: count * n }, (_, at) =>
            foldOf[from + Math.floor(at / n)] === foldOf[at % n] ? -4 : 0,
          );
          const similar = x
            .narrow(0, from, count)
            .matmul(turned)
            .add(tensor(other, [count, n]));
          const [values, index] = call("aten::topk", "", similar, most, 1, true, true) as [Tensor, Tensor];
          return [values.toNumbers(), index.toNumbers()];
        });
        for (let row = 0; row < count; row++) {
          const votes = new Float64Array(numClasses);
          const start = row * most;
          for (let rank = 0, tried = 0; rank < most; rank++) {
            // Those of the same fold come last, below every cosine.
            const similarity = near[start + rank]!;
            if (similarity > -2)
              votes[y[places[start + rank]!]!]! += Math.exp((similarity - near[start]!) / temperature);
            if (rank + 1 !== path[tried]) continue;
            if (votes.indexOf(Math.max(...votes)) !== y[from + row]) wrong[tried]!++;
            tried++;
          }
        }
      }
    }),
  );
  const least = Math.min(...wrong);
  const chosen = wrong.lastIndexOf(least);
  return { k: path[chosen]!, error: (100 * least) / n };
}
