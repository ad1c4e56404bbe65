/** Classes of picture files by a trained run. Needs the run folder alone, not the data it was trained on. */

import { plainImages, storeImages } from "../batches/store.js";
import type { RunConfig } from "../config/resolve.js";
import { UsageError, unknownName } from "../errors.js";
import { readImages } from "../images/decode.js";
import type { Decoding, ImageSet } from "../images/image-set.js";
import { findModel } from "../models/index.js";
import { createModel, type Model } from "../nn/index.js";
import { Rng } from "../rng.js";
import { RunFolder } from "../run/index.js";
import { restoreModel } from "../session/checkpoint.js";
import { resolveDevice, resolvePrecision } from "../session/device.js";
import { type InferenceRecord, normalizeNew, readInferenceRecord } from "../session/inference-record.js";
import { noGrad, type Precision, scope, setThreads } from "../torch/index.js";

/** What a model makes of one picture, or why it could not be read. */
export type Prediction =
  | {
      readonly file: string;
      /** Name of the most probable class. */
      readonly class: string;
      readonly probability: number;
      /** By class, in the order of `Predictor.classes`; their sum is 1. */
      readonly probabilities: Float32Array;
    }
  | { readonly file: string; readonly error: string };

export interface PredictorOptions {
  /** Which model: "student", "teacher". Default: the one whose error is the method's result. */
  readonly role?: string | undefined;
  /** Default: the run's. */
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
}

export interface Predictor {
  readonly classes: readonly string[];
  readonly role: string;
  /** How pictures become what the model takes. */
  readonly decoding: Decoding;
  /** `[N, K]`: probabilities of images in memory, decoded so; all of them in one pass. */
  probabilities(images: ImageSet): Float32Array;
  /**
   * Predicts files, in order, `batch` (default 500) at a time; while a batch is judged the next one is being read. `paths` may be
   * endless: no more than two batches are in memory.
   */
  predict(paths: Iterable<string> | AsyncIterable<string>, batch?: number): AsyncGenerator<Prediction>;
}

/** Loads the latest checkpoint of a run. Throws UsageError where there is none or its images are no pictures. */
export function openPredictor(run: string, { role, device, threads }: PredictorOptions = {}): Predictor {
  const folder = RunFolder.open(run);
  const config = folder.config<RunConfig>();
  const record = readInferenceRecord(run);
  const checkpoint = folder.latestCheckpoint();
  if (!checkpoint) throw new UsageError(`${run}: there is no checkpoint to predict with yet`);
  setThreads(threads ?? config.threads);
  const place = resolveDevice(device ?? config.device);
  const precision = resolvePrecision(config.precision as Precision | undefined, place);

  const { classes, input, models } = record;
  const chosen = role ?? record.predictor;
  if (!models.includes(chosen)) throw new UsageError(unknownName(run, "model", chosen, models));
  const network = findModel(config.model).definition.create(
    { ...input, numClasses: classes.length },
    config.modelOptions,
  );
  const model = createModel(network, { rng: Rng.fromSeed(0), precision, device: place });
  restoreModel(checkpoint, chosen, model);
  return {
    classes,
    role: chosen,
    decoding: record.decoding,
    probabilities: (images) => probabilitiesOf(model, images, record, place),
    async *predict(paths, batch = 500) {
      let reading: ReturnType<typeof readBatch> | undefined;
      for await (const names of chunks(paths, batch)) {
        const next = readBatch(names, record.decoding);
        next.catch(() => {}); // whoever awaits it gets the error
        if (reading) yield* judge(model, await reading, record, place);
        reading = next;
      }
      if (reading) yield* judge(model, await reading, record, place);
    },
  };
}

interface ReadBatch {
  readonly names: readonly string[];
  /** By name: why it could not be read. */
  readonly errors: ReadonlyMap<number, string>;
  /** The others, in order. */
  readonly images: ImageSet;
}

async function readBatch(names: readonly string[], decoding: Decoding): Promise<ReadBatch> {
  const { channels, size } = decoding;
  const found = new Map<number, Uint8Array>();
  const errors = new Map<number, string>();
  await readImages(names, decoding, (image, i) => {
    if ("reason" in image) errors.set(i, image.reason);
    else found.set(i, image.pixels);
  });
  const good = names.flatMap((_, i) => (found.has(i) ? [i] : []));
  const pixels = new Uint8Array(good.length * channels * size * size);
  good.forEach((i, row) => {
    pixels.set(found.get(i)!, row * channels * size * size);
  });
  const labels = new Int32Array(good.length).fill(-1);
  const images = { pixels, count: good.length, channels, height: size, width: size, labels };
  return { names, errors, images };
}

function judge(
  model: Model,
  { names, errors, images }: ReadBatch,
  record: InferenceRecord,
  device: string,
): Prediction[] {
  const { classes } = record;
  const rows = images.count === 0 ? new Float32Array(0) : probabilitiesOf(model, images, record, device);
  let row = 0;
  return names.map((file, i) => {
    const error = errors.get(i);
    if (error !== undefined) return { file, error };
    const probabilities = rows.subarray(row * classes.length, ++row * classes.length);
    // The first of equals, as the engine's argmax.
    const best = probabilities.reduce((top, p, k) => (p > probabilities[top]! ? k : top), 0);
    return { file, class: classes[best]!, probability: probabilities[best]!, probabilities };
  });
}

/** `[N, K]`, softmax of the logits in mode `eval`. */
function probabilitiesOf(model: Model, images: ImageSet, record: InferenceRecord, device: string): Float32Array {
  const store = storeImages(normalizeNew(record, images), record);
  try {
    return noGrad(() =>
      scope(() => {
        const all = Int32Array.from({ length: images.count }, (_, i) => i);
        return model
          .forward(plainImages(store, all, device), "eval")
          .softmax(1)
          .toArray() as Float32Array;
      }),
    );
  } finally {
    store.release();
  }
}

async function* chunks(paths: Iterable<string> | AsyncIterable<string>, size: number): AsyncGenerator<string[]> {
  let chunk: string[] = [];
  for await (const path of paths) {
    chunk.push(path);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
