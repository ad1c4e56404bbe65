/** Classes of picture files by a trained run. Needs the run folder alone, not the data it was trained on. */

import { DataError } from "../errors.js";
import type { Decoding, ImageSet } from "../images/image-set.js";
import { ofImages, openRunModel, type PictureModel, type PredictorOptions } from "./picture-model.js";
import { chunks, type Picture, type ReadBatch, readBatch } from "./read-pictures.js";

export type { Picture } from "./read-pictures.js";

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

export type { PredictorOptions } from "./picture-model.js";

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
  const source = await openRunModel(run, options);
  const { record, role } = source;
  const { classes } = record;
  const predictor: Predictor = {
    classes,
    role,
    decoding: record.decoding,
    probabilities: (images) => probabilitiesOf(source, images),
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
        if (reading) yield* judge(source, await reading);
        reading = next;
      }
      if (reading) yield* judge(source, await reading);
    },
  };
  return predictor;
}

function judge(source: PictureModel, { names, errors, images }: ReadBatch): Prediction[] {
  const { classes } = source.record;
  const rows = images.count === 0 ? new Float32Array(0) : probabilitiesOf(source, images);
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
function probabilitiesOf(source: PictureModel, images: ImageSet): Float32Array {
  return ofImages(source, images, (x) => source.model.forward(x, "eval").softmax(1));
}
