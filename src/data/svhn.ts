/** SVHN, cropped digits: `train_32x32.mat`, `test_32x32.mat` and, if asked for, `extra_32x32.mat`. */
import { join } from "node:path";
import { DataError, UsageError } from "../errors.js";
import { parseMat5 } from "../files/mat5.js";
import type { ImageSet } from "../images/image-set.js";
import { boolean, needThat, text } from "../options.js";
import type { Rng } from "../rng.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { from, type OfficialData } from "./download/official-files.js";
import { findFolder, readDataFile } from "./download/official-folder.js";

const stanford = "http://ufldl.stanford.edu/housenumbers";
/** The checksums that torchvision pins. */
const official: OfficialData = {
  name: "svhn",
  folder: "svhn",
  labels: 1000,
  downloads: [
    from(stanford, "train_32x32.mat", 182_040_794, "e26dedcc434d2e4c54c9b2d4a06d8373"),
    from(stanford, "test_32x32.mat", 64_275_384, "eb5a983be6a315427106f1b164d9cef3"),
    { ...from(stanford, "extra_32x32.mat", 1_329_278_602, "a93ce644f1a588dc4d68dda5feec44a7"), extra: true },
  ],
};

export const svhn = defineDataSet({
  name: "svhn",
  summary: "73,257 + 26,032 color photos of house numbers, 32x32, 10 classes; 531,131 extra ones",
  source: "http://ufldl.stanford.edu/housenumbers/ (format 2, cropped digits)",
  needsDir: true,
  official,
  options: {
    extra: text("none", {
      doc: "extra images that join the training set, at its end: none, all, or how many (a seeded draw; the paper's are 100000 and 500000)",
    }),
    extraLabels: boolean(false, {
      needs: [needThat("dataset.extra", "other than none", (extra) => extra !== "none", { "dataset.extra": "all" })],
      doc: "keep the labels of the extra images; otherwise they are only unlabeled",
    }),
  },
  async load({ dir, options, rng }): Promise<DataSet> {
    const wanted = parseExtra(options.extra);
    const folder = findFolder(dir, official, ["train_32x32.mat", "test_32x32.mat"]);
    const read = async (name: string) => {
      const file = join(folder, name);
      return parseSvhn(await readDataFile(file, official), file);
    };
    let train = await read("train_32x32.mat");
    const test = await read("test_32x32.mat");
    if (wanted !== 0) {
      const extra = await read("extra_32x32.mat");
      train = joinExtra(train, extra, wanted, options.extraLabels, rng.split("extra"));
    }
    return {
      name: "svhn",
      classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
      train,
      test,
      flip: false,
      translate: 2,
      normalize: "image",
    };
  },
});

function parseExtra(word: string): number {
  if (word === "none") return 0;
  if (word === "all") return Number.POSITIVE_INFINITY;
  const count = /^\d+$/.test(word) ? Number(word) : Number.NaN;
  if (Number.isSafeInteger(count)) return count;
  throw new UsageError(`svhn: expected none, all or a whole number for extra, got "${word}"`);
}

/**
 * Reads one SVHN file: `X` uint8 [32, 32, 3, N] (row, column, channel, image), `y` [N, 1] with 10 for the digit 0. Pure;
 * throws DataError. The result is `[N, 3, 32, 32]`.
 */
export function parseSvhn(content: Uint8Array, file: string): ImageSet {
  const arrays = parseMat5(content, file);
  const [x, y] = [arrays.get("X"), arrays.get("y")];
  const found = [...arrays].map(([name, { shape }]) => `${name} [${shape.join(", ")}]`).join(", ") || "no arrays";
  if (!x || !y) throw new DataError(`${file}: expected arrays X [32, 32, 3, N] and y [N, 1], found ${found}`);
  const [height, width, channels] = x.shape;
  const count = x.shape.length === 3 ? 1 : x.shape[3]; // MATLAB drops a last axis of length 1
  const sized = height === 32 && width === 32 && channels === 3 && x.shape.length <= 4;
  if (!sized || count === undefined || count === 0 || y.data.length !== count || !(x.data instanceof Uint8Array)) {
    throw new DataError(`${file}: expected X uint8 [32, 32, 3, N] and y [N, 1], found ${found}`);
  }
  const labels = Int32Array.from(y.data, (value, i) => {
    if (!Number.isInteger(value) || value < 0 || value > 10) {
      throw new DataError(`${file}: label ${value} at position ${i}, expected 1..10 (10 is the digit 0)`);
    }
    return value % 10;
  });
  // Column-major: in memory each image is three planes, each plane column by column. Only rows and columns swap.
  const pixels = new Uint8Array(x.data.length);
  const source = x.data;
  for (let plane = 0; plane < pixels.length; plane += 1024) {
    for (let row = 0; row < 32; row++) {
      for (let column = 0; column < 32; column++) {
        pixels[plane + row * 32 + column] = source[plane + column * 32 + row]!;
      }
    }
  }
  return { pixels, count, channels: 3, height: 32, width: 32, labels };
}

/** Appends `wanted` extra images (all, or a random draw in file order), labels hidden unless asked for. */
export function joinExtra(train: ImageSet, extra: ImageSet, wanted: number, keepLabels: boolean, rng: Rng): ImageSet {
  if (wanted !== Number.POSITIVE_INFINITY && wanted > extra.count) {
    throw new UsageError(`svhn: asked for ${wanted} extra images, but the extra file holds ${extra.count}`);
  }
  const take = Math.min(wanted, extra.count);
  const rows = rng.permutation(extra.count).subarray(0, take).sort();
  const imageBytes = 3 * 32 * 32;
  const pixels = new Uint8Array(train.pixels.length + take * imageBytes);
  const labels = new Int32Array(train.count + take).fill(-1);
  pixels.set(train.pixels);
  labels.set(train.labels);
  rows.forEach((row, i) => {
    pixels.set(extra.pixels.subarray(row * imageBytes, (row + 1) * imageBytes), (train.count + i) * imageBytes);
    if (keepLabels) labels[train.count + i] = extra.labels[row]!;
  });
  return { ...train, pixels, labels, count: train.count + take };
}
