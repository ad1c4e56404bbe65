/** Judges pictures that come from anywhere, several at a time in one pass through the network. */
import { decodeImage } from "../images/decode.js";
import type { Decoding, ImageSet } from "../images/image-set.js";
import { semaphore } from "./semaphore.js";

/** A network that takes pictures. */
export interface Judge {
  readonly classes: readonly string[];
  readonly decoding: Decoding;
  /** `[N, K]`, all in one pass. */
  probabilities(images: ImageSet): Float32Array;
}

export type Answer =
  | { readonly class: string; readonly probability: number; readonly probabilities: Readonly<Record<string, number>> }
  | { readonly error: string };

interface Waiting {
  readonly pixels: Uint8Array;
  resolve(probabilities: Float32Array): void;
  reject(error: unknown): void;
}

export interface Classifier {
  /** Never rejects for what the bytes hold. */
  classify(bytes: Uint8Array): Promise<Answer>;
  /** Pictures judged, and passes that took. */
  readonly pictures: number;
  readonly passes: number;
}

/** Pictures that wait while a pass runs go together into the next one, `largest` at the most. */
export function batchedClassifier({ classes, decoding, probabilities }: Judge, largest = 32): Classifier {
  const waiting: Waiting[] = [];
  // Node's thread pool decodes a few of them at a time, also while a pass runs: as many as one pass takes are ready behind it.
  const slots = semaphore(largest);
  let [scheduled, pictures, passes] = [false, 0, 0];

  const pass = () => {
    scheduled = false;
    const batch = waiting.splice(0, largest);
    if (batch.length === 0) return;
    const { channels, size } = decoding;
    const pixels = new Uint8Array(batch.length * channels * size * size);
    batch.forEach((item, i) => {
      pixels.set(item.pixels, i * channels * size * size);
    });
    const labels = new Int32Array(batch.length).fill(-1);
    try {
      const all = probabilities({ pixels, count: batch.length, channels, height: size, width: size, labels });
      passes++;
      pictures += batch.length;
      batch.forEach((item, i) => {
        item.resolve(all.slice(i * classes.length, (i + 1) * classes.length));
      });
    } catch (error) {
      for (const item of batch) item.reject(error);
    }
    schedule();
  };
  // Behind whatever has arrived meanwhile: those pictures join.
  const schedule = () => {
    if (scheduled || waiting.length === 0) return;
    scheduled = true;
    setImmediate(pass);
  };
  return {
    async classify(bytes) {
      const image = await slots(() => decodeImage(bytes, decoding));
      if ("reason" in image) return { error: image.reason };
      const own = await new Promise<Float32Array>((resolve, reject) => {
        waiting.push({ pixels: image.pixels, resolve, reject });
        schedule();
      });
      const best = own.reduce((top, p, k) => (p > own[top]! ? k : top), 0);
      const short = (p: number) => Number(p.toPrecision(7));
      return {
        class: classes[best]!,
        probability: short(own[best]!),
        probabilities: Object.fromEntries(classes.map((name, k) => [name, short(own[k]!)])),
      };
    },
    get pictures() {
      return pictures;
    },
    get passes() {
      return passes;
    },
  };
}
