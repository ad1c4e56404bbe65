/**
 * Seeded, splittable random numbers: Philox4x32-10 (Salmon et al., SC 2011), a counter-based generator. The same
 * generator runs inside the native kernels, so a state is two key words and one count, whatever drew from it.
 */

/** All there is to save: the key and how many 32-bit words have been drawn. */
export interface RngState {
  readonly key: readonly [number, number];
  readonly drawn: number;
}

export class Rng {
  readonly key: readonly [number, number];
  #drawn: number;
  #block: Uint32Array = new Uint32Array(4);
  #blockIndex = -1;

  constructor(state: RngState) {
    this.key = [state.key[0] >>> 0, state.key[1] >>> 0];
    this.#drawn = state.drawn;
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
    const block = Math.floor(this.#drawn / 4);
    if (block !== this.#blockIndex) {
      this.#block = philox(this.key[0], this.key[1], block >>> 0, Math.floor(block / 2 ** 32) >>> 0, 0, 0);
      this.#blockIndex = block;
    }
    return this.#block[this.#drawn++ % 4]!;
  }

  /** Uniform in [0, 1), 53 bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 2 ** 26 + (this.uint32() >>> 6)) / 2 ** 53;
  }

  /** Uniform whole number in 0 .. n - 1, without bias. */
  integer(n: number): number {
    const limit = 2 ** 32 - (2 ** 32 % n);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % n;
    }
  }

  /** Normal with mean 0 and standard deviation 1 (Box-Muller, one of the pair). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
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
    const first = Math.ceil(this.#drawn / 4);
    this.#drawn = (first + blocks) * 4;
    return first;
  }

  state(): RngState {
    return { key: this.key, drawn: this.#drawn };
  }

  /** Continues where `state` was taken; the key must be this generator's own. */
  restore(state: RngState): void {
    if (state.key[0] !== this.key[0] || state.key[1] !== this.key[1]) {
      throw new Error("Rng.restore: the saved state belongs to another seed or another stream");
    }
    this.#drawn = state.drawn;
  }
}

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;

/** One block of Philox4x32-10: key (k0, k1), counter (c0, c1, c2, c3) -> four words. */
export function philox(k0: number, k1: number, c0: number, c1: number, c2: number, c3: number): Uint32Array {
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(M0, c0);
    const low0 = Math.imul(M0, c0);
    const high1 = multiplyHigh(M1, c2);
    const low1 = Math.imul(M1, c2);
    [c0, c1, c2, c3] = [high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0];
    k0 = (k0 + 0x9e3779b9) | 0;
    k1 = (k1 + 0xbb67ae85) | 0;
  }
  return Uint32Array.of(c0, c1, c2, c3);
}

/** The upper 32 bits of an unsigned 32 x 32 bit product. */
function multiplyHigh(a: number, b: number): number {
  const [a0, a1] = [a & 0xffff, a >>> 16];
  const [b0, b1] = [b & 0xffff, b >>> 16];
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const middle2 = a0 * b1 + (middle & 0xffff);
  return (a1 * b1 + Math.floor(middle / 65536) + (middle2 >>> 16)) | 0;
}
