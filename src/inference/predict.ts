/** Classes of picture files by a trained run. Needs the run folder alone, not the data it was trained on. */

import { plainImages, storeImages } from "../batches/store.js";
import { catalog as builtIn, type Catalog } from "../config/catalog.js";
import { withModules } from "../config/plugin.js";
import { checkNetwork } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import { DataError, findByName, UsageError, unknownName } from "../errors.js";
import { atOnce, decodeImage, readImage } from "../images/decode.js";
import type { Decoding, ImageSet } from "../images/image-set.js";
import { createModel, type Model } from "../nn/index.js";
import { Rng } from "../rng.js";
import { RunFolder } from "../run/index.js";
import { restoreModel } from "../session/checkpoint.js";
import { resolveDevice, resolvePrecision } from "../session/device.js";
import { type InferenceRecord, normalizeNew, readInferenceRecord } from "../session/inference-record.js";
import { noGrad, type Precision, scope, setThreads } from "../torch/index.js";

/** A picture: the path of a file, or what is in it. */
export type Picture = string | Uint8Array;

/** What a model makes of one picture. */
export interface Judgement {
  /** The path; of bytes `#3`, their place among what was given, from 0. */
  readonly file: string;
  /** Name of the most probable class. */
  readonly class: string;
  readonly probability: number;
  /** By class, in the order of `Predictor.classes`; their sum is 1. */
  readonly probabilities: Float32Array;
}

/** The same, or why the picture could not be read. */
export type Prediction = Judgement | { readonly file: string; readonly error: string };

export interface PredictorOptions {
  /** Which model: "student", "teacher". Default: the one whose error is the method's result. */
  readonly role?: string | undefined;
  /** Default: the run's. */
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** What the names in the run's configuration mean; default what comes with the package, and its recorded files. */
  readonly catalog?: Catalog;
}

export interface Predictor {
  readonly classes: readonly string[];
  readonly role: string;
  /** How pictures become what the model takes. */
  readonly decoding: Decoding;
  /** `[N, K]`: probabilities of images in memory, decoded so; all of them in one pass. */
  probabilities(images: ImageSet): Float32Array;
  /**
   * Predicts pictures (paths or the bytes of files), in order, `batch` (default 500) at a time; while a batch is judged the next one
   * is being read. `pictures` may be endless: no more than two batches are in memory.
   */
  predict(pictures: Iterable<Picture> | AsyncIterable<Picture>, batch?: number): AsyncGenerator<Prediction>;
  /** One picture. Throws DataError where it cannot be read. */
  classify(picture: Picture): Promise<Judgement>;
}

/** Loads the latest checkpoint of a run. Throws UsageError where there is none or its images are no pictures. */
export async function openPredictor(run: string, options: PredictorOptions = {}): Promise<Predictor> {
  const { role, device, threads, catalog = builtIn } = options;
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
  const known = await withModules(catalog, config.modules);
  const { item: definition } = findByName(known.models, "model", config.model, run);
  const network = definition.create({ ...input, numClasses: classes.length }, config.modelOptions);
  if (definition.module) checkNetwork(network, definition.module);
  const model = createModel(network, { rng: Rng.fromSeed(0), precision, device: place });
  restoreModel(checkpoint, chosen, model);
  const predictor: Predictor = {
    classes,
    role: chosen,
    decoding: record.decoding,
    probabilities: (images) => probabilitiesOf(model, images, record, place),
    async classify(picture) {
      for await (const prediction of predictor.predict([picture])) {
        if (!("error" in prediction)) return prediction;
        throw new DataError(`${prediction.file}: ${prediction.error}`);
      }
      throw new DataError("there is no picture to classify");
    },
    async *predict(pictures, batch = 500) {
      let reading: ReturnType<typeof readBatch> | undefined;
      let first = 0;
      for await (const chunk of chunks(pictures, batch)) {
        const next = readBatch(chunk, first, record.decoding);
        first += chunk.length;
        next.catch(() => {}); // whoever awaits it gets the error
        if (reading) yield* judge(model, await reading, record, place);
        reading = next;
      }
      if (reading) yield* judge(model, await reading, record, place);
    },
  };
  return predictor;
}

interface ReadBatch {
  readonly names: readonly string[];
  /** By name: why it could not be read. */
  readonly errors: ReadonlyMap<number, string>;
  /** The others, in order. */
  readonly images: ImageSet;
}

/** `first`: how many came before. */
async function readBatch(pictures: readonly Picture[], first: number, decoding: Decoding): Promise<ReadBatch> {
  const { channels, size } = decoding;
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

async function* chunks(pictures: Iterable<Picture> | AsyncIterable<Picture>, size: number): AsyncGenerator<Picture[]> {
  let chunk: Picture[] = [];
  for await (const picture of pictures) {
    chunk.push(picture);
    if (chunk.length < size) continue;
    yield chunk;
    chunk = [];
  }
  if (chunk.length > 0) yield chunk;
}
