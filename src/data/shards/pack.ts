/**
 * `data pack`: pictures of a folder, or of any data set in memory, into shards; labeled, unlabeled and test pictures
 * apart.
 */
import { basename, dirname } from "node:path";
import { DataError, UsageError } from "../../errors.js";
import { encodePixmap, pixmapExtension } from "../../files/pixmap.js";
import { TarWriter } from "../../files/tar-writer.js";
import { makeFolder, writeWhole } from "../../files/write-whole.js";
import { readContent, readImage } from "../../images/decode.js";
import { encodeImage } from "../../images/encode.js";
import { formatExtensions, sniffBytes, sniffFormat } from "../../images/image-formats.js";
import type { DamagedFile, Decoding, ImageSet } from "../../images/image-set.js";
import { inOrder } from "../../images/in-order.js";
import { Rng } from "../../rng.js";
import { type PictureFile, scanFolder } from "../folder/layout.js";
import {
  manifestPath,
  type PackPart,
  packParts,
  requireFreePrefix,
  type ShardManifest,
  shardPath,
} from "./manifest.js";

export const packFormats = ["copy", "jpeg", "png", "raw"] as const;
export type PackFormat = (typeof packFormats)[number];

export interface PackOptions {
  /** Shards are `PREFIX-labeled-000000.tar` and so on; the manifest is `PREFIX.json`. */
  readonly prefix: string;
  /** Pictures in a shard. */
  readonly shardSize: number;
  /** Order of the pictures: neighbors in a shard are drawn close to each other. */
  readonly seed: number;
}

/** A picture to be packed. */
export interface PackItem {
  readonly part: PackPart;
  /** Class index, or -1. */
  readonly label: number;
  /** What it is called; made into a key. */
  readonly name: string;
  content(): Promise<PackContent | { readonly reason: string }>;
}

export interface PackContent {
  readonly bytes: Uint8Array;
  readonly extension: string;
}

export interface PackResult extends ShardManifest {
  readonly manifest: string;
  readonly damaged: readonly DamagedFile[];
}

/** Pictures prepared at the same time. */
const concurrency = 16;

/**
 * Throws UsageError where the prefix is taken, DiskError where nothing can be written, DataError where not one picture could be read.
 */
export async function packShards(
  items: readonly PackItem[],
  about: Pick<ShardManifest, "classes" | "format" | "size">,
  { prefix, shardSize, seed }: PackOptions,
): Promise<PackResult> {
  requireFreePrefix(prefix, "--out");
  makeFolder(dirname(prefix));
  const damaged: DamagedFile[] = [];
  const parts: Partial<Record<PackPart, { shards: string[]; count: number }>> = {};
  const keys = new Set<string>();
  for (const part of packParts) {
    const own = items.filter((item) => item.part === part);
    if (own.length === 0) continue;
    const writer = new ShardWriter(prefix, part, shardSize);
    const order = Rng.fromSeed(seed).split(`pack:${part}`).permutation(own.length);
    const shuffled = Array.from(order, (i) => own[i]!);
    try {
      const contents = inOrder(shuffled, concurrency, async (item) => ({ item, content: await item.content() }));
      for await (const { item, content } of contents) {
        if ("reason" in content) {
          damaged.push({ file: item.name, reason: content.reason });
          continue;
        }
        const labels: Record<string, Uint8Array> = item.label < 0 ? {} : { cls: Buffer.from(String(item.label)) };
        writer.add(uniqueKey(item.name, keys), { [content.extension]: content.bytes, ...labels });
      }
    } catch (error) {
      writer.abandon();
      throw error;
    }
    parts[part] = writer.finish();
  }
  if (Object.values(parts).every(({ count }) => count === 0)) {
    throw new DataError(`data pack: not one of ${items.length} pictures could be read`);
  }
  const manifest = manifestPath(prefix);
  const content: ShardManifest = { ...about, parts };
  writeManifest(manifest, content);
  return { ...content, manifest, damaged };
}

export function writeManifest(path: string, content: ShardManifest): void {
  writeWhole(path, `${JSON.stringify(content, null, 2)}\n`);
}

/** Writes samples to as many shards as it takes. */
export class ShardWriter {
  readonly #prefix: string;
  readonly #part: string;
  readonly #size: number;
  readonly #shards: string[] = [];
  #current: TarWriter | undefined;
  #count = 0;

  constructor(prefix: string, part: string, size: number) {
    [this.#prefix, this.#part, this.#size] = [prefix, part, size];
  }

  /** Members by what follows the key's dot. */
  add(key: string, members: Readonly<Record<string, Uint8Array>>): void {
    if (this.#count % this.#size === 0) {
      this.#close();
      const path = shardPath(this.#prefix, this.#part, this.#shards.length);
      this.#current = new TarWriter(path);
      this.#shards.push(basename(path));
    }
    for (const [extension, content] of Object.entries(members)) this.#current!.add(`${key}.${extension}`, content);
    this.#count++;
  }

  #close(): void {
    const whole = this.#current;
    this.#current = undefined;
    whole?.finish();
  }

  finish(): { readonly shards: string[]; readonly count: number } {
    this.#close();
    return { shards: this.#shards, count: this.#count };
  }

  /** Leaves no half shard behind. */
  abandon(): void {
    this.#current?.abandon();
  }
}

/**
 * A name without extension and without dots in its last part, which end a key; with a number where it is taken. No part of it is hidden:
 * reading passes over such samples.
 */
export function uniqueKey(name: string, taken: Set<string>): string {
  const inside = name.replace(/^(\.\.\/|\/)+/, "").replaceAll("../", "");
  const safe = inside.replace(/(^|\/)\.+/g, "$1_").replace(/(^|\/)(?=__MACOSX\/)/g, "$1_");
  const slash = safe.lastIndexOf("/") + 1;
  const own = safe
    .slice(slash)
    .replace(/(.)\.[^.]*$/, "$1")
    .replaceAll(".", "_");
  const plain = `${safe.slice(0, slash)}${own}`;
  let key = plain;
  for (let n = 2; taken.has(key); n++) key = `${plain}_${n}`;
  taken.add(key);
  return key;
}

export interface FolderPackOptions {
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  readonly format: PackFormat;
  /** Needed unless the files are copied. */
  readonly decoding?: Decoding | undefined;
}

const partOf = { train: "labeled", unlabeled: "unlabeled", test: "test" } as const;
/** The pictures of a folder as `--dataset folder` sees it. Files are opened when their turn comes. Throws DataError. */
export function folderItems(dir: string, { unlabeledDir, format, decoding }: FolderPackOptions) {
  const { files, classes } = scanFolder(dir, { unlabeledDir });
  const items = files.map(
    ({ name, path, part, label }: PictureFile): PackItem => ({
      part: partOf[part],
      label,
      name,
      content: () => (decoding ? encodeFile(path, decoding, format) : copyFile(path)),
    }),
  );
  return { items, classes };
}

async function copyFile(path: string): Promise<PackContent | { readonly reason: string }> {
  const bytes = await readContent(path);
  if ("reason" in bytes) return { reason: bytes.reason };
  const format = sniffFormat(bytes.subarray(0, sniffBytes));
  if (format === undefined) return { reason: bytes.length === 0 ? "the file is empty" : "not a picture" };
  return typeof format === "string" ? { bytes, extension: formatExtensions[format] } : format;
}

async function encodeFile(path: string, decoding: Decoding, format: PackFormat) {
  const image = await readImage(path, decoding);
  if ("reason" in image) return { reason: image.reason };
  return encodePixels(
    image.pixels,
    { channels: decoding.channels, width: decoding.size, height: decoding.size },
    format,
  );
}

/**
 * The images `rows` of a set in memory; `label(row)` is -1 for those whose label stays hidden. Throws UsageError on
 * real numbers.
 */
export function setItems(
  set: ImageSet,
  rows: Int32Array,
  part: PackPart,
  format: PackFormat,
  about: { label(row: number): number; name(row: number): string },
): PackItem[] {
  const { pixels, channels, height, width } = set;
  if (!(pixels instanceof Uint8Array) || (channels !== 1 && channels !== 3) || width !== height) {
    throw new UsageError("data pack: only square gray or color pictures of 8 bits can be packed");
  }
  const size = channels * height * width;
  return Array.from(rows, (row) => ({
    part,
    label: about.label(row),
    name: about.name(row),
    content: () => encodePixels(pixels.subarray(row * size, (row + 1) * size), { channels, width, height }, format),
  }));
}

async function encodePixels(
  pixels: Uint8Array,
  shape: { readonly channels: 1 | 3; readonly width: number; readonly height: number },
  format: PackFormat,
): Promise<PackContent> {
  if (format === "jpeg" || format === "png") {
    return { bytes: await encodeImage(pixels, shape, format), extension: formatExtensions[format] };
  }
  return { bytes: encodePixmap({ ...shape, pixels }), extension: pixmapExtension(shape.channels) };
}
