/** Batches whose unlabeled rows come from a pool that is streamed from disk. */
import type { Views } from "../batch.js";
import type { ShardPool } from "../images/image-set.js";
import { imageScaling } from "../images/normalize.js";
import type { State } from "../stateful.js";
import { classesOf, type LoaderOptions, partLoader } from "./loader.js";
import { PoolStream, type Sharing } from "./pool-stream.js";
import type { Sampler } from "./sampler.js";
import type { BatchSource } from "./source.js";
import { type ImageStore, storeImages } from "./store.js";

export interface StreamOptions<L extends Views, U extends Views> extends LoaderOptions<L, U> {
  /** The images with a label, in memory, and the labels training may see. */
  readonly train: ImageStore;
  readonly y: Int32Array;
  readonly pool: ShardPool;
  /** Gives the labeled rows; the unlabeled ones it gives are not looked at. */
  readonly sampler: Sampler;
  /** Unlabeled rows of the batch of `step`, and the most there are in any. */
  unlabeledRows(step: number): number;
  readonly mostUnlabeledRows: number;
  readonly spread?: Sharing;
}

/**
 * Labeled rows from memory, unlabeled ones from the pool. An unlabeled row's index is its number in the pool plus the
 * number of images in memory. `epoch` counts passes over the pool. Throws UsageError as `createLoader` and `PoolStream`
 * do.
 */
export function streamedBatches<L extends Views, U extends Views>({
  train,
  y,
  pool,
  sampler,
  unlabeledRows,
  mostUnlabeledRows: most,
  views,
  ...options
}: StreamOptions<L, U>): BatchSource<L, U> {
  const stream = new PoolStream(pool, most, options.rng.split("pool"), options.spread);
  const { size, channels } = pool.decoding;
  const pixels = new Uint8Array(most * channels * size * size);
  const labels = new Int32Array(most).fill(-1);
  const slab = { pixels, count: most, channels, height: size, width: size, labels };
  const perImage = train.scaling.per === "image";
  const scaling = perImage ? imageScaling(slab) : train.scaling;
  const store = storeImages({ images: slab, scaling }, train);
  const labeled = partLoader<L>(train, views.labeled, "labeled", options);
  const unlabeled = partLoader<U>(store, views.unlabeled, "unlabeled", options);
  const first = train.images.size(0);
  const rowBytes = channels * size * size;

  return {
    prepare: (step) => (unlabeledRows(step) > 0 ? stream.ready(unlabeledRows(step)) : undefined),
    batch(step) {
      const rows = sampler.next().labeled;
      const index = new Int32Array(unlabeledRows(step));
      stream.take(pixels.subarray(0, index.length * rowBytes), index);
      if (perImage) {
        const { scale, offset } = imageScaling(slab);
        scaling.scale.set(scale);
        scaling.offset.set(offset);
      }
      const places = index.map((_, row) => row);
      const numbers = index.map((number) => first + number);
      return {
        labeled: { ...labeled(rows, step), y: classesOf(y, rows, options.device) },
        unlabeled: unlabeled(places, step, numbers),
      };
    },
    get epoch() {
      return stream.epoch;
    },
    remarks: () => stream.remarks(),
    async close() {
      await stream.close();
      store.release();
    },
    stateDict: () => ({
      tensors: {},
      values: { labeled: sampler.stateDict().values, pool: stream.stateDict().values },
    }),
    loadStateDict({ values }: State) {
      const part = (name: string) => ({ tensors: {}, values: (values[name] ?? {}) as State["values"] });
      sampler.loadStateDict(part("labeled"));
      stream.loadStateDict(part("pool"));
    },
  };
}
