/**
 * Pictures that do not all fit into memory: rows are decoded when somebody needs them. As many as the budget allows stay for good, the
 * first ones that were needed; the others come into slots that are used again. (Rows come in random orders or from the first to
 * the last; keeping what fits serves both as well as anything can, and dropping the oldest would serve the second not at all.)
 */

import { DataError } from "../errors.js";
import { decodeFile } from "./decode.js";
import type { PictureFiles } from "./image-set.js";
import { mostBytes } from "./most-bytes.js";

/** Rows that somebody needs, until they are released. */
export interface Hold {
  /** What to wait for; undefined where all of them are there. */
  readonly ready: Promise<void> | undefined;
  release(): void;
}

/** Files that come after so many are judged by the share of damaged ones. */
const fairSample = 200;
const none = -1;

export class PictureCache {
  /** uint8 `[capacity, C, H, W]`. */
  readonly pixels: Uint8Array;
  readonly capacity: number;
  readonly count: number;
  /** What to do where `capacity` is too small. */
  readonly advice: string;
  readonly #files: PictureFiles;
  readonly #rowBytes: number;
  /** Called when a slot has new pixels. */
  readonly #written: (slot: number, pixels: Uint8Array) => void;
  /** By row, or none. */
  readonly #slotOf: Int32Array;
  /** By slot, or none. */
  readonly #rowOf: Int32Array;
  readonly #holds: Int32Array;
  readonly #loading = new Map<number, Promise<void>>();
  readonly #spare: number[];
  readonly #reasons = new Map<number, string>();
  #remarks: string[] = [];
  #used = 0;
  #decoded = 0;

  /** `working`: rows that are held at the same time, at the most. `limit`: bytes that `pixels` may have. */
  constructor(
    files: PictureFiles,
    working: number,
    written: (slot: number, pixels: Uint8Array) => void = () => {},
    limit = mostBytes,
  ) {
    const { decoding, residents } = files;
    this.count = files.paths.length;
    this.#rowBytes = decoding.channels * decoding.size ** 2;
    const allowed = Math.floor(limit / this.#rowBytes);
    this.capacity = Math.min(this.count, Math.max(residents, working), allowed);
    this.advice =
      this.capacity === allowed
        ? "Node keeps no more of one set: use a smaller --dataset.size"
        : "Raise --dataset.memoryMB";
    this.pixels = new Uint8Array(this.capacity * this.#rowBytes);
    [this.#files, this.#written] = [files, written];
    this.#slotOf = new Int32Array(this.count).fill(none);
    this.#rowOf = new Int32Array(this.capacity).fill(none);
    this.#holds = new Int32Array(this.capacity);
    // Slots below `residents` are given once; those above go round.
    const residing = this.capacity === this.count ? this.capacity : Math.max(0, this.capacity - working);
    this.#spare = Array.from({ length: this.capacity - residing }, (_, i) => this.capacity - 1 - i);
    this.residing = residing;
  }

  /** Pictures that stay once they are there. */
  readonly residing: number;

  /** Pictures decoded so far. */
  get decoded(): number {
    return this.#decoded;
  }

  /** Starts decoding those of `rows` that are not there, and keeps all of them until `release`. */
  hold(rows: Int32Array): Hold {
    const slots = [...new Set(rows)].map((row) => this.#slotFor(row));
    const loading = slots.flatMap((slot) => this.#loading.get(slot) ?? []);
    const ready = loading.length === 0 ? undefined : Promise.all(loading).then(() => {});
    ready?.catch(() => {}); // whoever waits for it gets the error
    let held = true;
    return {
      ready,
      release: () => {
        if (held) for (const slot of slots) this.#release(slot);
        held = false;
      },
    };
  }

  /** The slots of rows that are held. */
  places(rows: Int32Array): Int32Array {
    return rows.map((row) => {
      const slot = this.#slotOf[row] ?? none;
      if (slot === none || this.#loading.has(slot)) throw new Error(`PictureCache: row ${row} is not there`);
      return slot;
    });
  }

  /** What has to be said since this was last asked. */
  remarks(): string[] {
    return this.#remarks.splice(0);
  }

  #slotFor(row: number): number {
    const there = this.#slotOf[row]!;
    if (there !== none) {
      this.#holds[there]!++;
      return there;
    }
    const slot = this.#used < this.residing ? this.#used++ : (this.#spare.pop() ?? this.#evict());
    [this.#slotOf[row], this.#rowOf[slot], this.#holds[slot]] = [slot, row, 1];
    const loading = this.#load(row, slot).then(
      () => this.#loaded(slot),
      (error: unknown) => {
        this.#loaded(slot);
        throw error;
      },
    );
    loading.catch(() => {});
    this.#loading.set(slot, loading);
    return slot;
  }

  #loaded(slot: number): void {
    this.#loading.delete(slot);
    if (this.#holds[slot] === 0) this.#vacate(slot);
  }

  #release(slot: number): void {
    this.#holds[slot]!--;
    if (this.#holds[slot] === 0 && !this.#loading.has(slot)) this.#vacate(slot);
  }

  /** Nobody holds it any more. */
  #vacate(slot: number): void {
    if (slot < this.residing) return;
    this.#slotOf[this.#rowOf[slot]!] = none;
    this.#rowOf[slot] = none;
    this.#spare.push(slot);
  }

  /** A resident that nobody holds, where more rows are held than was foreseen. */
  #evict(): number {
    for (let slot = this.residing - 1; slot >= 0; slot--) {
      if (this.#holds[slot]! > 0 || this.#loading.has(slot)) continue;
      this.#slotOf[this.#rowOf[slot]!] = none;
      return slot;
    }
    throw new DataError(
      `more than ${this.capacity} pictures are needed at the same time, and that is all the memory they may take. ${this.advice} or make the batches smaller`,
    );
  }

  /** Decodes a row into a slot; a damaged one is replaced by the next picture of its class, in the order of rows. */
  async #load(row: number, slot: number): Promise<void> {
    const { paths, labels, decoding } = this.#files;
    this.#decoded++;
    for (let step = 0; step < this.count; step++) {
      const candidate = (row + step) % this.count;
      if (labels[candidate] !== labels[row] || this.#reasons.has(candidate)) continue;
      const image = await decodeFile(paths[candidate]!, decoding);
      if ("reason" in image) {
        this.#note(candidate, image.reason);
        continue;
      }
      this.pixels.set(image.pixels, slot * this.#rowBytes);
      this.#written(slot, image.pixels);
      return;
    }
    throw new DataError(`${this.#files.nameOf(row)}: damaged, and so is every other picture of its class`);
  }

  #note(row: number, reason: string): void {
    if (this.#reasons.has(row)) return;
    const { maxDamaged, nameOf } = this.#files;
    this.#reasons.set(row, reason);
    const damaged = this.#reasons.size;
    if (damaged <= 10 || Number.isInteger(Math.log10(damaged))) {
      this.#remarks.push(
        `${nameOf(row)} cannot be decoded (${reason}): the next picture of its class stands in for it; ${damaged} so far`,
      );
    }
    const seen = Math.max(this.#decoded, fairSample);
    if (damaged <= maxDamaged * Math.min(seen, this.count)) return;
    throw new DataError(
      `${damaged} of the ${Math.min(this.#decoded, this.count)} pictures needed so far are damaged, more than the share of --dataset.maxDamaged ${maxDamaged}; the last is ${nameOf(row)} (${reason})`,
    );
  }
}
