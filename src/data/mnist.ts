/** MNIST, or any data set in its four idx files (ten classes, one channel), gzip or unpacked. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../errors.js";
import { parseIdx } from "../files/idx.js";
import type { ImageSet } from "../images/image-set.js";
import { integer } from "../options.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { from, type OfficialData } from "./download/official-files.js";
import { findFolder, readDataFile } from "./download/official-folder.js";

const mirror = "https://ossci-datasets.s3.amazonaws.com/mnist";
/** The checksums that torchvision pins, from the mirror it names first (the authors' own page no longer answers). */
const official: OfficialData = {
  name: "mnist",
  folder: "mnist",
  labels: 100,
  downloads: [
    from(mirror, "train-images-idx3-ubyte.gz", 9_912_422, "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
    from(mirror, "train-labels-idx1-ubyte.gz", 28_881, "d53e105ee54ea40749a09fcbcd1e9432"),
    from(mirror, "t10k-images-idx3-ubyte.gz", 1_648_877, "9fb629c4189551a2d022fa330f9573f3"),
    from(mirror, "t10k-labels-idx1-ubyte.gz", 4_542, "ec29112dd5afa0611ce80d1b7f02629c"),
  ],
};

export const mnist = defineDataSet({
  name: "mnist",
  summary: "60,000 + 10,000 grey pictures of digits, 28x28, 10 classes",
  source: "Y. LeCun, C. Cortes, C. Burges; idx files, gzip or not",
  needsDir: true,
  official,
  options: {
    train: integer(60_000, { min: 1, max: 60_000, doc: "use only the first so many training images" }),
  },
  async load({ dir, options }): Promise<DataSet> {
    const first = "train-images-idx3-ubyte";
    const folder = findFolder(dir, official, [`${first}.gz`, first, first.replace("-idx", ".idx")]);
    return {
      name: "mnist",
      classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
      train: firstImages(await readPair(folder, "train"), options.train),
      test: await readPair(folder, "t10k"),
      flip: false,
      translate: 2,
      normalize: "channel",
    };
  },
});

function firstImages(set: ImageSet, wanted: number): ImageSet {
  const count = Math.min(wanted, set.count);
  const pixels = set.pixels.subarray(0, count * set.channels * set.height * set.width);
  return { ...set, count, pixels, labels: set.labels.subarray(0, count) };
}

async function readPair(folder: string, part: "train" | "t10k"): Promise<ImageSet> {
  const read = async (name: string, axes: number) => {
    const file = findFile(folder, name);
    return { file, ...parseIdx(await readDataFile(file, official), axes, file) };
  };
  const images = await read(`${part}-images-idx3-ubyte`, 3);
  const labels = await read(`${part}-labels-idx1-ubyte`, 1);
  const [count, height, width] = images.shape as [number, number, number];
  if (count !== labels.data.length || count === 0 || height * width === 0) {
    throw new DataError(
      `mnist: ${images.file} holds ${count} images of ${height}x${width}, but ${labels.file} ${labels.data.length} labels. The files do not belong together`,
    );
  }
  const wrong = labels.data.findIndex((label) => label > 9);
  if (wrong >= 0) {
    throw new DataError(`mnist: ${labels.file}: label ${labels.data[wrong]} at position ${wrong}, expected 0..9`);
  }
  return { pixels: images.data, count, channels: 1, height, width, labels: Int32Array.from(labels.data) };
}

/** The official name ends in `-idx3-ubyte.gz`; some unpackers write `.idx3-ubyte`. */
function findFile(folder: string, name: string): string {
  const candidates = [`${name}.gz`, name, name.replace("-idx", ".idx")].map((spelling) => join(folder, spelling));
  return candidates.find((path) => existsSync(path)) ?? candidates[0]!;
}
