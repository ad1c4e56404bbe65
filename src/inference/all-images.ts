/** Every image of a run's training set in order of its index, a chunk in memory at a time: files read on demand, then the streamed pool. */
import { holdRows, plainImages, storeImages } from "../batches/store.js";
import { poolStart, readPool } from "../data/shards/pool.js";
import { imageScaling } from "../images/normalize.js";
import type { PreparedData } from "../session/data.js";
import type { Tensor } from "../torch/index.js";

export interface ImageChunk {
  readonly rows: number;
  /** `[rows, C, H, W]` as evaluation sees them; call it in a scope, before the next chunk is asked for. */
  images(): Tensor;
  /** Rows of it whose picture is damaged: what stands there is no image. */
  readonly damaged: readonly number[];
}

type Data = Pick<PreparedData, "train" | "pool">;

/** Throws DataError on a damaged shard, unless the pool skips those: their pictures then count as damaged. */
export async function* allImages(data: Data, most: number, device: string): AsyncGenerator<ImageChunk> {
  const { train, pool } = data;
  const size = Math.max(1, Math.min(most, train.cache?.capacity ?? most));
  for (let start = 0; start < train.count; start += size) {
    const rows = Int32Array.from({ length: Math.min(size, train.count - start) }, (_, i) => start + i);
    const hold = await holdRows(train, rows, "a table of predictions");
    yield { rows: rows.length, images: () => plainImages(train, rows, device), damaged: [] };
    hold.release();
  }
  if (pool) yield* poolImages(data, pool, most, device);
}

async function* poolImages({ train }: Data, pool: NonNullable<Data["pool"]>, most: number, device: string) {
  const { size: side, channels } = pool.decoding;
  const bytes = channels * side * side;
  const pixels = new Uint8Array(most * bytes);
  const slab = { pixels, count: most, channels, height: side, width: side, labels: new Int32Array(most).fill(-1) };
  const inOrder = Int32Array.from(pool.shards, (_, i) => i);
  const pictures = readPool(
    pool,
    poolStart,
    () => inOrder,
    () => {},
  );
  try {
    let next = await pictures.next();
    for (let start = 0; start < pool.count; start += most) {
      const rows = Math.min(most, pool.count - start);
      const damaged: number[] = [];
      for (let row = 0; row < rows; row++) {
        // A damaged shard that is passed over leaves a gap in the numbers; the next pass begins at 0 again.
        const here = !next.done && next.value.before === start + row ? next.value : undefined;
        const picture = here && (await here.picture);
        if (picture && !("reason" in picture)) pixels.set(picture.pixels, row * bytes);
        else damaged.push(row);
        if (here && start + row + 1 < pool.count) next = await pictures.next();
      }
      const scaling = train.scaling.per === "image" ? imageScaling(slab) : train.scaling;
      const store = storeImages({ images: slab, scaling }, train);
      const places = Int32Array.from({ length: rows }, (_, i) => i);
      try {
        yield { rows, images: () => plainImages(store, places, device), damaged };
      } finally {
        store.release();
      }
    }
  } finally {
    await pictures.return(undefined);
  }
}
