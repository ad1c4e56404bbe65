/** CIFAR-10, the official binary version. */
import { join } from "node:path";
import type { ImageSet } from "../images/image-set.js";
import { parseCifarRecords } from "./cifar-records.js";
import { type DataSet, defineDataSet } from "./dataset.js";
import { findFolder, readDataFile } from "./download/official-folder.js";

const fileBytes = 10_000 * 3073;
const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

export const cifar10 = defineDataSet({
  name: "cifar10",
  summary: "50,000 + 10,000 color photos, 32x32, 10 classes",
  source: "https://www.cs.toronto.edu/~kriz/cifar.html (binary version)",
  needsDir: true,
  options: {},
  async load({ dir }): Promise<DataSet> {
    const folder = findFolder(dir, "cifar10", "cifar-10-batches-bin", ["data_batch_1.bin", "test_batch.bin"]);
    const read = async (names: readonly string[]): Promise<ImageSet> => {
      const files: { content: Buffer; file: string }[] = [];
      for (const name of names) {
        const file = join(folder, name);
        files.push({ file, content: await readDataFile(file, "cifar10", fileBytes) });
      }
      return parseCifarRecords(files, { labelBytes: 1, labelByte: 0, numClasses: 10 });
    };
    const train = await read([1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`));
    return {
      name: "cifar10",
      classes,
      train,
      test: await read(["test_batch.bin"]),
      flip: true,
      translate: 2,
      normalize: "channel",
      // As the published label lists call the images: position in batches 1 to 5 end to end, and the class.
      nameOf: (index) => `${index}_${classes[train.labels[index]!]}.png`,
    };
  },
});
