/**
 * The domain filter: a pool is scored by a trained run and the most confident pictures of each class are kept, so that
 * what is far from the labeled images stays out.
 * @see methods.md 4.5: UDA and Meta Pseudo Labels keep the best n a class; Noisy Student repeats small classes up to n
 */

import { dirname } from "node:path";
import { manifestPath, requireFreePrefix } from "../data/shards/manifest.js";
import { ShardWriter, uniqueKey, writeManifest } from "../data/shards/pack.js";
import { openPicturePool, type PicturePool } from "../data/shards/picture-pool.js";
import type { DecodedPicture } from "../data/shards/samples.js";
import { DataError } from "../errors.js";
import { makeFolder } from "../files/write-whole.js";
import type { DamagedFile, Decoding } from "../images/image-set.js";
import { LabelWriter } from "../labels/write-labels.js";
import { BestOf } from "./best-of.js";
import { openPredictor, type Predictor, type PredictorOptions } from "./predict.js";

export interface FilterOptions extends PredictorOptions {
  /** Shards (a pattern or a folder of them) or a folder of pictures. */
  readonly data: string;
  /** Pictures kept of each class, at the most. Default: all above the confidence. */
  readonly perClass?: number | undefined;
  /** Least probability of the most probable class. Default 0. */
  readonly minConfidence?: number;
  /** Whether small classes are repeated up to `perClass` (default: up to the largest class). */
  readonly balance?: boolean;
  /** CSV file to write: file, label, confidence. */
  readonly out?: string | undefined;
  /** Prefix of shards to write; none may be there, nor a manifest. */
  readonly shards?: string | undefined;
  readonly shardSize?: number;
  readonly onDamaged?: "fail" | "skip";
  /** Pictures a pass. */
  readonly batch?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface FilterResult {
  /** Pictures in the pool; each is kept, rejected or damaged. */
  readonly pictures: number;
  readonly kept: number;
  readonly rejected: number;
  readonly damaged: number;
  /** Why the first damaged one is. */
  readonly damagedReason?: string;
  /** Rows of the CSV, or samples in the shards: more than `kept` where small classes are repeated. */
  readonly rows: number;
  readonly byClass: Readonly<Record<string, { readonly kept: number; readonly rows: number }>>;
  readonly damagedShards: readonly DamagedFile[];
}

/** Memory: some dozen bytes for every kept picture, and two batches. Throws DataError and UsageError. */
export async function filterPool(run: string, options: FilterOptions): Promise<FilterResult> {
  const { perClass, minConfidence = 0, balance = false, onDamaged = "fail" } = options;
  if (options.shards !== undefined) requireFreePrefix(options.shards, "--shards");
  for (const path of [options.out, options.shards]) if (path !== undefined) makeFolder(dirname(path));
  const pool = await openPicturePool(options.data, onDamaged);
  const predictor = await openPredictor(run, options);
  const { classes } = predictor;
  const best = classes.map(() => new BestOf(perClass));
  let damaged = 0;
  let damagedReason: string | undefined;
  for await (const { first, probabilities, reason } of scored(pool, predictor, options)) {
    damagedReason ??= reason;
    for (const [row, probability] of probabilities.entries()) {
      if (probability === undefined) damaged++;
      else if (probability.confidence >= minConfidence)
        best[probability.label]!.add(first + row, probability.confidence);
    }
  }
  if (damaged === pool.count && damagedReason !== undefined) {
    const { size, channels } = predictor.decoding;
    throw new DataError(
      `${options.data}: none of the ${pool.count} pictures can be judged by a run that reads ${size}x${size} pixels of ${channels} channels; the first: ${damagedReason}`,
    );
  }
  const largest = perClass ?? Math.max(0, ...best.map(({ size }) => size));
  const kept = keptInOrder(best, balance ? largest : undefined);
  if (options.out !== undefined) await writeCsv(options.out, pool, kept, classes);
  if (options.shards !== undefined) await writeShards(options.shards, options.shardSize ?? 10_000, pool, kept, classes);
  const byClass = classes.map((name, k) => {
    const rows = kept.reduce((sum, { label, copies }) => sum + (label === k ? copies : 0), 0);
    return [name, { kept: best[k]!.size, rows }] as const;
  });
  return {
    pictures: pool.count,
    kept: kept.length,
    rejected: pool.count - kept.length - damaged,
    damaged,
    ...(damagedReason === undefined ? {} : { damagedReason }),
    rows: byClass.reduce((sum, [, { rows }]) => sum + rows, 0),
    byClass: Object.fromEntries(byClass),
    damagedShards: pool.damaged,
  };
}

interface Scored {
  /** Number of the first picture in the pool. */
  readonly first: number;
  /** The most probable class of each picture; undefined for those that cannot be decoded. */
  readonly probabilities: readonly ({ readonly label: number; readonly confidence: number } | undefined)[];
  /** Why the first of those cannot be. */
  readonly reason: string | undefined;
}

/** Batches in order; while one is judged the first pictures of the next one are decoded. */
async function* scored(
  pool: PicturePool,
  predictor: Predictor,
  { batch = 500, onProgress = () => {} }: FilterOptions,
): AsyncGenerator<Scored> {
  const { decoding } = predictor;
  let pictures: DecodedPicture[] = [];
  let first = 0;
  const judged = (): Scored => {
    const probabilities = judge(pictures, predictor, decoding);
    const bad = pictures.find((picture) => "reason" in picture);
    const batch = { first, probabilities, reason: bad && "reason" in bad ? bad.reason : undefined };
    first += pictures.length;
    pictures = [];
    onProgress(first, pool.count);
    return batch;
  };
  for await (const picture of pool.decoded(decoding)) {
    if (pictures.push(picture) === batch) yield judged();
  }
  yield judged();
}

function judge(
  pictures: readonly DecodedPicture[],
  predictor: Predictor,
  { size, channels }: Decoding,
): Scored["probabilities"] {
  const good = pictures.flatMap((picture) => ("reason" in picture ? [] : [picture.pixels]));
  if (good.length === 0) return pictures.map(() => undefined);
  const imageBytes = channels * size * size;
  const pixels = new Uint8Array(good.length * imageBytes);
  good.forEach((image, row) => {
    pixels.set(image, row * imageBytes);
  });
  const labels = new Int32Array(good.length).fill(-1);
  const all = predictor.probabilities({ pixels, count: good.length, channels, height: size, width: size, labels });
  const numClasses = predictor.classes.length;
  let row = 0;
  return pictures.map((picture) => {
    if ("reason" in picture) return undefined;
    const own = all.subarray(row * numClasses, ++row * numClasses);
    // The first of equals, as the engine's argmax.
    const label = own.reduce((top, p, k) => (p > own[top]! ? k : top), 0);
    return { label, confidence: own[label]! };
  });
}

interface Kept {
  /** Number in the pool. */
  readonly index: number;
  readonly label: number;
  readonly confidence: number;
  readonly copies: number;
}

/**
 * In the order of the pool. With `target`, a class of m pictures is repeated until it has so many rows: floor(target /
 * m) copies of each, and one more of the target mod m most confident ones.
 */
function keptInOrder(best: readonly BestOf[], target: number | undefined): Kept[] {
  const kept = best.flatMap((of, label) => {
    const { index, confidence } = of.ranked();
    const m = index.length;
    return Array.from(index, (at, rank): Kept => {
      const copies = target === undefined ? 1 : Math.floor(target / m) + (rank < target % m ? 1 : 0);
      return { index: at, label, confidence: confidence[rank]!, copies };
    });
  });
  return kept.sort((a, b) => a.index - b.index);
}

async function writeCsv(path: string, pool: PicturePool, kept: readonly Kept[], classes: readonly string[]) {
  const file = new LabelWriter(path);
  try {
    let [number, next] = [0, 0];
    for await (const name of pool.names()) {
      if (kept[next]?.index !== number++) continue;
      const { label, confidence, copies } = kept[next++]!;
      file.add(name, classes[label]!, confidence, copies);
    }
    file.finish();
  } finally {
    file.abandon();
  }
}

async function writeShards(
  prefix: string,
  shardSize: number,
  pool: PicturePool,
  kept: readonly Kept[],
  classes: readonly string[],
): Promise<void> {
  const writer = new ShardWriter(prefix, "unlabeled", shardSize);
  const keys = new Set<string>();
  let next = 0;
  try {
    for await (const { name, extension, bytes } of pool.contents(kept.map(({ index }) => index))) {
      const { label, confidence, copies } = kept[next++]!;
      const json = Buffer.from(JSON.stringify({ label: classes[label], confidence: Number(confidence.toFixed(6)) }));
      for (let copy = 0; copy < copies; copy++) writer.add(uniqueKey(name, keys), { [extension]: bytes, json });
    }
  } catch (error) {
    writer.abandon();
    throw error;
  }
  writeManifest(manifestPath(prefix), { classes, format: "copy", parts: { unlabeled: writer.finish() } });
}
