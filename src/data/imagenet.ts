/** `imagenet`: DIR/train/<synset> and DIR/val (methods.md 4.1); val is the test set, as in all papers. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../errors.js";
import { isFolder, listFolders } from "../images/image-files.js";
import { defineDataSet } from "./dataset.js";
import { loadFolder } from "./folder/load.js";
import { folderOptions } from "./folder/options.js";

const { keepLabels, memoryMB } = folderOptions;
const options = {
  size: { ...folderOptions.size, default: 256 },
  check: { ...folderOptions.check, default: "header" },
  maxDamaged: { ...folderOptions.maxDamaged, default: 0.01 },
  maxMegapixels: { ...folderOptions.maxMegapixels, default: 200 },
  keepLabels,
  memoryMB,
} as const;

export const imagenet = defineDataSet({
  name: "imagenet",
  summary: "ImageNet-2012, or any tree like it: DIR/train/<synset>/*.JPEG and DIR/val (the test set)",
  source: "https://image-net.org",
  needsDir: true,
  takesFolders: true,
  options,
  async load({ options, ...context }) {
    const dir = context.dir!;
    checkTree(dir);
    return loadFolder(
      {
        ...context,
        options: {
          ...options,
          fit: "crop",
          channels: "color",
          testShare: 0.2,
          testSeed: 0,
          testLabels: "",
          overlap: "error",
        },
      },
      {
        name: "imagenet",
        published: true,
        layout: { tests: ["val"], testLabels: labelsOfVal(dir) },
        traits: { normalize: "imagenet", weak: "imagenet-mt" },
      },
    );
  },
});

const labelFiles = ["val.txt", "val_labels.txt", "val.csv"];

function labelsOfVal(dir: string): string | undefined {
  return labelFiles.map((name) => join(dir, name)).find((path) => existsSync(path));
}

/** Throws DataError where the folders are not as they should be. */
function checkTree(dir: string): void {
  for (const name of ["train", "val"]) {
    if (!isFolder(join(dir, name))) {
      throw new DataError(
        `imagenet: there is no folder ${join(dir, name)}. Expected DIR/train/<synset>/*.JPEG and DIR/val/<synset>/*.JPEG; check --data`,
      );
    }
  }
  if (listFolders(join(dir, "val")).length === 0 && labelsOfVal(dir) === undefined) {
    throw new DataError(
      `imagenet: ${join(dir, "val")} holds no class folders, and there is no ${join(dir, "val.txt")} with lines "name synset" (or "name number", the synset's place in alphabetical order from 0). The numbers of ILSVRC2012_validation_ground_truth.txt are in another order`,
    );
  }
}
