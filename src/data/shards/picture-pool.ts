/**
 * Any number of pictures in a fixed order, of shards or of a folder, that are gone through from the first to the last.
 */
import { join } from "node:path";
import { DataError } from "../../errors.js";
import { shownName } from "../../files/names.js";
import { TarFile } from "../../files/tar.js";
import { readContent, readImage } from "../../images/decode.js";
import { isFolder, listImages } from "../../images/image-files.js";
import { formatExtensions, sniffBytes, sniffFormat } from "../../images/image-formats.js";
import type { DamagedFile, Decoding } from "../../images/image-set.js";
import { inOrder } from "../../images/in-order.js";
import { listShards } from "./list.js";
import { indexPool, readShard } from "./pool.js";
import { type DecodedPicture, maxImageBytes, type Sample, samplesOf } from "./samples.js";

/** Pictures decoded at the same time: of photos, each may take some megabytes. */
const ahead = 32;

export interface PicturePool {
  readonly count: number;
  /** Shards that were left out. */
  readonly damaged: readonly DamagedFile[];
  /** Every picture, some of them decoded ahead. */
  decoded(decoding: Decoding): AsyncGenerator<DecodedPicture>;
  /** The names of all pictures. */
  names(): AsyncGenerator<string>;
  /** The pictures of these numbers (ascending), as they are stored. */
  contents(numbers: Iterable<number>): AsyncGenerator<StoredPicture>;
}

export interface StoredPicture {
  readonly name: string;
  readonly extension: string;
  readonly bytes: Uint8Array;
}

/** `pattern`: shards as `listShards` takes them, or a folder of pictures. Throws DataError where there are none. */
export async function openPicturePool(pattern: string, onDamaged: "fail" | "skip"): Promise<PicturePool> {
  const isPictures = isFolder(pattern) && listImages(pattern).files.length > 0;
  return isPictures ? folderPool(pattern) : shardPool(pattern, onDamaged);
}

function folderPool(dir: string): PicturePool {
  const { files } = listImages(dir);
  return {
    count: files.length,
    damaged: [],
    decoded: (decoding) => inOrder(files, ahead, (name) => readImage(join(dir, name), decoding)),
    async *names() {
      yield* files.map(shownName);
    },
    async *contents(numbers) {
      for (const number of numbers) {
        const name = files[number]!;
        const bytes = await readWhole(join(dir, name));
        yield { name: shownName(name), extension: extensionOf(bytes), bytes };
      }
    },
  };
}

/** What its bytes say, not its name: a reader of shards goes by it. */
function extensionOf(bytes: Uint8Array): string {
  const format = sniffFormat(bytes.subarray(0, sniffBytes));
  return typeof format === "string" ? formatExtensions[format] : "bin";
}

async function readWhole(path: string): Promise<Uint8Array> {
  const content = await readContent(path);
  if ("reason" in content) throw new DataError(`cannot read ${shownName(path)}: ${content.reason}`);
  return content;
}

async function shardPool(pattern: string, onDamaged: "fail" | "skip"): Promise<PicturePool> {
  const decoding = { size: 1, channels: 3, fit: "crop", maxMegapixels: 1 } as const; // not used for counting
  const limits = { decoding, onDamaged, maxDamaged: 0, shuffleBuffer: 0 };
  const { shards, count, damaged } = await indexPool(listShards(pattern), limits);
  return {
    count,
    damaged,
    async *decoded(decoding) {
      for (const { path } of shards) {
        yield* inOrder(readShard(path, 0, decoding), ahead, async ([, picture]) => picture);
      }
    },
    async *names() {
      for (const { path } of shards) yield* inShard(path, async (_, { key }) => key);
    },
    async *contents(numbers) {
      const wanted = numbers[Symbol.iterator]();
      let next = wanted.next();
      for (const { path, first, count: own } of shards) {
        if (next.done || next.value >= first + own) continue;
        let number = first;
        const stored = inShard(path, async (tar, { key, extension, image }) => {
          if (next.done || number++ !== next.value) return undefined;
          next = wanted.next();
          return { name: key, extension, bytes: (await tar.read(image, maxImageBytes)).slice() };
        });
        for await (const picture of stored) if (picture) yield picture;
      }
    },
  };
}

async function* inShard<T>(path: string, use: (tar: TarFile, sample: Sample) => Promise<T>): AsyncGenerator<T> {
  const tar = await TarFile.open(path);
  try {
    for await (const sample of samplesOf(tar)) yield await use(tar, sample);
  } finally {
    await tar.close();
  }
}
