/** CIFAR-10, the official binary version, or the Python one. */
import { join } from "node:path";
import { firstImages, type ImageSet } from "../images/image-set.js";
import { integer } from "../options.js";
import { parseCifarBatches } from "./cifar-batches.js";
import { parseCifarRecords } from "./cifar-records.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { file, from, type OfficialData } from "./download/official-files.js";
import { findFile, findFolder, readDataFile } from "./download/official-folder.js";

const fileBytes = 10_000 * 3073;
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const toronto = "https://www.cs.toronto.edu/~kriz";
/** From the authors' page. */
const official: OfficialData = {
  name: "cifar10",
  folder: "cifar-10-batches-bin",
  labels: 4000,
  downloads: [
    {
      ...from(toronto, "cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"),
      members: [
        file("data_batch_1.bin", 30_730_000, "5dd7e06a14cb22eb9f671a540d1b7c25"),
        file("data_batch_2.bin", 30_730_000, "5ea93a67294ea407fff1d09f752e9692"),
        file("data_batch_3.bin", 30_730_000, "942cd6a4bcdd0dd3c604fbe906cb4421"),
        file("data_batch_4.bin", 30_730_000, "ae636b3ba5c66a11e91e8cb52e771fcb"),
        file("data_batch_5.bin", 30_730_000, "53f37980c15c3d472c316c40844f3f0d"),
        file("test_batch.bin", 30_730_000, "803d5f7f4d78ea53de84dbe85f74fb6d"),
      ],
    },
  ],
};

export const cifar10 = defineDataSet({
  name: "cifar10",
  summary: "50,000 + 10,000 color photos, 32x32, 10 classes",
  source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary or Python version)",
  needsDir: true,
  official,
  options: {
    train: integer(undefined, { min: 1, doc: "use only the first so many training images (default: all)" }),
  },
  async load({ dir, options }): Promise<DataSet> {
    const markers = ["data_batch_1.bin", "test_batch.bin", "data_batch_1", "test_batch"];
    const folder = findFolder(dir, official, markers, ["cifar-10-batches-py"]);
    // The Python version has the same images in the same order.
    const python =
      ["data_batch_1", "test_batch"].some((name) => findFile(folder, name)) && !findFile(folder, "data_batch_1.bin");
    const read = async (names: readonly string[]): Promise<ImageSet> => {
      const files: { content: Buffer; file: string }[] = [];
      for (const name of names) {
        const file = join(folder, python ? name : `${name}.bin`);
        files.push({ file, content: await readDataFile(file, official, python ? undefined : fileBytes) });
      }
      if (python) return parseCifarBatches(files, { labels: "labels", numClasses: 10 });
      return parseCifarRecords(files, { labelBytes: 1, labelByte: 0, numClasses: 10 });
    };
    const train = firstImages(await read([1, 2, 3, 4, 5].map((n) => `data_batch_${n}`)), options.train);
    return {
      name: "cifar10",
      classes,
      train,
      test: await read(["test_batch"]),
      flip: true,
      translate: 2,
      normalize: "channel",
      // As the published label lists call the images: position in batches 1 to 5 end to end, and the class.
      nameOf: (index) => `${index}_${classes[train.labels[index]!]}.png`,
    };
  },
});
