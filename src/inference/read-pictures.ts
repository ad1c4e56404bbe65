/** Pictures in batches: the bytes a network is given, and why a picture could not be read. */
import { atOnce, decodeImage, readImage } from "../images/decode.js";
import type { Decoding, ImageSet } from "../images/image-set.js";

/** A picture: the path of a file, or what is in it. */
export type Picture = string | Uint8Array;

export interface ReadBatch {
  readonly names: readonly string[];
  /** By name: why it could not be read. */
  readonly errors: ReadonlyMap<number, string>;
  /** The others, in order. */
  readonly images: ImageSet;
}

/** `first`: how many came before. */
export async function readBatch(pictures: readonly Picture[], first: number, decoding: Decoding): Promise<ReadBatch> {
  const found = new Map<number, Uint8Array>();
  const errors = new Map<number, string>();
  const names = pictures.map((picture, i) => (typeof picture === "string" ? picture : `#${first + i}`));
  await atOnce(pictures.length, async (i) => {
    const picture = pictures[i]!;
    const image = await (typeof picture === "string" ? readImage(picture, decoding) : decodeImage(picture, decoding));
    if ("reason" in image) errors.set(i, image.reason);
    else found.set(i, image.pixels);
  });
  const good = names.flatMap((_, i) => (found.has(i) ? [i] : []));
  const images = imagesOf(
    good.map((i) => found.get(i)!),
    decoding,
  );
  return { names, errors, images };
}

/** Decoded pictures as one set. */
export function imagesOf(pictures: readonly Uint8Array[], { channels, size }: Decoding): ImageSet {
  const pixels = new Uint8Array(pictures.length * channels * size * size);
  for (const [row, picture] of pictures.entries()) pixels.set(picture, row * channels * size * size);
  const labels = new Int32Array(pictures.length).fill(-1);
  return { pixels, count: pictures.length, channels, height: size, width: size, labels };
}

export async function* chunks<T>(items: Iterable<T> | AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let chunk: T[] = [];
  for await (const item of items) {
    chunk.push(item);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
