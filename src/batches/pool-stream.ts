/**
 * A shuffled stream out of a pool that is only ever read in order. The pictures come in windows, each mixed by a
 * permutation; while one is drawn from, the next one fills at the same rate. So memory is two windows, and the state is
 * where a window began and how many of it are drawn: continuing reads that window again.
 */

import { type PoolPicture, type PoolPosition, poolStart, readPool } from "../data/shards/pool.js";
import type { DecodedPicture } from "../data/shards/samples.js";
import { DataError, UsageError } from "../errors.js";
import type { DamagedFile, ShardPool } from "../images/image-set.js";
import type { Rng } from "../rng.js";
import type { Json, State, Stateful } from "../stateful.js";

/** Damaged pictures are counted against their limit from so many pictures on. */
const fairSample = 200;

export class PoolStream implements Stateful {
  readonly #pool: ShardPool;
  readonly #rng: Rng;
  /** Pictures handed out at a time, at the most. */
  readonly #chunk: number;
  #source: Prefetch | undefined;
  #current: Window;
  #next: Window;
  #order: Int32Array = new Int32Array(0);
  #cursor = 0;
  #start: PoolPosition = poolStart;
  #read = 0;
  #damaged = 0;
  #remarks: string[] = [];
  /** Pictures that took decoding, by number, where all of the pool fit into the memory they may take. */
  readonly #kept: Map<number, DecodedPicture> | undefined;

  /** Throws UsageError where the shuffle buffer is smaller than two chunks. */
  constructor(pool: ShardPool, chunk: number, rng: Rng) {
    const { decoding, shuffleBuffer, count, memory = 0 } = pool;
    if (shuffleBuffer < 2 * chunk) {
      throw new UsageError(
        `shards: --dataset.shuffleBuffer ${shuffleBuffer} is too small for ${chunk} unlabeled rows a batch: give ${2 * chunk} or more`,
      );
    }
    [this.#pool, this.#rng, this.#chunk] = [pool, rng, chunk];
    // A window longer than a pass would hold every picture several times.
    const size = Math.max(chunk, Math.min(shuffleBuffer >> 1, count));
    const imageBytes = decoding.channels * decoding.size ** 2;
    this.#current = new Window(size, imageBytes);
    this.#next = new Window(size, imageBytes);
    this.#kept = count * imageBytes <= memory ? new Map() : undefined;
  }

  /** Passes over the pool so far: a fraction that grows with every batch. */
  get epoch(): number {
    const { from, to, size } = this.#current;
    return (from + ((to - from) * this.#cursor) / size) / this.#pool.count;
  }

  /** Pictures that could not be decoded, so far. */
  get damaged(): number {
    return this.#damaged;
  }

  /** What has to be said since this was last asked. */
  remarks(): string[] {
    return this.#remarks.splice(0);
  }

  /** Makes `count` pictures ready to be taken. Throws DataError where the pool is too damaged to go on. */
  async ready(count: number): Promise<void> {
    if (!this.#source) await this.#open();
    await this.#fill(this.#next, Math.min(this.#next.size, this.#cursor + count));
  }

  /** Takes pictures that are ready: bytes `[count, C, H, W]` into `pixels`, their numbers in the pool into `index`. */
  take(pixels: Uint8Array, index: Int32Array): void {
    for (let row = 0; row < index.length; row++) {
      if (this.#cursor === this.#current.size) this.#swap();
      const from = this.#order[this.#cursor++]!;
      index[row] = this.#current.index[from]!;
      this.#current.copy(from, pixels, row);
    }
  }

  async close(): Promise<void> {
    await this.#source?.close();
    this.#source = undefined;
  }

  /** The first window, or the one under way when the state was saved. */
  async #open(): Promise<void> {
    const pool = this.#pool;
    const orderOf = (pass: number) => this.#rng.split(`pass:${pass}`).permutation(pool.shards.length);
    const skipped = ({ file, reason }: DamagedFile) =>
      void this.#remarks.push(`skipped the rest of ${file}: ${reason}`);
    // Decoding runs on threads of its own, so what a batch needs after this one is under way while a step is computed.
    this.#source = new Prefetch(
      readPool(pool, this.#start, orderOf, skipped, (index) => this.#kept?.get(index)),
      Math.max(32, 2 * this.#chunk),
    );
    this.#current.filled = 0;
    this.#next.filled = 0;
    await this.#fill(this.#current, this.#current.size);
    this.#mix();
  }

  #swap(): void {
    if (this.#next.filled < this.#next.size) throw new Error("PoolStream: taken before it was ready");
    [this.#current, this.#next] = [this.#next, this.#current];
    this.#next.filled = 0;
    this.#cursor = 0;
    this.#mix();
  }

  #mix(): void {
    const { start, from, size } = this.#current;
    this.#start = start;
    this.#order = this.#rng.split(`window:${from}`).permutation(size);
  }

  async #fill(window: Window, upTo: number): Promise<void> {
    const source = this.#source!;
    while (window.filled < upTo) {
      const picture = source.take() ?? (await source.next());
      const decoding = picture.picture instanceof Promise;
      const image = decoding ? await picture.picture : (picture.picture as DecodedPicture);
      if (decoding) this.#kept?.set(picture.index, image);
      if (window.filled === 0) [window.start, window.from] = [picture.position, picture.before];
      this.#read++;
      if ("reason" in image) this.#note(picture.name, image.reason);
      else window.add(picture, image.pixels);
    }
  }

  #note(name: string, reason: string): void {
    const { maxDamaged } = this.#pool;
    if (this.#damaged++ === 0)
      this.#remarks.push(`damaged pictures of the pool are passed over; the first is ${name}: ${reason}`);
    if (this.#damaged >= 10 && Number.isInteger(Math.log10(this.#damaged))) {
      this.#remarks.push(`${this.#damaged} of the ${this.#read} pictures of the pool read so far are damaged`);
    }
    if (this.#read < fairSample || this.#damaged <= maxDamaged * this.#read) return;
    throw new DataError(
      `shards: ${this.#damaged} of the ${this.#read} pictures read so far are damaged, more than the share of --dataset.maxDamaged ${maxDamaged}; the last is ${name} (${reason})`,
    );
  }

  stateDict(): State {
    const start = { ...this.#start } as Json;
    return { tensors: {}, values: { start, cursor: this.#cursor, size: this.#current.size } };
  }

  loadStateDict({ values }: State): void {
    const { start, cursor, size } = values as { start?: PoolPosition; cursor?: number; size?: number };
    const whole = (n: unknown) => Number.isSafeInteger(n) && (n as number) >= 0;
    const { pass, rank, offset, seen } = start ?? {};
    if (![pass, rank, offset, seen, cursor, size].every(whole)) {
      throw new DataError("shards: the saved place in the pool is damaged");
    }
    if (size !== this.#current.size || cursor! > size) {
      throw new DataError(
        `shards: the saved window had ${size} pictures, this one has ${this.#current.size}: --dataset.shuffleBuffer, the batch or the pool is another`,
      );
    }
    this.#source?.close().catch(() => {}); // nothing of it is wanted any more
    this.#source = undefined;
    [this.#start, this.#cursor] = [start!, cursor!];
  }
}

/** Pictures in memory, in the order they were read. */
class Window {
  readonly size: number;
  readonly index: Int32Array;
  readonly #pixels: Uint8Array;
  readonly #imageBytes: number;
  filled = 0;
  start: PoolPosition = poolStart;
  /** Pictures of all passes before the first one, and up to the last one. */
  from = 0;
  to = 0;

  constructor(size: number, imageBytes: number) {
    [this.size, this.#imageBytes] = [size, imageBytes];
    this.index = new Int32Array(size);
    this.#pixels = new Uint8Array(size * imageBytes);
  }

  add({ index, before }: PoolPicture, pixels: Uint8Array): void {
    this.index[this.filled] = index;
    this.#pixels.set(pixels, this.filled * this.#imageBytes);
    this.to = before + 1;
    this.filled++;
  }

  copy(from: number, pixels: Uint8Array, to: number): void {
    const bytes = this.#imageBytes;
    pixels.set(this.#pixels.subarray(from * bytes, (from + 1) * bytes), to * bytes);
  }
}

/** Keeps up to `ahead` items of an endless generator in hand, in order. */
class Prefetch {
  readonly #items: AsyncGenerator<PoolPicture>;
  readonly #ahead: number;
  #ready: PoolPicture[] = [];
  #first = 0;
  #pumping: Promise<void> | undefined;
  #failed: { readonly error: unknown } | undefined;
  #closed = false;

  constructor(items: AsyncGenerator<PoolPicture>, ahead: number) {
    [this.#items, this.#ahead] = [items, ahead];
  }

  /** The next item, if it is in hand. */
  take(): PoolPicture | undefined {
    const item = this.#ready[this.#first];
    if (item === undefined) return undefined;
    if (++this.#first >= this.#ahead) {
      this.#ready = this.#ready.slice(this.#first);
      this.#first = 0;
    }
    void this.#pump();
    return item;
  }

  async next(): Promise<PoolPicture> {
    for (;;) {
      const item = this.take();
      if (item !== undefined) return item;
      if (this.#failed) throw this.#failed.error;
      await this.#pump();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#pumping;
    await this.#items.return(undefined);
  }

  #pump(): Promise<void> {
    this.#pumping ??= this.#fill().finally(() => {
      this.#pumping = undefined;
    });
    return this.#pumping;
  }

  /** Until enough are in hand. An error waits for those before it to be used up. */
  async #fill(): Promise<void> {
    try {
      while (!this.#closed && !this.#failed && this.#ready.length - this.#first < this.#ahead) {
        const { value } = await this.#items.next();
        this.#ready.push(value);
      }
    } catch (error) {
      this.#failed = { error };
    }
  }
}
