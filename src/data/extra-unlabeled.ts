/**
 * `--unlabeled DIR|SHARDS` beside a set that has no folders of its own: more pictures without labels, as Temporal Ensembling took
 * 500,000 of Tiny Images for CIFAR-100 (arXiv:1610.02242, Table 3), brought to the size of the set's images.
 */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DataError, UsageError } from "../errors.js";
import { shownName } from "../files/names.js";
import { defaultMaxMegapixels, readImages } from "../images/decode.js";
import { isFolder, listImages } from "../images/image-files.js";
import type { DamagedFile, Decoding, ImageSet } from "../images/image-set.js";
import { mostBytes } from "../images/most-bytes.js";
import type { DataSet } from "./dataset.js";
import { fingerprint } from "./fingerprint.js";
import { examplesOf } from "./folder/read.js";
import { listShards } from "./shards/list.js";
import { indexPool } from "./shards/pool.js";

/** Decoded pictures of a folder stay in memory; more than this belong into shards. */
const maxBytes = 4e9;
const maxDamaged = 0.1;
/** Streamed pictures in memory to draw from. */
const shuffleBuffer = 10_000;

/** Whether `unlabeled` means shards, by the names alone: a `.tar`, several of them, or a folder that holds some and no picture. */
export function namesShards(unlabeled: string): boolean {
  if (!isFolder(unlabeled)) return /\.tar$|[{},]/.test(unlabeled);
  try {
    return listShards(unlabeled).length > 0 && listImages(unlabeled).files.length === 0;
  } catch {
    return false;
  }
}

/**
 * The set with the pictures of a folder after its own training images, label -1, or with a pool of shards that is streamed instead of
 * them. Pictures equal to a test image are left out. Throws UsageError where the set's examples are no square pictures, DataError
 * that names the folder, the shard or the files.
 */
export async function withUnlabeled(data: DataSet, unlabeled: string): Promise<DataSet> {
  const { train } = data;
  const { channels, width, height, pixels } = train;
  if (!(pixels instanceof Uint8Array) || width !== height || (channels !== 1 && channels !== 3)) {
    const shape = `${pixels instanceof Uint8Array ? "bytes" : "numbers"} of shape ${channels}x${height}x${width}`;
    throw new UsageError(
      `--unlabeled ${unlabeled}: pictures of one's own go beside square images of 1 or 3 channels; ${data.name} has ${shape}. Use all or rest`,
    );
  }
  const decoding: Decoding = { size: width, channels, fit: "crop", maxMegapixels: defaultMaxMegapixels };
  if (namesShards(unlabeled)) {
    const pool = await indexPool(listShards(unlabeled), {
      decoding,
      onDamaged: "fail",
      maxDamaged,
      shuffleBuffer,
      fixedBuffer: true,
    });
    return { ...data, pool, fingerprint: both(data.fingerprint ?? fingerprint(data), pool.fingerprint) };
  }
  if (!isFolder(unlabeled)) {
    throw new DataError(
      `--unlabeled ${unlabeled}: there is no such folder (all, rest, a folder of pictures or .tar shards)`,
    );
  }
  const own = data.nameOf ?? String;
  const { names, images, damaged, copies } = await readFolder(unlabeled, decoding, data);
  const remarks = [
    `${names.length} unlabeled pictures of ${shownName(unlabeled)} come after the ${train.count} training images, at ${width}x${height} pixels`,
    ...(copies > 0 ? [`${copies} pictures of ${shownName(unlabeled)} are test images, and are left out`] : []),
    ...(damaged.length > 0 ? [`${damaged.length} of its files are damaged and left out: ${examplesOf(damaged)}`] : []),
  ];
  return {
    ...data,
    train: joined(train, images),
    nameOf: (index) => (index < train.count ? own(index) : names[index - train.count]!),
    remarks: [...(data.remarks ?? []), ...remarks],
    damaged: [...(data.damaged ?? []), ...damaged],
    ...(data.fingerprint === undefined ? {} : { fingerprint: both(data.fingerprint, ...names) }),
  };
}

async function readFolder(folder: string, decoding: Decoding, { train, test }: Pick<DataSet, "train" | "test">) {
  const { files } = listImages(folder);
  const size = decoding.channels * decoding.size ** 2;
  if (files.length === 0) throw new DataError(`--unlabeled ${shownName(folder)}: the folder holds no pictures`);
  if (files.length * size > Math.min(maxBytes, mostBytes - train.pixels.length)) {
    throw new DataError(
      `--unlabeled ${shownName(folder)}: ${files.length} pictures take ${Math.round((files.length * size) / 1e6)} MB once decoded. Pack them ` +
        "(`fewlabels data pack`) and give the shards, which are streamed",
    );
  }
  const known = new Set(Array.from({ length: test.count }, (_, i) => digest(test, i)));
  const slots: (Uint8Array | undefined)[] = new Array(files.length);
  const damaged: DamagedFile[] = [];
  let copies = 0;
  await readImages(
    files.map((name) => join(folder, name)),
    decoding,
    (image, i) => {
      if ("reason" in image) damaged.push({ file: files[i]!, reason: image.reason });
      else if (known.has(hashOf(image.pixels))) copies++;
      else slots[i] = image.pixels;
    },
  );
  if (damaged.length > maxDamaged * files.length) {
    throw new DataError(
      `--unlabeled ${shownName(folder)}: ${damaged.length} of ${files.length} files are damaged, more than one in ten: ${examplesOf(damaged)}`,
    );
  }
  const rows = slots.flatMap((row, i) => (row === undefined ? [] : [{ row, name: files[i]! }]));
  return { names: rows.map(({ name }) => name), images: rows.map(({ row }) => row), damaged, copies };
}

/** The images of `set`, then `more` without labels. */
function joined(set: ImageSet, more: readonly Uint8Array[]): ImageSet {
  const size = set.channels * set.height * set.width;
  const count = set.count + more.length;
  const pixels = new Uint8Array(count * size);
  pixels.set(set.pixels.subarray(0, set.count * size));
  more.forEach((row, i) => {
    pixels.set(row, (set.count + i) * size);
  });
  const labels = new Int32Array(count).fill(-1);
  labels.set(set.labels);
  return { ...set, pixels, labels, count };
}

function digest({ pixels, channels, height, width }: ImageSet, row: number): string {
  const size = channels * height * width;
  return hashOf(pixels.subarray(row * size, (row + 1) * size));
}

const hashOf = (bytes: Uint8Array | Float32Array) => createHash("sha256").update(bytes).digest("base64");
const both = (...parts: readonly string[]) => createHash("sha256").update(parts.join("\n")).digest("hex");
