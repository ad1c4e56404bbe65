/** The test images of a run as they are decoded, before any normalization: what exported files are compared on. */
import { fingerprint } from "../data/fingerprint.js";
import { FewlabelsError } from "../errors.js";
import { readImages } from "../images/decode.js";
import type { ImageSet } from "../images/image-set.js";
import { loadSplit } from "../session/data.js";
import { dataSetOf, type Source } from "./source.js";

/** Images with a known class, decoded piece by piece. */
export interface TestSet {
  readonly count: number;
  /** `count` of them (default all), evenly over the set, at most `rows` at a time; undecodable files are left out. */
  batches(rows: number, count?: number): AsyncGenerator<ImageSet>;
}

/** The test set of a run, or why there is none to be had. */
export async function openTestSet({ config, catalog, run }: Source): Promise<TestSet | string> {
  try {
    const { data } = await loadSplit(config, dataSetOf(config, catalog, run));
    if ((data.fingerprint ?? fingerprint(data)) !== config.dataFingerprint) {
      return "the data set is no longer that of the run";
    }
    const rows = Array.from(data.test.labels.keys()).filter((i) => data.test.labels[i]! >= 0);
    return rows.length === 0 ? "the test set has no labels" : testSet(data.test, rows);
  } catch (error) {
    if (error instanceof FewlabelsError) return error.message;
    throw error;
  }
}

function testSet(set: ImageSet, rows: readonly number[]): TestSet {
  return {
    count: rows.length,
    async *batches(size, count = rows.length) {
      const wanted = Math.min(count, rows.length);
      const chosen = Array.from({ length: wanted }, (_, i) => rows[Math.floor((i * rows.length) / wanted)]!);
      for (let at = 0; at < wanted; at += size) {
        const part = chosen.slice(at, at + size);
        yield set.files ? await fromFiles(set, part) : fromMemory(set, part);
      }
    },
  };
}

function fromMemory(set: ImageSet, rows: readonly number[]): ImageSet {
  const { pixels, channels, height, width, labels } = set;
  const size = channels * height * width;
  const own = pixels instanceof Uint8Array ? new Uint8Array(rows.length * size) : new Float32Array(rows.length * size);
  rows.forEach((row, i) => {
    own.set(pixels.subarray(row * size, (row + 1) * size), i * size);
  });
  const ownLabels = Int32Array.from(rows, (row) => labels[row]!);
  return { pixels: own, count: rows.length, channels, height, width, labels: ownLabels };
}

async function fromFiles(set: ImageSet, rows: readonly number[]): Promise<ImageSet> {
  const { channels, height, width, labels, files } = set;
  const found: [Uint8Array, number][] = [];
  const places = rows.map((row) => files!.paths[row]!);
  const decoded = new Map<number, Uint8Array>();
  await readImages(places, files!.decoding, (image, i) => {
    if ("pixels" in image) decoded.set(i, image.pixels);
  });
  rows.forEach((row, i) => {
    const pixels = decoded.get(i);
    if (pixels) found.push([pixels, labels[row]!]);
  });
  const size = channels * height * width;
  const pixels = new Uint8Array(found.length * size);
  found.forEach(([own], i) => {
    pixels.set(own, i * size);
  });
  return { pixels, count: found.length, channels, height, width, labels: Int32Array.from(found, ([, label]) => label) };
}
