/**
 * Which images make up each batch. All samplers are seeded, endless, and save their place exactly: a state holds each
 * stream's generator as it was before the current permutation, and a cursor into it.
 * @see methods.md 1.6
 */
import { DataError, UsageError } from "../errors.js";
import type { Split } from "../labels/split.js";
import { Rng, type RngState } from "../rng.js";
import type { Json, State, Stateful } from "../stateful.js";

/** Positions in the training set. Either part may be empty. */
export interface Rows {
  readonly labeled: Int32Array;
  readonly unlabeled: Int32Array;
}

export interface Sampler extends Stateful {
  next(): Rows;
  /** Passes made so far over the unlabeled stream, or over the only one: a fraction that grows with every batch. */
  readonly epoch: number;
  /** Batches in one pass; not whole where batches straddle passes (labeled only). */
  readonly stepsPerEpoch: number;
}

export type SamplerKind = "two-stream" | "mixed" | "labeled";

export interface SamplerOptions {
  readonly kind: SamplerKind;
  /** Rows of a batch, B. */
  readonly batch: number;
  /** Labeled rows of a batch, Bl; two-stream only. */
  readonly labeledBatch: number;
  /** Labeled rows from every class equally often; not mixed. Default false. */
  readonly classBalanced?: boolean;
}

/**
 * two-stream: Bl labeled rows, B - Bl unlabeled ones. One pass is a permutation of the unlabeled images cut into chunks, a
 * last partial one dropped; labeled chunks come from endless fresh permutations and straddle them: with fewer labels than rows
 * every image comes once before any comes twice (the published 40-label runs have 64 rows).
 * mixed: one permutation of all images, labels as they fall (Laine & Aila; 'vary' in the Mean Teacher code), tail dropped.
 * labeled: labeled images only; batches straddle permutations, so they are full even with few labels.
 * classBalanced: the labeled stream takes one image of each class in an order drawn anew each time round, and each class has endless
 * fresh permutations of its own (class-balanced sampling: Kang et al. 2020, arXiv 1910.09217, section 4.1).
 * Throws UsageError if a stream is shorter than its part of the batch.
 */
export function createSampler(
  split: Pick<Split, "labeled" | "unlabeled" | "y">,
  options: SamplerOptions,
  rng: Rng,
): Sampler {
  const { kind, batch, labeledBatch, classBalanced = false } = options;
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new UsageError(`sampler: expected a batch of at least 1, got ${batch}`);
  if (classBalanced && kind === "mixed") {
    throw new UsageError(
      "sampler: --class-balanced chooses labeled rows by their class, and mixed takes them as they fall. Use two-stream",
    );
  }
  const labeledStream = (chunk: number): RowStream => {
    const draws = rng.split("labeled");
    return classBalanced
      ? new BalancedStream(split.labeled, split.y, chunk, draws)
      : new Stream(split.labeled, chunk, true, draws, "labeled images");
  };
  const none = new Int32Array(0);
  if (kind === "labeled") {
    const labeled = labeledStream(batch);
    return makeSampler({ labeled }, labeled, () => ({ labeled: labeled.next(), unlabeled: none }));
  }
  if (kind === "mixed") {
    const everything = union(split.labeled, split.unlabeled);
    const mixed = new Stream(everything, batch, false, rng.split("mixed"), "images");
    return makeSampler({ mixed }, mixed, () => {
      const rows = mixed.next();
      return { labeled: rows.filter((i) => split.y[i]! >= 0), unlabeled: rows.filter((i) => split.y[i]! < 0) };
    });
  }
  if (!Number.isSafeInteger(labeledBatch) || labeledBatch < 1 || labeledBatch >= batch) {
    throw new UsageError(
      `sampler: expected 1..${batch - 1} labeled rows in a batch of ${batch}, got ${labeledBatch}. Set --labeled-batch`,
    );
  }
  const labeled = labeledStream(labeledBatch);
  const unlabeled = new Stream(
    split.unlabeled,
    batch - labeledBatch,
    false,
    rng.split("unlabeled"),
    "unlabeled images",
  );
  return makeSampler({ labeled, unlabeled }, unlabeled, () => ({
    labeled: labeled.next(),
    unlabeled: unlabeled.next(),
  }));
}

function makeSampler(streams: Readonly<Record<string, RowStream>>, clock: RowStream, next: () => Rows): Sampler {
  return {
    next,
    get epoch() {
      return clock.steps / clock.stepsPerPass;
    },
    stepsPerEpoch: clock.stepsPerPass,
    stateDict: () => ({
      tensors: {},
      values: Object.fromEntries(Object.entries(streams).map(([name, stream]) => [name, stream.save()])),
    }),
    loadStateDict({ values }: State) {
      const [expected, found] = [Object.keys(streams).join(", "), Object.keys(values).join(", ")];
      if (expected !== found)
        throw new DataError(`sampler: expected the state of streams ${expected}, found ${found || "none"}`);
      for (const [name, stream] of Object.entries(streams)) stream.restore(values[name]!, name);
    },
  };
}

/** Rows without end, in chunks; its state is JSON. */
interface RowStream {
  readonly steps: number;
  readonly stepsPerPass: number;
  next(): Int32Array;
  save(): Json;
  restore(saved: Json, name: string): void;
}

/** Endless fresh permutations of `items` cut into chunks; a chunk straddles two of them, or the tail is dropped. */
class Stream implements RowStream {
  readonly #items: Int32Array;
  readonly #chunk: number;
  readonly #straddle: boolean;
  #rng: Rng;
  #before: RngState;
  #order: Int32Array;
  #cursor = 0;
  #steps = 0;

  constructor(items: Int32Array, chunk: number, straddle: boolean, rng: Rng, what: string) {
    const enough = straddle ? 1 : chunk;
    if (items.length < enough) {
      throw new UsageError(
        `sampler: ${chunk} ${what} a batch, but there are only ${items.length}. Make the batch smaller`,
      );
    }
    this.#items = items;
    this.#chunk = chunk;
    this.#straddle = straddle;
    this.#rng = rng;
    this.#before = rng.state();
    this.#order = rng.shuffle(items.slice());
  }

  get steps(): number {
    return this.#steps;
  }
  get stepsPerPass(): number {
    const ratio = this.#items.length / this.#chunk;
    return this.#straddle ? ratio : Math.floor(ratio);
  }

  next(): Int32Array {
    const out = new Int32Array(this.#chunk);
    if (!this.#straddle && this.#cursor + this.#chunk > this.#items.length) this.#renew();
    for (let filled = 0; filled < out.length; ) {
      if (this.#cursor === this.#items.length) this.#renew();
      const take = Math.min(out.length - filled, this.#items.length - this.#cursor);
      out.set(this.#order.subarray(this.#cursor, this.#cursor + take), filled);
      this.#cursor += take;
      filled += take;
    }
    this.#steps++;
    return out;
  }

  #renew(): void {
    this.#before = this.#rng.state();
    this.#order = this.#rng.shuffle(this.#items.slice());
    this.#cursor = 0;
  }

  save(): Json {
    const { key, drawn } = this.#before;
    return { key: [...key], drawn, cursor: this.#cursor, steps: this.#steps, length: this.#items.length };
  }

  restore(saved: Json, name: string): void {
    const state = saved as { key?: number[]; drawn?: number; cursor?: number; steps?: number; length?: number } | null;
    const { key, drawn, cursor, steps, length } = state ?? {};
    const whole = [drawn, cursor, steps].every((n) => Number.isSafeInteger(n) && n! >= 0);
    if (!Array.isArray(key) || key.length !== 2 || !whole || cursor! > this.#items.length) {
      throw new DataError(`sampler: the saved state of stream ${name} is damaged`);
    }
    if (length !== this.#items.length) {
      throw new DataError(`sampler: the saved stream ${name} had ${length} images, this one has ${this.#items.length}`);
    }
    const [a, b] = [key[0]!, key[1]!];
    if (a !== this.#rng.key[0] || b !== this.#rng.key[1]) {
      throw new DataError(`sampler: the saved stream ${name} was drawn with another seed`);
    }
    this.#rng = new Rng({ key: [a, b], drawn: drawn! });
    this.#renew();
    this.#cursor = cursor!;
    this.#steps = steps!;
  }
}

/** Every class once in each round of as many rows as there are classes with labels. */
class BalancedStream implements RowStream {
  readonly #turns: Stream;
  readonly #members: ReadonlyMap<number, Stream>;
  readonly stepsPerPass: number;

  constructor(items: Int32Array, y: Int32Array, chunk: number, rng: Rng) {
    const classes = [...new Set(items.map((i) => y[i]!))].sort((a, b) => a - b);
    this.#turns = new Stream(Int32Array.from(classes), chunk, true, rng.split("turns"), "labeled images");
    const memberOf = (k: number) => items.filter((i) => y[i] === k);
    this.#members = new Map(
      classes.map((k) => [k, new Stream(memberOf(k), 1, true, rng.split(`class ${k}`), "labeled images")]),
    );
    this.stepsPerPass = items.length / chunk;
  }

  get steps(): number {
    return this.#turns.steps;
  }

  next(): Int32Array {
    return this.#turns.next().map((k) => this.#members.get(k)!.next()[0]!);
  }

  save(): Json {
    const members = [...this.#members].map(([k, stream]) => [String(k), stream.save()] as const);
    return { turns: this.#turns.save(), members: Object.fromEntries(members) };
  }

  restore(saved: Json, name: string): void {
    const { turns, members } = (saved ?? {}) as { turns?: Json; members?: Record<string, Json> };
    if (turns === undefined || members === undefined) {
      throw new DataError(`sampler: the saved stream ${name} is not class-balanced, or damaged`);
    }
    this.#turns.restore(turns, name);
    for (const [k, stream] of this.#members) stream.restore(members[k] ?? null, `${name}, class ${k}`);
  }
}

function union(a: Int32Array, b: Int32Array): Int32Array {
  return Int32Array.from(new Set([...a, ...b])).sort();
}
