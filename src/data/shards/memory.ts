/** Shards that are read whole: labeled and test pictures, which are few. */
import { createHash } from "node:crypto";
import { DataError, UsageError } from "../../errors.js";
import { TarFile, type TarMember } from "../../files/tar.js";
import type { DamagedFile, Decoding } from "../../images/image-set.js";
import { mostBytes } from "../../images/most-bytes.js";
import { labelNames } from "./manifest.js";
import {
  type DecodedPicture,
  maxImageBytes,
  readLabel,
  readPicture,
  type ShardLabel,
  type Stray,
  samplesOf,
} from "./samples.js";

export interface ReadLimits {
  readonly decoding: Decoding;
  readonly onDamaged: "fail" | "skip";
  readonly maxDamaged: number;
  readonly memoryMB: number;
  /** Bytes that one array may have. Default: what Node allows. */
  readonly most?: number;
}

export interface ReadPicture {
  readonly key: string;
  readonly shard: string;
  /** SHA-256 of the picture's member, hex. */
  readonly hash: string;
  /** Name of its class. */
  readonly label: string | undefined;
}

export interface ReadShards {
  readonly pictures: readonly ReadPicture[];
  /** uint8 `[pictures, C, H, W]`. */
  readonly pixels: Uint8Array;
  readonly damaged: readonly DamagedFile[];
}

/** Pictures decoded at the same time, at the most. */
const concurrency = 64;

/**
 * Reads and decodes every picture of `paths`, in order. Throws DataError on damaged shards (unless they may be
 * skipped), on a key that comes twice and on too many undecodable pictures, UsageError where they need more memory than
 * they may have.
 */
export async function readShards(paths: readonly string[], limits: ReadLimits): Promise<ReadShards> {
  const { decoding, onDamaged, maxDamaged, memoryMB, most = mostBytes } = limits;
  const room = Math.min(memoryMB * 1e6, most);
  const imageBytes = decoding.channels * decoding.size ** 2;
  const pictures: ReadPicture[] = [];
  const damaged: DamagedFile[] = [];
  const skipped: DamagedFile[] = [];
  let pixels = new Uint8Array(Math.min(1024 * imageBytes, room));
  const keep = (picture: ReadPicture, image: DecodedPicture) => {
    if ("reason" in image) {
      damaged.push({ file: `${picture.shard}: ${picture.key}`, reason: image.reason });
      return;
    }
    const end = (pictures.length + 1) * imageBytes;
    if (end > room) {
      const [limit, raise] =
        most < memoryMB * 1e6
          ? [`the ${Math.floor(most / 1e6)} MB that Node ${process.version} can keep of one set`, "Use"]
          : [`--dataset.memoryMB ${memoryMB}`, "Raise it, use"];
      throw new UsageError(
        `shards: more than ${pictures.length} labeled or test pictures of ${decoding.size}x${decoding.size} pixels need more than ${limit}. ` +
          `${raise} a smaller --dataset.size, or give unlabeled shards to --unlabeled, where they are streamed`,
      );
    }
    if (end > pixels.length) {
      const larger = new Uint8Array(Math.min(2 * pixels.length, room));
      larger.set(pixels);
      pixels = larger;
    }
    pixels.set(image.pixels, end - imageBytes);
    pictures.push(picture);
  };
  const keys = new Map<string, string>();
  for (const path of paths) {
    const before = pictures.length;
    try {
      const labels = await strayLabels(path);
      await readShard(path, labels, decoding, (picture, image) => {
        const other = keys.get(picture.key);
        if (other !== undefined) throw new DataError(`${path}: key "${picture.key}" is also in ${other}`);
        keys.set(picture.key, path);
        keep(picture, image);
      });
    } catch (error) {
      if (!(error instanceof DataError) || onDamaged === "fail") throw error;
      for (const { key } of pictures.splice(before)) keys.delete(key);
      skipped.push({ file: path, reason: error.message });
    }
  }
  const count = pictures.length + damaged.length;
  if (damaged.length > maxDamaged * count) {
    const [{ file, reason }] = damaged as [DamagedFile];
    throw new DataError(
      `shards: ${damaged.length} of ${count} pictures are damaged, more than the share of --dataset.maxDamaged ${maxDamaged}; the first is ${file} (${reason})`,
    );
  }
  if (pictures.length === 0) throw new DataError(`shards: found no picture in ${paths.slice(0, 3).join(", ")}`);
  return { pictures, pixels: pixels.subarray(0, pictures.length * imageBytes), damaged: [...skipped, ...damaged] };
}

/** Labels that do not lie beside their picture, as where a shard was packed by kind; by key. */
async function strayLabels(path: string): Promise<ReadonlyMap<string, ShardLabel>> {
  const labels = new Map<string, ShardLabel>();
  const tar = await TarFile.open(path, 1 << 15);
  try {
    const take = async (stray: Stray) => {
      const label = await readLabel(tar, stray);
      if (label) labels.set(stray.key, label);
    };
    for await (const _ of samplesOf(tar, take));
  } finally {
    await tar.close();
  }
  return labels;
}

async function readShard(
  path: string,
  strays: ReadonlyMap<string, ShardLabel>,
  decoding: Decoding,
  use: (picture: ReadPicture, image: DecodedPicture) => void,
): Promise<void> {
  const nameOf = labelNames(path);
  const tar = await TarFile.open(path);
  const waiting: { readonly picture: ReadPicture; readonly decoded: DecodedPicture | Promise<DecodedPicture> }[] = [];
  const useFirst = async () => {
    const { picture, decoded } = waiting.shift()!;
    use(picture, await decoded);
  };
  try {
    for await (const sample of samplesOf(tar)) {
      const label = (await readLabel(tar, sample)) ?? strays.get(sample.key);
      const hash = await hashOf(tar, sample.image);
      const { decoded } = await readPicture(tar, sample, decoding);
      waiting.push({
        picture: { key: sample.key, shard: path, hash, label: label && nameOf(label, sample.key) },
        decoded,
      });
      if (waiting.length === concurrency) await useFirst();
    }
    while (waiting.length > 0) await useFirst();
  } finally {
    await tar.close();
  }
}

/** Of what is read as a picture; what is too long for one has no hash of its own. */
async function hashOf(tar: TarFile, image: TarMember): Promise<string> {
  const content = image.size > maxImageBytes ? new Uint8Array(0) : await tar.read(image, maxImageBytes);
  return createHash("sha256").update(content).digest("hex");
}
