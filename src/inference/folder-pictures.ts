/** The pictures of a folder with the labels that are known, by class folders or a labels file. Nothing is opened. */
import { join } from "node:path";
import { pictureFinder } from "../data/folder/finder.js";
import { type Part, scanFolder } from "../data/folder/layout.js";
import { DataError } from "../errors.js";
import { listFolders, listImages } from "../images/image-files.js";
import { classReader } from "../labels/class-names.js";

export interface LabeledFile {
  /** As labels files call it. */
  readonly name: string;
  readonly path: string;
  readonly part: Part;
  /** Class, or -1. */
  readonly label: number;
}

export interface FolderPictures {
  readonly files: readonly LabeledFile[];
  /** None where the folder has neither class folders nor a labels file. */
  readonly classes: readonly string[];
}

/** Throws DataError where the folder is none to train on, or a row of the labels file names no picture or no class. */
export function folderPictures(dir: string, labelsFile: string | undefined): FolderPictures {
  if (labelsFile === undefined && listFolders(dir).length === 0) {
    const { files } = listImages(dir);
    return { files: files.map((name) => ({ name, path: join(dir, name), part: "unlabeled", label: -1 })), classes: [] };
  }
  const { files, classes, roots, table } = scanFolder(dir, { labelsFile });
  const labels = new Map(files.map((file, at) => [at, file.label]));
  const [find, classOf] = [pictureFinder(files, roots), classReader(classes)];
  for (const { line, name, label } of table?.rows ?? []) {
    const at = find(name);
    if (at === undefined) throw new DataError(`${labelsFile}:${line}: there is no picture "${name}" in ${dir}`);
    labels.set(at, classOf(label, `${labelsFile}:${line}`));
  }
  return { files: files.map((file, at) => ({ ...file, label: labels.get(at)! })), classes };
}
