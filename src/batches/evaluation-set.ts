/** Images to be judged: without augmentation, in order, in batches. */
import type { Hold } from "../images/picture-cache.js";
import type { Tensor } from "../torch/index.js";
import { type ImageStore, plainImages } from "./store.js";

export interface EvaluationSet {
  /** Number of images. */
  readonly size: number;
  readonly batches: number;
  /** What batch `k` has to wait for; undefined where it is ready. Batches are asked for in order, `next` after this one. */
  prepare(k: number, next?: number): Promise<void> | undefined;
  /** When no batch is wanted any more. */
  close(): void;
  /** Batch `k`, after `prepare`; call it inside a scope. `x` `[N, C, H, W]` float32, `y` `[N]` class indices. */
  batch(k: number): { readonly x: Tensor; readonly y: Int32Array; readonly index: Int32Array };
}

/** The images `rows` of a store (all by default) with their true labels. */
export function evaluationSet(
  store: ImageStore,
  labels: Int32Array,
  { rows, batch = 500, device = "cpu" }: { rows?: Int32Array; batch?: number; device?: string } = {},
): EvaluationSet {
  const order = rows ?? Int32Array.from({ length: labels.length }, (_, i) => i);
  const batches = Math.ceil(order.length / batch);
  const rowsOf = (k: number) => order.slice(k * batch, (k + 1) * batch);
  /** Of the batch under way and of the next one. */
  const holds = new Map<number, Hold>();
  const keep = (wanted: readonly number[]) => {
    for (const [k, hold] of holds) {
      if (wanted.includes(k)) continue;
      hold.release();
      holds.delete(k);
    }
    for (const k of wanted) {
      if (store.cache && k < batches && !holds.has(k)) holds.set(k, store.cache.hold(rowsOf(k)));
    }
  };
  return {
    size: order.length,
    batches,
    prepare(k, next = k + 1) {
      keep([k, next]);
      return holds.get(k)?.ready;
    },
    close: () => keep([]),
    batch(k) {
      const index = rowsOf(k);
      const x = plainImages(store, index, device);
      return { x, y: index.map((i) => labels[i]!), index };
    },
  };
}
