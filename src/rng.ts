/**
 * Seeded, splittable random numbers: Philox4x32-10 (Salmon et al., SC 2011), a counter-based generator. The same
 * generator runs inside the native kernels, so a state is two key words and one count, whatever drew from it.
 */

import { UsageError } from "./errors.js";

/** All there is to save: the key and how many 32-bit words have been drawn. */
export interface RngState {
  readonly key: readonly [number, number];
  readonly drawn: number;
}

export class Rng {
  readonly key: readonly [number, number];
  /** The block drawn from, and how many of its four words are used up. */
  readonly #block = new Uint32Array(4);
  #used = 4;
  /** Index of the block after that. */
  #next: number;

  constructor(state: RngState) {
    this.key = [state.key[0] >>> 0, state.key[1] >>> 0];
    this.#next = 0;
    this.#seek(state.drawn);
  }

  /** The root generator of a seed (a whole number below 2^53). */
  static fromSeed(seed: number): Rng {
    const high = Math.floor(seed / 2 ** 32) >>> 0;
    return new Rng({ key: [seed >>> 0, high], drawn: 0 }).split("fewlabels");
  }

  /** An independent generator named by `label`; does not change this one, and does not depend on what it has drawn. */
  split(label: string): Rng {
    let [a, b] = this.key;
    for (let i = 0; i < label.length; i++) {
      const out = philox(a, b, label.charCodeAt(i), i + 1, 0x5eed, 0x5eed);
      [a, b] = [out[0]!, out[1]!];
    }
    const out = philox(a, b, label.length, 0, 0x51117, 0x51117);
    return new Rng({ key: [out[0]!, out[1]!], drawn: 0 });
  }

  /** Uniform in 0 .. 2^32 - 1. */
  uint32(): number {
    if (this.#used === 4) {
      const index = this.#next++;
      philoxInto(this.#block, this.key[0], this.key[1], index >>> 0, Math.floor(index / 2 ** 32) >>> 0, 0, 0);
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /** Uniform in [0, 1), 53 bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** Uniform whole number in 0 .. n - 1, without bias; n below 2^32. */
  integer(n: number): number {
    for (;;) {
      const word = this.uint32();
      // Words from the largest multiple of n on are drawn again; below 2^32 - n there can be none.
      if (word < 2 ** 32 - n || word < 2 ** 32 - (2 ** 32 % n)) return (word >>> 0) % (n >>> 0);
    }
  }

  /** Normal with mean 0 and standard deviation 1 (Box-Muller, one of the pair). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /**
   * Logarithm of a gamma number with this shape and scale 1 (Marsaglia & Tsang 2000; below shape 1 by
   * G(a) = G(a + 1) U^(1/a)). The logarithm, as small shapes give numbers below the smallest float.
   */
  logGamma(shape: number): number {
    if (shape < 1) return this.logGamma(shape + 1) + Math.log(1 - this.float()) / shape;
    const d = shape - 1 / 3;
    for (;;) {
      const z = this.normal();
      const v = (1 + z / Math.sqrt(9 * d)) ** 3;
      if (v > 0 && Math.log(1 - this.float()) < (z * z) / 2 + d - d * v + d * Math.log(v)) return Math.log(d * v);
    }
  }

  /** Beta(a, b) in [0, 1]: mean a / (a + b), variance a b / ((a + b)^2 (a + b + 1)). Throws unless both are above 0. */
  beta(a: number, b: number): number {
    if (!(a > 0 && b > 0)) throw new UsageError(`Rng.beta: expected two numbers above 0, got ${a} and ${b}`);
    return 1 / (1 + Math.exp(this.logGamma(b) - this.logGamma(a)));
  }

  /** Shuffles in place (Fisher-Yates) and returns its argument. */
  shuffle<T extends { length: number; [index: number]: unknown }>(items: T): T {
    const list = items as { length: number; [index: number]: unknown };
    for (let i = list.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return items;
  }

  /** A random order of 0 .. n - 1. */
  permutation(n: number): Int32Array {
    return this.shuffle(Int32Array.from({ length: n }, (_, i) => i));
  }

  /** Takes whole blocks of four words for a native kernel; returns the index of the first block. */
  reserveBlocks(blocks: number): number {
    const first = this.#next;
    this.#next += blocks;
    this.#used = 4;
    return first;
  }

  state(): RngState {
    return { key: this.key, drawn: this.#next * 4 - (4 - this.#used) };
  }

  /** Continues where `state` was taken; the key must be this generator's own. */
  restore(state: RngState): void {
    if (state.key[0] !== this.key[0] || state.key[1] !== this.key[1]) {
      throw new Error("Rng.restore: the saved state belongs to another seed or another stream");
    }
    this.#seek(state.drawn);
  }

  #seek(drawn: number): void {
    this.#next = Math.floor(drawn / 4);
    this.#used = 4;
    for (let word = drawn % 4; word > 0; word--) this.uint32();
  }
}

/** One block of Philox4x32-10: key (k0, k1), counter (c0, c1, c2, c3) -> four words. */
export function philox(k0: number, k1: number, c0: number, c1: number, c2: number, c3: number): Uint32Array {
  return philoxInto(new Uint32Array(4), k0, k1, c0, c1, c2, c3);
}

/** The multipliers, and their halves of 16 bits for `multiplyHigh`. */
const [M0, M0_LOW, M0_HIGH] = [0xd2511f53, 0x1f53, 0xd251];
const [M1, M1_LOW, M1_HIGH] = [0xcd9e8d57, 0x8d57, 0xcd9e];

/** The same into `out`, without allocating: a permutation of the training set draws tens of thousands of words. */
function philoxInto(
  out: Uint32Array,
  k0: number,
  k1: number,
  c0: number,
  c1: number,
  c2: number,
  c3: number,
): Uint32Array {
  for (let round = 0; round < 10; round++) {
    const low0 = Math.imul(M0, c0);
    const low1 = Math.imul(M1, c2);
    const high0 = multiplyHigh(M0_LOW, M0_HIGH, c0);
    const high1 = multiplyHigh(M1_LOW, M1_HIGH, c2);
    c0 = high1 ^ c1 ^ k0;
    c1 = low1;
    c2 = high0 ^ c3 ^ k1;
    c3 = low0;
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
  return out;
}

/** The upper 32 bits of the unsigned product of a1 * 65536 + a0 and b, in 32-bit steps that cannot overflow. */
function multiplyHigh(a0: number, a1: number, b: number): number {
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) >>> 0;
  const middle2 = (Math.imul(a0, b1) + (middle & 0xffff)) >>> 0;
  return (Math.imul(a1, b1) + (middle >>> 16) + (middle2 >>> 16)) | 0;
}
