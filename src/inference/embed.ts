/** Features of pictures by a run or by weights: what the network's head is given. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import { DiskError } from "../errors.js";
import { atOnce, decodeImage, readContent } from "../images/decode.js";
import type { ImageSet } from "../images/image-set.js";
import { cacheFolder } from "../pretrained/cache.js";
import { FeatureCache } from "./feature-cache.js";
import { idOf, ofImages, type PictureModel } from "./picture-model.js";
import { chunks, imagesOf } from "./read-pictures.js";

export type Embedding =
  | { readonly file: string; readonly features: Float32Array; readonly cached: boolean }
  | { readonly file: string; readonly error: string };

export interface EmbedOptions {
  /** Pictures a pass; default 32. */
  readonly batch?: number;
  /** Folder of features computed before; null: none. Default: `features` in the cache. */
  readonly cache?: string | null;
  /** Told once where features cannot be kept for the next time, which costs nothing else. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/** Passes between two writes of the cache. */
const FLUSH_EVERY = 32;

/**
 * Features of each file `[D]`, in order, as they come; `files` may be endless. What is new is in the cache at the end, or when left, if it
 * can be written.
 */
export async function* embed(
  source: PictureModel,
  files: Iterable<string> | AsyncIterable<string>,
  { batch = 32, cache = cacheFolder("features"), onNote = () => {} }: EmbedOptions = {},
): AsyncGenerator<Embedding> {
  const known = cache === null ? undefined : new FeatureCache(join(cache, idOf(source)));
  const keep = keeper(known, onNote);
  let passes = 0;
  try {
    let reading: ReturnType<typeof look> | undefined;
    for await (const names of chunks(files, batch)) {
      const next = look(source, names, known);
      next.catch(() => {}); // whoever awaits it gets the error
      if (reading) yield* finish(source, await reading, known);
      if (++passes % FLUSH_EVERY === 0) keep();
      reading = next;
    }
    if (reading) yield* finish(source, await reading, known);
  } finally {
    keep();
  }
}

/** Writes what is new, until that fails once. */
function keeper(known: FeatureCache | undefined, onNote: (line: string) => void): () => void {
  let failed = false;
  return () => {
    if (failed) return;
    try {
      known?.flush();
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      failed = true;
      onNote(`features are not kept: ${error.message}. FEWLABELS_CACHE names another folder, --no-cache keeps none`);
    }
  };
}

interface Looked {
  readonly names: readonly string[];
  readonly keys: readonly (string | undefined)[];
  readonly found: ReadonlyMap<number, Float32Array>;
  readonly errors: ReadonlyMap<number, string>;
  /** Places of the rest, and their pixels. */
  readonly rest: readonly number[];
  readonly images: ImageSet;
}

/** Reads the files, takes what is known, and decodes the rest. Of files themselves no more are in memory than there are cores: they may be large. */
async function look(source: PictureModel, names: readonly string[], known: FeatureCache | undefined): Promise<Looked> {
  const { decoding } = source.record;
  const keys = names.map((): string | undefined => undefined);
  const found = new Map<number, Float32Array>();
  const errors = new Map<number, string>();
  const pixels = new Map<number, Uint8Array>();
  await atOnce(names.length, async (i) => {
    const content = await readContent(names[i]!);
    if ("reason" in content) return void errors.set(i, content.reason);
    const key = createHash("sha256").update(content).digest("hex");
    keys[i] = key;
    const features = known?.get(key);
    if (features) return void found.set(i, features);
    const image = await decodeImage(content, decoding);
    if ("reason" in image) errors.set(i, image.reason);
    else pixels.set(i, image.pixels);
  });
  const rest = [...pixels.keys()].sort((a, b) => a - b);
  const images = imagesOf(
    rest.map((i) => pixels.get(i)!),
    decoding,
  );
  return { names, keys, found, errors, rest, images };
}

function finish(
  source: PictureModel,
  { names, keys, found, errors, rest, images }: Looked,
  known?: FeatureCache,
): Embedding[] {
  const rows = images.count === 0 ? new Float32Array(0) : ofImages(source, images, (x) => source.model.features(x));
  const size = rows.length / images.count;
  const computed = new Map<number, Float32Array>();
  for (const [row, i] of rest.entries()) {
    const features = rows.slice(row * size, (row + 1) * size);
    computed.set(i, features);
    known?.add(keys[i]!, features);
  }
  return names.map((file, i) => {
    const error = errors.get(i);
    if (error !== undefined) return { file, error };
    const before = found.get(i);
    return { file, features: before ?? computed.get(i)!, cached: before !== undefined };
  });
}
