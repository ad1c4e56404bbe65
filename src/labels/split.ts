/** Who is labeled, unlabeled or held out: made once per run, before the first step. */
import { UsageError } from "../errors.js";
import type { Rng } from "../rng.js";
import { drawLabels, drawLongTail } from "./draw.js";
import type { GivenLabels } from "./label-file.js";
import type { LabelOptions } from "./label-options.js";

/**
 * `val`: size of the validation part, held out of training altogether. `unlabeled`: with `rest` the stream is the images without a
 * label, else every training image, labeled ones with their label hidden. Long tails: see `longTail`.
 */
export type SplitOptions = Pick<LabelOptions, "val" | "labelDraw" | "imbalance" | "unlabeledImbalance" | "unlabeled">;

/** What is split: the true labels of the training images. A `DataSet` is one. */
export interface Splittable {
  readonly classes: readonly string[];
  readonly train: { readonly labels: Int32Array; readonly count: number };
  /** A word for the content of each training image, the same for copies, where contents are known. */
  readonly contents?: readonly string[];
  /** With labels of a file: other images that have a label keep it. Default false. */
  readonly keepLabels?: boolean;
}

/** Positions in the training set, each list ascending. */
export interface Split {
  readonly labeled: Int32Array;
  readonly unlabeled: Int32Array;
  readonly validation: Int32Array;
  /** `[count]`: the label where training may see it (that is, in `labeled`), else -1. */
  readonly y: Int32Array;
  /** Copies of validation images, which are in none of the lists. Left out where there are none. */
  readonly copies?: number;
}

/**
 * Holds out the validation part first, at random among images with a known label (and without one in the label file), so
 * it is the same for every label budget of a seed; then draws the labels from the rest. Of copies one at the most validates, and the others
 * are then left out. `labels`: how many to draw, all there are, or those of a file. Throws UsageError.
 */
export function splitData(
  data: Splittable,
  options: SplitOptions,
  labels: number | "all" | GivenLabels,
  rng: Rng,
): Split {
  const { labels: truth, count } = data.train;
  const { imbalance, unlabeledImbalance } = options;
  const given = typeof labels === "object" ? labels : undefined;
  if (imbalance !== 1 && (given || options.labelDraw !== "balanced")) {
    const other = given ? "a labels file says which images have a label" : `labelDraw is ${options.labelDraw}`;
    throw new UsageError(`imbalance ${imbalance}: draws the labels itself, and ${other}. Give one of the two`);
  }
  const taken = new Uint8Array(count);
  given?.index.forEach((i) => {
    taken[i] = 1;
  });
  const unnamed = positions(count, (i) => truth[i]! >= 0 && taken[i] === 0);
  const eligible = options.val > 0 && data.contents ? withoutCopies(unnamed, taken, data.contents) : unnamed;
  if (!Number.isSafeInteger(options.val) || options.val < 0 || options.val > eligible.length) {
    throw new UsageError(
      `validation: expected 0..${eligible.length} images (those with a label that training does not use, copies counted once), got ${options.val}`,
    );
  }
  const validation = rng.split("validation").shuffle(eligible.slice()).subarray(0, options.val).sort();
  const held = new Uint8Array(count);
  validation.forEach((i) => {
    held[i] = 1;
  });
  const copies = holdCopies(held, validation, data.contents);
  const pool = positions(count, (i) => held[i] === 0);

  const y = new Int32Array(count).fill(-1);
  let labeled: Int32Array;
  if (typeof labels === "object") {
    labels.index.forEach((i, k) => {
      y[i] = labels.y[k]!;
    });
    if (data.keepLabels) {
      for (const i of pool) if (y[i] === -1) y[i] = truth[i]!;
    }
    labeled = pool.filter((i) => y[i]! >= 0);
  } else {
    const everything = pool.filter((i) => truth[i]! >= 0);
    const draws = rng.split("labels");
    if (imbalance !== 1) labeled = drawLongTail(truth, pool, labels, data.classes, imbalance, draws);
    else if (labels === "all") labeled = everything;
    else labeled = drawLabels(truth, pool, labels, data.classes, options.labelDraw, draws);
    labeled.forEach((i) => {
      y[i] = truth[i]!;
    });
  }
  const stream = options.unlabeled !== "rest" ? pool : pool.filter((i) => y[i] === -1);
  const kept = { labeled, validation, y, ...(copies > 0 ? { copies } : {}) };
  if (unlabeledImbalance === 1) return { ...kept, unlabeled: stream };
  const unknown = stream.filter((i) => truth[i]! < 0).length;
  if (unknown > 0) {
    throw new UsageError(
      `unlabeledImbalance ${unlabeledImbalance}: draws by the true class, and ${unknown} unlabeled images have none`,
    );
  }
  const tail = rng.split("unlabeled");
  return {
    ...kept,
    unlabeled: drawLongTail(truth, stream, "all", data.classes, unlabeledImbalance, tail, "unlabeledImbalance"),
  };
}

/** The first of each content among `rows`, unless training uses (`taken`) a copy of it. */
function withoutCopies(rows: Int32Array, taken: Uint8Array, contents: readonly string[]): Int32Array {
  const seen = new Set(contents.filter((_, i) => taken[i] === 1));
  return rows.filter((i) => {
    const content = contents[i]!;
    return !seen.has(content) && seen.add(content);
  });
}

/** Marks the copies of the validation images in `held` too; how many there are. */
function holdCopies(held: Uint8Array, validation: Int32Array, contents: readonly string[] = []): number {
  const validated = new Set(Array.from(validation, (i) => contents[i]));
  let copies = 0;
  contents.forEach((content, i) => {
    if (held[i] === 1 || !validated.has(content)) return;
    held[i] = 1;
    copies++;
  });
  return copies;
}

function positions(count: number, keep: (i: number) => boolean): Int32Array {
  const out = new Int32Array(count);
  let n = 0;
  for (let i = 0; i < count; i++) if (keep(i)) out[n++] = i;
  return out.slice(0, n);
}
