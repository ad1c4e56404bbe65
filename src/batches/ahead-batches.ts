/** Batches of pictures that are decoded on demand: the rows of the next batches are drawn, and their decoding begun, ahead. */
import type { Views } from "../batch.js";
import type { Hold, PictureCache } from "../images/picture-cache.js";
import type { State } from "../stateful.js";
import { ownRows, type Spread, whole } from "../torch/index.js";
import type { Loader } from "./loader.js";
import type { Rows, Sampler } from "./sampler.js";
import type { BatchSource } from "./source.js";

/** Batches in hand, the one under way among them. */
export const batchesAhead = 3;

interface Drawn {
  readonly rows: Rows;
  readonly hold: Hold;
  /** The sampler before this batch was drawn. */
  readonly state: State;
  readonly epoch: number;
}

export interface AheadOptions {
  /** Of the rows of a batch those of this process are decoded here. Default all. */
  readonly spread?: Spread;
  /** After so many steps nothing more is drawn: the last one has other pictures to hold. Default: without end. */
  readonly steps?: number;
}

/**
 * The same batches as `memoryBatches`. Its state is that of the sampler before the first batch that has not been given out, so what was
 * drawn ahead is drawn again by a run that continues.
 */
export function aheadBatches<L extends Views, U extends Views>(
  sampler: Sampler,
  loader: Loader<L, U>,
  cache: PictureCache,
  { spread = whole, steps = Number.POSITIVE_INFINITY }: AheadOptions = {},
): BatchSource<L, U> {
  let queue: Drawn[] = [];
  /** Still held: what is done with a batch after it was given out (probes) may ask for its rows. */
  let last: Hold | undefined;
  const draw = (): Drawn => {
    const [state, epoch] = [sampler.stateDict(), sampler.epoch];
    const rows = sampler.next();
    const own = [...ownRows(rows.labeled, spread), ...ownRows(rows.unlabeled, spread)];
    return { rows, state, epoch, hold: cache.hold(Int32Array.from(own)) };
  };
  const forget = () => {
    last?.release();
    last = undefined;
    for (const { hold } of queue) hold.release();
    queue = [];
  };
  return {
    prepare(step) {
      last?.release();
      last = undefined;
      while (queue.length < Math.min(batchesAhead, steps - step)) queue.push(draw());
      return queue[0]!.hold.ready;
    },
    batch(step) {
      const drawn = queue.shift();
      if (!drawn) throw new Error("aheadBatches: batch before prepare");
      last = drawn.hold;
      return loader.batch(drawn.rows, step);
    },
    get epoch() {
      return queue[0]?.epoch ?? sampler.epoch;
    },
    remarks: () => cache.remarks(),
    async close() {
      forget();
    },
    stateDict: () => queue[0]?.state ?? sampler.stateDict(),
    loadStateDict(state) {
      forget();
      sampler.loadStateDict(state);
    },
  };
}
