/**
 * A pool of unlabeled pictures in shards, too large for memory: who is in it, and reading it one shard after the other.
 */
import { createHash } from "node:crypto";
import { DataError } from "../../errors.js";
import { TarFile } from "../../files/tar.js";
import type { DamagedFile, Decoding, PoolOptions, Shard, ShardPool } from "../../images/image-set.js";
import { type DecodedPicture, readPicture, type Sample, samplesOf } from "./samples.js";

/** Read at a time where only headers are looked at. */
const headerChunk = 1 << 15;

/**
 * Counts the pictures of all shards by their headers. Throws DataError naming the shard and the byte where one is
 * missing or damaged and `onDamaged` is `fail`, or where none is left.
 */
export async function indexPool(paths: readonly string[], options: PoolOptions): Promise<ShardPool> {
  const shards: Shard[] = [];
  const damaged: DamagedFile[] = [];
  const whole = createHash("sha256");
  let first = 0;
  for (const path of paths) {
    try {
      const { count, hash } = await indexShard(path);
      shards.push({ path, count, first });
      whole.update(hash);
      first += count;
    } catch (error) {
      if (!(error instanceof DataError) || options.onDamaged === "fail") throw advise(error);
      damaged.push({ file: path, reason: error.message });
    }
  }
  if (first === 0) throw new DataError(`shards: there is no picture in the ${paths.length} shards of the pool`);
  return { ...options, shards, count: first, fingerprint: whole.digest("hex"), damaged };
}

function advise(error: unknown): unknown {
  if (!(error instanceof DataError)) return error;
  return new DataError(
    `${error.message}. Fetch the shard again, or leave it out (data set shards: --dataset.onDamaged skip)`,
  );
}

async function indexShard(path: string): Promise<{ readonly count: number; readonly hash: Buffer }> {
  const tar = await TarFile.open(path, headerChunk);
  try {
    const hash = createHash("sha256");
    let lines: string[] = [];
    let count = 0;
    for await (const { image } of samplesOf(tar)) {
      count++;
      lines.push(`${image.name} ${image.size}\n`);
      if (lines.length < 1000) continue;
      hash.update(lines.join(""));
      lines = [];
    }
    return { count, hash: hash.update(lines.join("")).digest() };
  } finally {
    await tar.close();
  }
}

/** Where a pass over the pool stands. Shards come in an order of their own in each pass. */
export interface PoolPosition {
  readonly pass: number;
  /** How many shards of the pass are done with. */
  readonly rank: number;
  /** Byte of the shard at which the next sample begins. */
  readonly offset: number;
  /** Samples of the shard before that. */
  readonly seen: number;
}

export const poolStart: PoolPosition = { pass: 0, rank: 0, offset: 0, seen: 0 };

/** One picture on its way; `K`: what takes the place of those that are not decoded. */
export interface PoolPicture<K = never> {
  /** Its number in the pool. */
  readonly index: number;
  readonly name: string;
  readonly picture: K | DecodedPicture | Promise<DecodedPicture>;
  /** Where reading would go on with this picture, and how many pictures of all passes came before it. */
  readonly position: PoolPosition;
  readonly before: number;
}

/**
 * Endless passes over the pool from `start`, one shard at a time; `orderOf(pass)` is the order of the shards. Decoding
 * of a picture goes on after it has been handed out; what `known` gives, asked in order, is not decoded. A shard that has become damaged
 * since it was counted ends the run, or is reported to `skipped` and left.
 */
export async function* readPool<K = never>(
  pool: ShardPool,
  start: PoolPosition,
  orderOf: (pass: number) => Int32Array,
  skipped: (damage: DamagedFile) => void,
  known: (index: number, before: number) => K | undefined = () => undefined,
): AsyncGenerator<PoolPicture<K>> {
  let { offset, seen } = start;
  for (let { pass, rank } = start; ; pass++, rank = 0) {
    const order = orderOf(pass);
    let before = pass * pool.count;
    let found = rank > 0 || offset > 0;
    for (const earlier of order.subarray(0, rank)) before += pool.shards[earlier]!.count;
    for (; rank < order.length; rank++) {
      const shard = pool.shards[order[rank]!]!;
      try {
        const kept = () => known(shard.first + seen, before + seen);
        for await (const [sample, picture] of readShard(shard.path, offset, pool.decoding, kept)) {
          const position = { pass, rank, offset: sample.offset, seen };
          yield {
            index: shard.first + seen,
            name: `${shard.path}: ${sample.image.name}`,
            picture,
            position,
            before: before + seen,
          };
          seen++;
          found = true;
        }
      } catch (error) {
        if (!(error instanceof DataError) || pool.onDamaged === "fail") throw advise(error);
        skipped({ file: shard.path, reason: error.message });
      }
      before += shard.count;
      [offset, seen] = [0, 0];
    }
    if (!found)
      throw new DataError("shards: a whole pass over the pool found no picture: its shards are gone or damaged");
  }
}

/** Samples and their pictures in order, from the sample that begins at byte `offset`; what `kept` has is not decoded. */
export async function* readShard<K = never>(
  path: string,
  offset: number,
  decoding: Decoding,
  kept: () => K | undefined = () => undefined,
): AsyncGenerator<readonly [Sample, K | DecodedPicture | Promise<DecodedPicture>]> {
  const tar = await TarFile.open(path);
  try {
    tar.seek(offset);
    for await (const sample of samplesOf(tar)) {
      yield [sample, kept() ?? (await readPicture(tar, sample, decoding)).decoded];
    }
  } finally {
    await tar.close();
  }
}
