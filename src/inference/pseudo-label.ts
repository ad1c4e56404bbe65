/** Labels for unlabeled pictures from a trained run, written as a labels file. */

import { dirname, join, relative } from "node:path";
import { slashed } from "../data/folder/finder.js";
import { unlabeledFolders } from "../data/folder/splits.js";
import { DataError } from "../errors.js";
import { shownName } from "../files/names.js";
import { makeFolder } from "../files/write-whole.js";
import { isFolder, listImages } from "../images/image-files.js";
import { LabelWriter } from "../labels/write-labels.js";
import { openPredictor, type PredictorOptions } from "./predict.js";

const who = "pseudo-label";

export interface PseudoLabelOptions extends PredictorOptions {
  /** Folder with the pictures; where it has a folder `unlabeled` (or `train/unlabeled`, whatever the case), only those in that. */
  readonly data: string;
  /** CSV file to write: file, label, confidence. */
  readonly out: string;
  /** Pictures whose most probable class is less probable are left out. Default 0. */
  readonly minConfidence?: number;
  /** Pictures a pass. Default 500. */
  readonly batch?: number;
  /** Told of each picture that cannot be read. */
  readonly onDamaged?: (file: string, reason: string) => void;
}

export interface PseudoLabelResult {
  readonly out: string;
  readonly minConfidence: number;
  /** Pictures found; each is labeled, abstained from or damaged. */
  readonly files: number;
  readonly labeled: number;
  readonly abstained: number;
  readonly damaged: number;
  /** Labels given, by class. */
  readonly byClass: Readonly<Record<string, number>>;
}

/**
 * Names in the file are relative to `data`, as a labels file for it needs them. Written beside and renamed. Throws DataError
 * where there is no picture or none can be read, DiskError where nothing can be written.
 */
export async function pseudoLabel(
  run: string,
  { data, out, minConfidence = 0, batch = 500, onDamaged = () => {}, ...options }: PseudoLabelOptions,
): Promise<PseudoLabelResult> {
  const predictor = await openPredictor(run, options);
  const names = picturesOf(data);
  const byClass: Record<string, number> = Object.fromEntries(predictor.classes.map((name) => [name, 0]));
  let [labeled, abstained, damaged, at] = [0, 0, 0, 0];
  makeFolder(dirname(out));
  const file = new LabelWriter(out);
  try {
    const paths = names.map((name) => join(data, name));
    for await (const prediction of predictor.predict(paths, batch)) {
      const name = shownName(names[at++]!);
      if ("error" in prediction) {
        damaged++;
        onDamaged(name, prediction.error);
      } else if (prediction.probability < minConfidence) abstained++;
      else {
        labeled++;
        byClass[prediction.class]! += 1;
        file.add(name, prediction.class, prediction.probability);
      }
    }
    if (damaged === names.length) throw new DataError(`${who}: not one picture could be read`);
    file.finish();
  } finally {
    file.abandon();
  }
  return { out, minConfidence, files: names.length, labeled, abstained, damaged, byClass };
}

function picturesOf(dir: string): readonly string[] {
  if (!isFolder(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data`);
  const inner = unlabeledFolders(dir);
  const folders = inner.length === 0 ? [dir] : inner;
  const files = folders.flatMap((folder) =>
    listImages(folder).files.map((file) => slashed(relative(dir, join(folder, file)))),
  );
  if (files.length === 0) throw new DataError(`${who}: found no pictures in ${folders.join(" and ")}. Check --data`);
  return files;
}
