/** The pictures of a folder with the labels that are known, by class folders or a labels file. Nothing is opened. */
import { join } from "node:path";
import { pictureFinder } from "../data/folder/finder.js";
import { type Part, scanFolder } from "../data/folder/layout.js";
import { DataError } from "../errors.js";
import { shownName } from "../files/names.js";
import { listImages, listPictureFolders } from "../images/image-files.js";
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
  /** The classes are those of class folders. */
  readonly byFolders: boolean;
}

export interface FolderOptions {
  readonly labelsFile?: string | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  /** With a labels file: training pictures in class folders that it does not name have no label, as in training. Default: their folder's. */
  readonly onlyNamed?: boolean;
}

/** Throws DataError where the folder is none to train on, or a row of the labels file names no picture or no class. */
export function folderPictures(
  dir: string,
  { labelsFile, unlabeledDir, onlyNamed = false }: FolderOptions = {},
): FolderPictures {
  if (labelsFile === undefined && listPictureFolders(dir).length === 0) {
    const { files } = listImages(dir);
    const plain = files.map((name) => ({
      name: shownName(name),
      path: join(dir, name),
      part: "unlabeled" as const,
      label: -1,
    }));
    return { files: plain, classes: [], byFolders: false };
  }
  const { kind, files, classes, roots, table } = scanFolder(dir, { labelsFile, unlabeledDir });
  const [find, classOf] = [pictureFinder(files, roots), classReader(classes)];
  const named = new Map<number, number>();
  for (const { line, name, label } of table?.rows ?? []) {
    const at = find(name);
    if (at === undefined) throw new DataError(`${labelsFile}:${line}: there is no picture "${name}" in ${dir}`);
    named.set(at, classOf(label, `${labelsFile}:${line}`));
  }
  const ofFolder = ({ part, label }: (typeof files)[number]) => (table && onlyNamed && part !== "test" ? -1 : label);
  return {
    files: files.map((file, at) => ({ ...file, label: named.get(at) ?? ofFolder(file) })),
    classes,
    byFolders: kind === "classes",
  };
}
