/**
 * CTAugment: how strong each operation may be is learned while training. Every operation has bins of strength, and every bin a weight:
 * how close predictions of labeled images that were distorted so strongly are to their labels.
 *
 *   p(bin) proportional to q / max q, 0 where that is below the threshold; q = weight + 1 - decay
 *   weight <- decay weight + (1 - decay) (1 - |probs - onehot|_1 / 2)
 *
 * @see methods.md 4.4; ReMixMatch, arXiv 1911.09785, section 3.2
 */
import type { OpName } from "./ops.js";

export const ctDefaults = { bins: 17, decay: 0.99, threshold: 0.8 } as const;

/** An operation of a probe and its strength, u in [0, 1). */
export interface ProbedOp {
  readonly name: OpName;
  readonly u: number;
}

/** Its state is part of a checkpoint. Not drawn from anything: the caller brings random numbers. */
export class CtWeights {
  readonly #bins: number;
  readonly #decay: number;
  readonly #threshold: number;
  readonly #weights = new Map<OpName, Float64Array>();

  constructor({ bins, decay, threshold }: { bins: number; decay: number; threshold: number } = ctDefaults) {
    [this.#bins, this.#decay, this.#threshold] = [bins, decay, threshold];
  }

  /** The weights of an operation, 1 at first. */
  of(name: OpName): Float64Array {
    const found = this.#weights.get(name) ?? new Float64Array(this.#bins).fill(1);
    this.#weights.set(name, found);
    return found;
  }

  /** Probability of each bin of an operation. */
  probabilities(name: OpName): Float64Array {
    const q = this.of(name).map((weight) => weight + 1 - this.#decay);
    const largest = Math.max(...q);
    const kept = q.map((value) => (value / largest < this.#threshold ? 0 : value / largest));
    const sum = kept.reduce((a, b) => a + b, 0);
    return kept.map((value) => value / sum);
  }

  /** A strength in [0, 1): the bin by `a`, the place in it by `b`, both uniform in [0, 1). */
  level(name: OpName, a: number, b: number): number {
    const p = this.probabilities(name);
    let rest = a;
    let bin = 0;
    for (; bin < p.length - 1; bin++) {
      rest -= p[bin]!;
      if (rest < 0 && p[bin]! > 0) break;
    }
    // Rounding may leave something over at the end, where no weight need be.
    while (p[bin] === 0) bin--;
    return Math.min((bin + b) / p.length, 1 - 2 ** -32);
  }

  /** Moves the bins of one probe's operations: `probs` `[K]` is what the network made of it, `label` its class. */
  observe(ops: readonly ProbedOp[], probs: ArrayLike<number>, label: number): void {
    let distance = 0;
    for (let k = 0; k < probs.length; k++) distance += Math.abs(probs[k]! - (k === label ? 1 : 0));
    const closeness = 1 - distance / 2;
    for (const { name, u } of ops) {
      const weights = this.of(name);
      const bin = Math.floor(u * weights.length);
      weights[bin] = this.#decay * weights[bin]! + (1 - this.#decay) * closeness;
    }
  }

  save(): Record<string, number[]> {
    return Object.fromEntries([...this.#weights].map(([name, weights]) => [name, [...weights]]));
  }

  /** False where `saved` is no such state. */
  restore(saved: unknown): boolean {
    if (saved === null || typeof saved !== "object" || Array.isArray(saved)) return false;
    const entries = Object.entries(saved);
    const good = (list: unknown) => Array.isArray(list) && list.length === this.#bins && list.every(Number.isFinite);
    if (!entries.every(([, list]) => good(list))) return false;
    this.#weights.clear();
    for (const [name, list] of entries) this.#weights.set(name as OpName, Float64Array.from(list));
    return true;
  }
}
