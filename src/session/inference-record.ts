/** `inference.json` of a run folder: all that it takes to judge a picture that comes later, without the training data. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CropView } from "../augment/photo.js";
import { inputShape } from "../batches/store.js";
import { DataError, UsageError } from "../errors.js";
import { writeWhole } from "../files/write-whole.js";
import { defaultMaxMegapixels } from "../images/decode.js";
import { type Decoding, type ImageSet, isWhitening, type Normalization } from "../images/image-set.js";
import { imageScaling, type NormalizedSet } from "../images/normalize.js";
import type { PreparedData } from "./data.js";

export interface InferenceRecord {
  /** Roles of the models that checkpoints hold, and the one whose error is the method's result. */
  readonly models: readonly string[];
  readonly predictor: string;
  /** Class names; a model's logit k is of `classes[k]`. */
  readonly classes: readonly string[];
  /** What the model takes: `[N, channels, height, width]` float32. */
  readonly input: { readonly channels: number; readonly height: number; readonly width: number };
  /** How a picture file becomes bytes of that shape; undefined where the images are no square gray or color pictures of bytes. */
  readonly decoding?: Decoding;
  /** Size of the images as the data set has them, where there is no `decoding`. */
  readonly stored?: { readonly height: number; readonly width: number };
  /** The part of such a picture that is brought to the shape of the input; undefined: all of it. */
  readonly evaluation?: CropView;
  readonly normalize: Normalization;
  /** 1 where the pixels are real numbers and 1 stands for 1; absent where they are bytes, and where whitening comes before. */
  readonly unit?: number;
  /**
   * input = byte * scale + offset, per channel, fitted on the training images. Absent where each image is scaled by its own
   * mean and deviation (`normalize` is `image`), and where whitening comes before (`zca`, `gcn-zca`).
   */
  readonly scale?: readonly number[];
  readonly offset?: readonly number[];
}

const fileName = "inference.json";

export function inferenceRecord(
  { train, classes, normalize, decoding }: PreparedData,
  { models, predictor }: { readonly models: object; readonly predictor: string },
): InferenceRecord {
  const [channels, height, width] = inputShape(train);
  const { scaling, evaluation } = train;
  const whitened = isWhitening(normalize);
  const constant = scaling.per === "channel" && !whitened;
  const real = train.pixels instanceof Float32Array;
  const stored = { height: train.images.size(2), width: train.images.size(3) };
  const usual = stored.height === stored.width && (channels === 1 || channels === 3) && !(real && !whitened);
  const made: Decoding | undefined =
    decoding ??
    (usual ? { size: stored.height, channels, fit: "crop", maxMegapixels: defaultMaxMegapixels } : undefined);
  return {
    models: Object.keys(models),
    predictor,
    classes,
    input: { channels, height, width },
    ...(made ? { decoding: made } : { stored }),
    ...(evaluation ? { evaluation } : {}),
    normalize,
    ...(train.pixels instanceof Float32Array && !whitened ? { unit: 1 } : {}),
    ...(constant ? { scale: [...scaling.scale], offset: [...scaling.offset] } : {}),
  };
}

export function hasInferenceRecord(run: string): boolean {
  return existsSync(join(run, fileName));
}

/** Written once, when a run starts. */
export function writeInferenceRecord(run: string, record: InferenceRecord): void {
  writeWhole(join(run, fileName), `${JSON.stringify(record, null, 2)}\n`);
}

/** Throws UsageError where the run has none or its images are no pictures, DataError where it cannot be read. */
export function readInferenceRecord(run: string): InferenceRecord & { readonly decoding: Decoding } {
  const content = readAnyRecord(run);
  const { decoding, input, normalize, scale, unit } = content;
  if (!decoding || unit === 1) throw new UsageError(`${run}: the run was trained on ${noPictures(input, unit === 1)}`);
  if (normalize !== "image" && !scale) {
    throw new UsageError(
      `${run}: the run whitens its images (${normalize}), and run folders do not hold the whitening matrix. Train with --normalize channel or image`,
    );
  }
  return { ...content, decoding };
}

/** Why a network takes no picture files, after "trained on". */
export function noPictures({ channels, height, width }: InferenceRecord["input"], real: boolean): string {
  return `${channels}x${height}x${width} images${real ? " of real numbers" : ""}; picture files cannot be made into such`;
}

/** As `readInferenceRecord`, of runs on any images and with any normalization. */
export function readAnyRecord(run: string): InferenceRecord {
  const path = join(run, fileName);
  if (!existsSync(path)) {
    throw new UsageError(`${run}: holds no ${fileName}: the run was started by an older version. Train again`);
  }
  let content: InferenceRecord;
  try {
    content = JSON.parse(readFileSync(path, "utf8")) as InferenceRecord;
  } catch (error) {
    throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
  }
  const { classes, input, normalize, models } = content ?? {};
  if (!Array.isArray(classes) || !Array.isArray(models) || !input || typeof normalize !== "string") {
    throw new DataError(`${path}: expected classes, models, input and normalize`);
  }
  return content;
}

/** New images, scaled as the training images were. */
export function normalizeNew({ scale, offset }: InferenceRecord, images: ImageSet): NormalizedSet {
  if (!scale || !offset) return { images, scaling: imageScaling(images) };
  return {
    images,
    scaling: { per: "channel", scale: Float32Array.from(scale), offset: Float32Array.from(offset) },
  };
}
