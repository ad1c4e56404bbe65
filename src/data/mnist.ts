/** MNIST, or any data set in its four idx files (ten classes, one channel), gzip or unpacked. */
import { join } from "node:path";
import { DataError } from "../errors.js";
import { parseIdx } from "../files/idx.js";
import { namesIn } from "../files/names.js";
import { isFolder } from "../images/image-files.js";
import { firstImages, type ImageSet } from "../images/image-set.js";
import { integer } from "../options.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { from, type OfficialData } from "./download/official-files.js";
import { findFile, findFolder, readDataFile } from "./download/official-folder.js";
import { emnistDivision, upright } from "./emnist.js";

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
    train: integer(undefined, { min: 1, doc: "use only the first so many training images (default: all)" }),
  },
  async load({ dir, options }): Promise<DataSet> {
    const folder = findFolder(
      dir,
      official,
      [...spellings("train-images-idx3-ubyte"), ...emnistNames(dir)],
      [
        "MNIST/raw", // torchvision's
        "raw",
      ],
    );
    const emnist = emnistDivision(filesIn(folder), folder);
    const { classes, first, prefix } = emnist ?? { classes: digits, first: 0, prefix: "" };
    const read = async (part: "train" | "t10k" | "test") => {
      const set = await readPair(folder, `${prefix}${part}`, first, classes.length);
      return emnist ? upright(set) : set;
    };
    return {
      name: "mnist",
      classes,
      train: firstImages(await read("train"), options.train),
      test: await read(emnist ? "test" : "t10k"),
      flip: false,
      translate: 2,
      normalize: "channel",
      ...(emnist ? { remarks: [`these are EMNIST's files (${prefix}...), with ${classes.length} classes`] } : {}),
    };
  },
});

const digits = [..."0123456789"];

/** The official name ends in `-idx3-ubyte.gz`; some unpackers write `.idx3-ubyte`, or a folder of that name. */
function spellings(name: string): string[] {
  return [`${name}.gz`, name, name.replace("-idx", ".idx")];
}

function filesIn(folder: string): string[] {
  return isFolder(folder) ? namesIn(folder) : [];
}

/** The names of EMNIST's training images that lie in `--data` or where they are looked for. */
function emnistNames(dir: string | undefined): string[] {
  const folders = dir === undefined ? [] : [dir, join(dir, official.folder), join(dir, "raw"), join(dir, "MNIST/raw")];
  return folders.flatMap(filesIn).filter((name) => /^emnist-[a-z]+-train-images/.test(name));
}

/** Labels from `first` on. */
async function readPair(folder: string, part: string, first: number, numClasses: number): Promise<ImageSet> {
  const read = async (name: string, axes: number) => {
    const file = spellings(name).flatMap((own) => findFile(folder, own) ?? [])[0] ?? join(folder, `${name}.gz`);
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
  const last = first + numClasses - 1;
  const wrong = labels.data.findIndex((label) => label < first || label > last);
  if (wrong >= 0) {
    throw new DataError(
      `mnist: ${labels.file}: label ${labels.data[wrong]} at position ${wrong}, expected ${first}..${last}`,
    );
  }
  const own = Int32Array.from(labels.data, (label) => label - first);
  return { pixels: images.data, count, channels: 1, height, width, labels: own };
}
