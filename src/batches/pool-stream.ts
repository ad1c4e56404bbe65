/**
 * A shuffled stream out of a pool that is only ever read in order. The pictures come in windows, each mixed by a
 * permutation; while one is drawn from, the next one fills at the same rate. So memory is two windows, and the state is
 * where a window began and how many of it are drawn: continuing reads that window again.
 *
 * Of several processes each decodes the pictures of its own rows, which it knows before it decodes them as long as none is damaged: a damaged
 * one moves those after it by a place. So all say for every batch whether they have found one; where somebody has, all decode that
 * batch's pictures once more, whole, and remember the damaged ones. With that message they compare which pictures they have: a shard that one
 * of them cannot read ends the run.
 */

import { type PoolPicture, type PoolPosition, poolStart, readPool } from "../data/shards/pool.js";
import type { DecodedPicture } from "../data/shards/samples.js";
import { DataError, UsageError } from "../errors.js";
import type { DamagedFile, ShardPool } from "../images/image-set.js";
import { mostBytes } from "../images/most-bytes.js";
import type { Rng } from "../rng.js";
import type { Json, State, Stateful } from "../stateful.js";
import { scope, tensor, type World, whole } from "../torch/index.js";
import { Allotment, Window, windowSize } from "./pool-window.js";
import { Prefetch } from "./prefetch.js";

/** The processes that share out the rows of a batch. */
export type Sharing = Pick<World, "rank" | "size" | "sum">;

const alone: Sharing = { ...whole, sum() {} };

/** Of a picture that another process decodes. */
const left = "left";
type Undecoded = DecodedPicture | Promise<DecodedPicture> | typeof left;
type Picture = PoolPicture<Undecoded>;
/** Pictures whose decoding has begun, by number. */
type Begun = ReadonlyMap<number, Exclude<Undecoded, typeof left>>;

/** Damaged pictures are counted against their limit from so many pictures on. */
const fairSample = 200;
/** So many damaged pictures are remembered, by all processes the same ones. */
const mostKnown = 100_000;

export class PoolStream implements Stateful {
  readonly #pool: ShardPool;
  readonly #rng: Rng;
  /** Pictures handed out at a time, at the most. */
  readonly #chunk: number;
  readonly #sharing: Sharing;
  #source: Prefetch<Picture> | undefined;
  #current: Window;
  #next: Window;
  /** Of the pictures that are in windows. */
  #allotted: Allotment | undefined;
  #cursor = 0;
  #start: PoolPosition = poolStart;
  #seen = 0;
  #damaged = 0;
  #remarks: string[] = [];
  /** The last shard that could not be read to its end. */
  #skipped: string | undefined;
  /** Pictures that took decoding, by number, where all of the pool fit into the memory they may take. */
  readonly #kept: Map<number, DecodedPicture> | undefined;
  /** Why pictures are damaged, by number, where all processes know it. */
  readonly #known = new Map<number, { readonly reason: string }>();
  #decoded = 0;

  /** Throws UsageError where the shuffle buffer is smaller than two chunks, or a chunk cannot be held. `limit`: bytes of a window. */
  constructor(pool: ShardPool, chunk: number, rng: Rng, sharing: Sharing = alone, limit = mostBytes) {
    const { decoding, shuffleBuffer, fixedBuffer = false, count, memory = 0 } = pool;
    if (shuffleBuffer < 2 * chunk) {
      throw new UsageError(
        fixedBuffer
          ? `shards: ${chunk} unlabeled rows a batch are too many: they are drawn from ${shuffleBuffer} pictures in memory. Make the batch smaller: ${shuffleBuffer >> 1} or fewer of them`
          : `shards: --dataset.shuffleBuffer ${shuffleBuffer} is too small for ${chunk} unlabeled rows a batch: give ${2 * chunk} or more`,
      );
    }
    [this.#pool, this.#rng, this.#chunk, this.#sharing] = [pool, rng, chunk, sharing];
    const { size, wanted } = windowSize(pool, chunk, limit);
    if (size < wanted) {
      const why = `Node keeps no more than ${limit} bytes in one array (--dataset.shuffleBuffer ${2 * size} says the same)`;
      this.#remarks.push(`the pool is mixed within ${size} pictures and not within ${wanted}: ${why}`);
    }
    const imageBytes = decoding.channels * decoding.size ** 2;
    this.#current = new Window(size, imageBytes, sharing);
    this.#next = new Window(size, imageBytes, sharing);
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

  /** Pictures that this process has decoded so far, those that are read ahead too. */
  get decoded(): number {
    return this.#decoded;
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

  /**
   * Takes pictures that are ready: their numbers in the pool into `index`, bytes `[count, C, H, W]` into `pixels`, of W processes those of
   * the own rows (every W-th).
   */
  take(pixels: Uint8Array, index: Int32Array): void {
    const { size } = this.#sharing;
    if (index.length % size !== 0)
      throw new Error(`PoolStream: ${index.length} rows cannot be shared by ${size} processes`);
    for (let row = 0; row < index.length; row++) {
      if (this.#cursor === this.#current.size) this.#swap();
      index[row] = this.#current.draw(this.#cursor++, pixels, row);
    }
  }

  async close(): Promise<void> {
    await this.#source?.close();
    this.#source = undefined;
  }

  /** The first window, or the one under way when the state was saved. */
  async #open(): Promise<void> {
    const { size } = this.#current;
    const orderOf = (from: number) => this.#rng.split(`window:${from}`).permutation(size);
    this.#allotted = new Allotment(size, this.#sharing, orderOf, -this.#cursor); // what is drawn next is a batch's first row
    this.#source = this.#read(this.#start);
    this.#current.filled = 0;
    this.#next.filled = 0;
    await this.#fill(this.#current, size);
    this.#start = this.#current.start;
  }

  #swap(): void {
    if (this.#next.filled < this.#next.size) throw new Error("PoolStream: taken before it was ready");
    [this.#current, this.#next] = [this.#next, this.#current];
    this.#next.filled = 0;
    this.#cursor = 0;
    this.#start = this.#current.start;
  }

  /** Reads on from `start`. Decoding runs on threads of its own, so what a batch needs after this one is under way while a step is computed. */
  #read(start: PoolPosition, begun?: Begun): Prefetch<Picture> {
    const expected = this.#allotted!.copy();
    const isOwn = (before: number) => expected.next(before).place >= 0;
    return this.#openShards(start, Math.max(32, 2 * this.#chunk), isOwn, begun);
  }

  /** Pictures from `start` on. `isOwn`, asked about those that are not known to be damaged: whether to decode one. */
  #openShards(
    start: PoolPosition,
    ahead: number,
    isOwn: (before: number) => boolean,
    begun: Begun = new Map(),
  ): Prefetch<Picture> {
    const pool = this.#pool;
    const orderOf = (pass: number) => this.#rng.split(`pass:${pass}`).permutation(pool.shards.length);
    const skipped = ({ file, reason }: DamagedFile) => {
      this.#skipped = `skipped the rest of ${file}: ${reason}`;
      this.#remarks.push(this.#skipped);
    };
    const known = (index: number, before: number) => {
      const damage = this.#known.get(index);
      if (damage) return damage;
      if (!isOwn(before)) return left;
      const kept = this.#kept?.get(index) ?? begun.get(index);
      if (!kept) this.#decoded++;
      return kept;
    };
    return new Prefetch(readPool<Undecoded>(pool, start, orderOf, skipped, known), ahead);
  }

  async #fill(window: Window, upTo: number): Promise<void> {
    const { size } = this.#sharing;
    while (window.filled < upTo) {
      const pictures = await take(this.#source!, size === 1 ? 1 : Math.min(upTo - window.filled, this.#chunk));
      const images = await this.#decode(pictures);
      const found = images.some((image, i) => isDamage(image) && !this.#known.has(pictures[i]!.index));
      if (size > 1 && this.#anyFound(found, pictures)) await this.#fillWhole(window, pictures);
      else this.#add(window, pictures, images);
    }
  }

  /** Whether any process has found a damaged picture among these. Throws DataError where they have read other pictures than this one. */
  #anyFound(mine: boolean, pictures: readonly Picture[]): boolean {
    const { rank, size, sum } = this.#sharing;
    const hash = pictures.reduce((h, { index }) => (31 * h + index + 1) % (1 << 20), pictures.length);
    const [found, sums, squares] = scope(() => {
      const t = tensor(Float64Array.of(mine ? 1 : 0, hash, hash * hash), [3]);
      sum([t]);
      return t.toNumbers();
    });
    if (size * squares! === sums! * sums!) return found! > 0; // all numbers are equal
    const why = this.#skipped ?? "another one could not read a shard that this one can";
    throw new DataError(
      `shards: process ${rank} of ${size} has read other pictures of the pool than the others: ${why}. Continue from the last checkpoint when all can read it`,
    );
  }

  /** The same pictures once more, all of them decoded by every process: one of them has found a damaged one. */
  async #fillWhole(window: Window, pictures: readonly Picture[]): Promise<void> {
    const count = pictures.length;
    const ahead = await this.#source!.close();
    const begun: Begun = new Map(
      [...pictures, ...ahead].flatMap(({ index, picture }) => (picture === left ? [] : [[index, picture]])),
    );
    const again = this.#openShards(pictures[0]!.position, count + 1, () => true, begun);
    const [all, next] = [await take(again, count), await again.next()];
    const images = await this.#decode(all);
    await again.close();
    this.#add(window, all, images);
    images.forEach((image, i) => {
      if (isDamage(image) && this.#known.size < mostKnown) this.#known.set(all[i]!.index, { reason: image.reason });
    });
    this.#source = this.#read(next.position, begun);
  }

  async #decode(pictures: readonly Picture[]): Promise<(DecodedPicture | typeof left)[]> {
    const images: (DecodedPicture | typeof left)[] = [];
    for (const { picture, index } of pictures) {
      const image = await picture;
      if (picture instanceof Promise && image !== left) this.#kept?.set(index, image);
      images.push(image);
    }
    return images;
  }

  #add(window: Window, pictures: readonly Picture[], images: readonly (DecodedPicture | typeof left)[]): void {
    images.forEach((image, i) => {
      const picture = pictures[i]!;
      this.#seen++;
      if (isDamage(image)) this.#note(picture.name, image.reason);
      else window.add(picture, this.#allotted!, image === left ? undefined : image.pixels);
    });
  }

  #note(name: string, reason: string): void {
    const { maxDamaged } = this.#pool;
    if (this.#damaged++ === 0)
      this.#remarks.push(`damaged pictures of the pool are passed over; the first is ${name}: ${reason}`);
    if (this.#damaged >= 10 && Number.isInteger(Math.log10(this.#damaged))) {
      this.#remarks.push(`${this.#damaged} of the ${this.#seen} pictures of the pool read so far are damaged`);
    }
    if (this.#seen < fairSample || this.#damaged <= maxDamaged * this.#seen) return;
    throw new DataError(
      `shards: ${this.#damaged} of the ${this.#seen} pictures read so far are damaged, more than the share of --dataset.maxDamaged ${maxDamaged}; the last is ${name} (${reason})`,
    );
  }

  stateDict(): State {
    const start = { ...this.#start } as Json;
    const { size, from, to } = this.#current;
    return { tensors: {}, values: { start, cursor: this.#cursor, size, from, to } };
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
    // Until the window is read again, which a phase without unlabeled rows never asks for; earlier versions did not save them.
    const { from = 0, to = 0 } = values as { from?: number; to?: number };
    [this.#current.from, this.#current.to] = [from, to];
  }
}

async function take<T>(source: Prefetch<T>, count: number): Promise<T[]> {
  const items: T[] = [];
  while (items.length < count) items.push(source.take() ?? (await source.next()));
  return items;
}

function isDamage(image: DecodedPicture | typeof left): image is Extract<DecodedPicture, { reason: string }> {
  return image !== left && "reason" in image;
}
