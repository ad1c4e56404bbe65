/** What the studio knows of the pictures themselves: features of a run, of weights, or made of the very pictures. */
import { PATCH_FEATURES, patchFeatures } from "../../features/patches.js";
import { unitRows } from "../../features/propagate.js";
import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import { embed } from "../../inference/embed.js";
import { openPictureModel, type PictureModel } from "../../inference/picture-model.js";
import type { Rng } from "../../rng.js";

export interface Features {
  /** Places of the pictures that could be read, ascending. */
  readonly rows: Int32Array;
  /** `[rows.length, size]`, row by row. */
  readonly values: Float32Array;
  readonly size: number;
  /** The same less their mean, each of length 1: what look-alikes are told by. */
  readonly unit: Float32Array;
  /** Why a picture could not be read, by its place. */
  readonly damaged: ReadonlyMap<number, string>;
  /** What they come from, where it is a network. */
  readonly model: PictureModel | undefined;
}

export interface FeatureOptions {
  /** Run folder, or name or file of weights; undefined: features of the pixels. */
  readonly source?: string | undefined;
  readonly threads?: number | undefined;
  readonly cache?: string | null;
  readonly onProgress?: (done: number) => void;
}

const SIDE = 32;

/** Throws UsageError and DataError where the source is none. */
export async function featuresOf(paths: readonly string[], options: FeatureOptions, rng: Rng): Promise<Features> {
  const { source, cache, onProgress = () => {} } = options;
  const model = source === undefined ? undefined : await openPictureModel(source, options);
  const damaged = new Map<number, string>();
  const found = new Map<number, Float32Array | Uint8Array>();
  let done = 0;
  if (model) {
    for await (const item of embed(model, paths, cache === undefined ? {} : { cache })) {
      if ("error" in item) damaged.set(done, item.error);
      else found.set(done, item.features);
      onProgress(++done);
    }
  } else {
    const decoding = { size: SIDE, channels: 3, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
    await readImages(paths, decoding, (image, at) => {
      if ("reason" in image) damaged.set(at, image.reason);
      else found.set(at, image.pixels);
      onProgress(++done);
    });
  }
  const rows = Int32Array.from(found.keys()).sort();
  const values = model ? joined(rows, found, Float32Array) : patchFeatures(joined(rows, found, Uint8Array), rng);
  const size = model ? values.length / Math.max(1, rows.length) : PATCH_FEATURES;
  return {
    rows,
    values,
    size,
    unit: rows.length === 0 ? values : unitRows(centered(values, size), size),
    damaged,
    model,
  };
}

function joined<T extends Float32Array | Uint8Array>(
  rows: Int32Array,
  found: ReadonlyMap<number, ArrayLike<number>>,
  Kind: new (length: number) => T,
): T {
  const length = found.get(rows[0] ?? -1)?.length ?? 0;
  const out = new Kind(rows.length * length);
  for (const [to, row] of rows.entries()) out.set(found.get(row)!, to * length);
  return out;
}

function centered(values: Float32Array, size: number): Float32Array {
  const n = values.length / size;
  const mean = new Float64Array(size);
  for (const [at, v] of values.entries()) mean[at % size]! += v / n;
  return values.map((v, at) => v - mean[at % size]!);
}
