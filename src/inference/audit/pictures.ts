/** What an audit looks at: each readable picture once, with its content, a small version and its features. */
import { DataError } from "../../errors.js";
import { PATCH_FEATURES, patchFeatures } from "../../features/patches.js";
import { unitRows } from "../../features/propagate.js";
import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import type { Rng } from "../../rng.js";
import { embed } from "../embed.js";
import type { LabeledFile } from "../folder-pictures.js";
import { openPictureModel, type PredictorOptions } from "../picture-model.js";

export interface AuditPicture extends LabeledFile {
  /** SHA-256 of the file. */
  readonly hash: string;
}

export interface AuditPictures {
  readonly pictures: readonly AuditPicture[];
  /** `[N, THUMBNAIL]`: small versions, each channel less its mean, of length 1; all 0 where a picture is of one color. */
  readonly small: Float32Array;
  /** The same from right to left. */
  readonly mirrored: Float32Array;
  /** `[N, size]` */
  readonly features: Float32Array;
  readonly size: number;
  readonly damaged: readonly { readonly file: string; readonly reason: string }[];
}

export interface ReadOptions extends PredictorOptions {
  /** Run folder, or name or file of weights; undefined: features of the pixels themselves. */
  readonly source?: string | undefined;
  readonly cache?: string | null;
  /** Told once where features cannot be kept for the next time. */
  readonly onNote?: ((line: string) => void) | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const SIDE = 32;
const HALF = SIDE / 2;
const CHANNELS = 3;
export const THUMBNAIL = CHANNELS * HALF * HALF;
/** Deviation, of 0 .. 255, under which a picture counts as one color. */
const PLAIN = 2;

/** Throws DataError where no picture can be read, and what `openPictureModel` throws. */
export async function readForAudit(
  dir: string,
  files: readonly LabeledFile[],
  options: ReadOptions,
  rng: Rng,
): Promise<AuditPictures> {
  const { source, cache, onNote, onProgress = () => {} } = options;
  const model = source === undefined ? undefined : await openPictureModel(source, options);
  const area = CHANNELS * SIDE * SIDE;
  const reasons = new Map<number, string>();
  const hashes = new Map<number, string>();
  const all = new Uint8Array(files.length * area);
  const decoding = { size: SIDE, channels: CHANNELS, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
  let done = 0;
  const paths = files.map(({ path }) => path);
  await readImages(paths, decoding, (image, i) => {
    if (!model) onProgress(++done, files.length);
    if ("reason" in image) reasons.set(i, image.reason);
    else {
      hashes.set(i, image.hash);
      all.set(image.pixels, i * area);
    }
  });
  const rows = new Map<number, Float32Array>();
  if (model) {
    let at = 0;
    for await (const item of embed(model, paths, { onNote, ...(cache === undefined ? {} : { cache }) })) {
      if ("error" in item) reasons.set(at, item.error);
      else rows.set(at, item.features);
      onProgress(++at, files.length);
    }
  }
  const good = [...files.keys()].filter((i) => !reasons.has(i));
  if (good.length === 0) throw new DataError(`${dir}: not one picture could be read`);
  const pixels = new Uint8Array(good.length * area);
  for (const [to, i] of good.entries()) pixels.set(all.subarray(i * area, (i + 1) * area), to * area);
  const size = model ? rows.get(good[0]!)!.length : PATCH_FEATURES;
  const features = model ? new Float32Array(good.length * size) : patchFeatures(pixels, rng);
  if (model) for (const [to, i] of good.entries()) features.set(rows.get(i)!, to * size);
  return {
    pictures: good.map((i) => ({ ...files[i]!, hash: hashes.get(i)! })),
    small: smallVersions(pixels, good.length, false),
    mirrored: smallVersions(pixels, good.length, true),
    features,
    size,
    damaged: files.flatMap(({ name }, i) => (reasons.has(i) ? [{ file: name, reason: reasons.get(i)! }] : [])),
  };
}

/** `[n, 3, 32, 32]` -> `[n, THUMBNAIL]`, means of 2 x 2 pixels. */
function smallVersions(pixels: Uint8Array, n: number, mirrored: boolean): Float32Array {
  const out = new Float32Array(n * THUMBNAIL);
  for (let plane = 0; plane < n * CHANNELS; plane++) {
    for (let y = 0; y < HALF; y++) {
      for (let x = 0; x < HALF; x++) {
        const from = (plane * SIDE + 2 * y) * SIDE + 2 * x;
        const sum = pixels[from]! + pixels[from + 1]! + pixels[from + SIDE]! + pixels[from + SIDE + 1]!;
        out[(plane * HALF + y) * HALF + (mirrored ? HALF - 1 - x : x)] = sum / 4;
      }
    }
  }
  // Each channel less its mean: a common tint makes no two pictures alike.
  const area = HALF * HALF;
  for (let i = 0; i < n; i++) {
    const row = out.subarray(i * THUMBNAIL, (i + 1) * THUMBNAIL);
    for (let c = 0; c < CHANNELS; c++) {
      const plane = row.subarray(c * area, (c + 1) * area);
      const mean = plane.reduce((a, b) => a + b, 0) / area;
      for (let d = 0; d < area; d++) plane[d]! -= mean;
    }
    const deviation = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / THUMBNAIL);
    if (deviation < PLAIN) row.fill(0);
  }
  return unitRows(out, THUMBNAIL);
}
