/** The pictures of a folder with the labels that are known, by class folders or a labels file. Nothing is opened. */
import { join } from "node:path";
import { pictureFinder } from "../data/folder/finder.js";
import { type FolderLayout, type LayoutOptions, type Part, scanFolder } from "../data/folder/layout.js";
import { shownName } from "../files/names.js";
import { listImages, listPictureFolders } from "../images/image-files.js";
import { type Found, parseLabelFile } from "../labels/label-file.js";

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
  /** What the user should know about how the labels file was read. */
  readonly remarks: readonly string[];
}

/** With fewer class folders than two: one that leaves nothing without a label is a mere folder. */
export interface FolderOptions
  extends Pick<LayoutOptions, "labelsFile" | "unlabeledDir" | "fewestFolders" | "fewestNamed"> {
  /** With a labels file: training pictures in class folders that it does not name have no label, as in training. Default: their folder's. */
  readonly onlyNamed?: boolean;
}

/**
 * Rows of a labels file count as in training: they overrule class folders, but a model's guesses no label. Throws DataError where the
 * folder is none to train on, a row names no picture or no class, or two rows contradict each other.
 */
export function folderPictures(dir: string, { onlyNamed = false, ...options }: FolderOptions = {}): FolderPictures {
  const { labelsFile } = options;
  if (labelsFile === undefined && listPictureFolders(dir).length === 0) return withoutLabels(dir);
  const layout = scanFolder(dir, options);
  const { kind, files, classes, table, mereFolders = [] } = layout;
  if (!table && classes.length === 1 && files.every(({ part }) => part === "train")) return withoutLabels(dir);
  const target = { classes, train: { count: files.length }, nameOf: (at: number) => files[at]!.name };
  // A row without a label takes none away from a class folder, unless what is not named has none.
  const rows = table && { ...table, remarks: onlyNamed || kind === "flat" ? table.remarks : [] };
  const given = rows && parseLabelFile(rows, { ...target, locate: locator(layout) }, labelsFile!);
  const named = new Map(Array.from(given?.index ?? [], (at, i) => [at, given!.y[i]!]));
  const ofFolder = ({ part, label }: (typeof files)[number]) => (table && onlyNamed && part !== "test" ? -1 : label);
  const labeled = files.map((file, at) => ({ ...file, label: named.get(at) ?? ofFolder(file) }));
  const hidden = labeled.filter(({ label }, at) => label < 0 && files[at]!.label >= 0).length;
  const guesses = table?.pseudo
    ? [`${given!.index.length} labels of ${labelsFile} are a model's guesses (it has a column "confidence")`]
    : [];
  const unnamed = `${hidden} pictures in class folders are not in ${labelsFile}, so they count as unlabeled`;
  return {
    files: labeled,
    classes,
    byFolders: kind === "classes",
    remarks: [...mereFolders, ...guesses, ...(given?.remarks ?? []), ...(hidden > 0 ? [unnamed] : [])],
  };
}

function withoutLabels(dir: string): FolderPictures {
  const files = listImages(dir).files.map((name) => ({
    name: shownName(name),
    path: join(dir, name),
    part: "unlabeled" as const,
    label: -1,
  }));
  return { files, classes: [], byFolders: false, remarks: [] };
}

/** A model's guess is for a picture without a label, if there is one that is called so. */
function locator({ files, roots }: FolderLayout): (name: string, pseudo?: boolean) => Found {
  const find = pictureFinder(files, roots);
  const open = files.flatMap(({ label }, at) => (label < 0 ? [at] : []));
  const findOpen = pictureFinder(
    open.map((at) => files[at]!),
    roots,
  );
  return (name, pseudo = false) => {
    const guessed = pseudo ? findOpen(name) : undefined;
    const at = guessed === undefined ? find(name) : open[guessed];
    return pseudo && at !== undefined && files[at]!.label >= 0 ? "labeled" : at;
  };
}
