/** A window of a streamed pool: pictures in the order they were read, and drawn in another. Each process keeps the pixels of its own rows. */
import { type PoolPicture, type PoolPosition, poolStart } from "../data/shards/pool.js";
import { UsageError } from "../errors.js";
import type { ShardPool } from "../images/image-set.js";
import { mostBytes } from "../images/most-bytes.js";
import type { Spread } from "../torch/index.js";

/** Pictures of a window, and how many there would be if one array could hold any number of bytes (`limit`). */
export interface WindowSize {
  readonly size: number;
  readonly wanted: number;
}

/**
 * Half of the shuffle buffer; a chunk at the least, and no more than a pass has, which would come several times. It does not depend on the
 * number of processes. Throws UsageError where not even a chunk can be held.
 */
export function windowSize(
  { decoding, shuffleBuffer, count }: Pick<ShardPool, "decoding" | "shuffleBuffer" | "count">,
  chunk: number,
  limit = mostBytes,
): WindowSize {
  const { channels, size: side } = decoding;
  const most = Math.floor(limit / (channels * side ** 2));
  if (chunk > most) {
    throw new UsageError(
      `shards: ${chunk} unlabeled rows a batch of ${side} x ${side} pixels are more than the ${limit} bytes that Node keeps in one array: ${most} rows at the most. Make the batch or --dataset.size smaller`,
    );
  }
  const wanted = Math.max(chunk, Math.min(shuffleBuffer >> 1, count));
  return { size: Math.min(wanted, most), wanted };
}

/** The order in which a window is drawn whose first picture has `from` pictures of all passes before it. */
export type OrderOf = (from: number) => Int32Array;

/** How a window is shared out: its row of turn `t` is row `base + t` of the batches, counted so that 0 is the first of one. */
interface Share {
  readonly base: number;
  /** The turn of each picture, in the order of reading. */
  readonly turns: Int32Array;
}

/** Place of turn `turn` among this process's, or -1 where it is another's. */
function placeOf(turn: number, base: number, { rank, size }: Spread): number {
  const first = (((rank - base) % size) + size) % size;
  return turn >= first && (turn - first) % size === 0 ? (turn - first) / size : -1;
}

/** Gives the pictures of a stream, one after the other, their places in window after window. */
export class Allotment {
  readonly #size: number;
  readonly #spread: Spread;
  readonly #orderOf: OrderOf;
  #base: number;
  #slot = 0;
  #turns: Int32Array = new Int32Array(0);

  /** `base`: see `Share`, of the first window. */
  constructor(size: number, spread: Spread, orderOf: OrderOf, base: number) {
    [this.#size, this.#spread, this.#orderOf, this.#base] = [size, spread, orderOf, base];
  }

  /** One that goes on from here on its own. */
  copy(): Allotment {
    const copy = new Allotment(this.#size, this.#spread, this.#orderOf, this.#base);
    [copy.#slot, copy.#turns] = [this.#slot, this.#turns];
    return copy;
  }

  /** The next picture, one that is no damaged one; `before`: pictures of all passes before it. Its place among this process's, or -1. */
  next(before: number): { readonly place: number; readonly share: Share } {
    if (this.#slot === this.#size) [this.#slot, this.#base] = [0, (this.#base + this.#size) % this.#spread.size];
    if (this.#slot === 0) this.#turns = inverse(this.#orderOf(before));
    const share = { base: this.#base, turns: this.#turns };
    return { place: placeOf(this.#turns[this.#slot++]!, share.base, this.#spread), share };
  }
}

function inverse(order: Int32Array): Int32Array {
  const turns = new Int32Array(order.length);
  order.forEach((slot, turn) => {
    turns[slot] = turn;
  });
  return turns;
}

export class Window {
  readonly size: number;
  readonly #spread: Spread;
  readonly #index: Int32Array;
  /** Those of this process's rows, in the order they are drawn. */
  readonly #pixels: Uint8Array;
  readonly #imageBytes: number;
  #base = 0;
  filled = 0;
  start: PoolPosition = poolStart;
  /** Pictures of all passes before the first one, and up to the last one. */
  from = 0;
  to = 0;

  constructor(size: number, imageBytes: number, spread: Spread) {
    [this.size, this.#imageBytes, this.#spread] = [size, imageBytes, spread];
    this.#index = new Int32Array(size);
    this.#pixels = new Uint8Array(Math.ceil(size / spread.size) * imageBytes);
  }

  /** The next picture in the order of reading; `pixels` where it is this process's. */
  add(picture: PoolPicture<unknown>, allotment: Allotment, pixels: Uint8Array | undefined): void {
    const { place, share } = allotment.next(picture.before);
    if (this.filled === 0) [this.start, this.from, this.#base] = [picture.position, picture.before, share.base];
    this.#index[share.turns[this.filled++]!] = picture.index;
    this.to = picture.before + 1;
    if (place < 0) return;
    if (!pixels) throw new Error(`Window: picture ${picture.index} is this process's and was not decoded`);
    this.#pixels.set(pixels, place * this.#imageBytes);
  }

  /** Number of the picture that is drawn at `turn`; where it is this process's, its pixels go to `pixels` as row `row`. */
  draw(turn: number, pixels: Uint8Array, row: number): number {
    const place = placeOf(turn, this.#base, this.#spread);
    const bytes = this.#imageBytes;
    if (place >= 0) pixels.set(this.#pixels.subarray(place * bytes, (place + 1) * bytes), row * bytes);
    return this.#index[turn]!;
  }
}
