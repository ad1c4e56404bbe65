/**
 * What lies where in a folder of pictures. Class folders: `DIR/<class>/**` (or `DIR/train/<class>/**`) are labeled,
 * `DIR/unlabeled/**` is not, `DIR/test/<class>/**` (or `val`) tests. Flat: the labels come from a file.
 */
import { existsSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { shownName } from "../../files/names.js";
import { hasImages, isFolder, listFolders, listImages } from "../../images/image-files.js";
import { byNumberOrName, classByName, classReader, composed, hint } from "../../labels/class-names.js";
import { type LabelRow, type LabelTable, readLabelTable, readLabelText } from "../../labels/label-rows.js";
import { levelAdvice, mereFoldersRemark, misplacedRemarks, tableAdvice } from "./advice.js";
import { pictureFinder, slashed } from "./finder.js";
import { annotationsName, findSplits, hasAnnotations, type SplitOptions, type Splits, testNames } from "./splits.js";

export type Part = "train" | "test" | "unlabeled";

/** One picture file, not opened yet. */
export interface PictureFile {
  /** Path relative to the data folder, "/" between names: what label files call it. */
  readonly name: string;
  readonly path: string;
  readonly part: Part;
  /** Class index, or -1. In a flat folder always -1. */
  readonly label: number;
}

export interface FolderLayout {
  readonly kind: "classes" | "flat";
  /** How messages call the data set. */
  readonly who: string;
  readonly classes: readonly string[];
  readonly files: readonly PictureFile[];
  /** Folders whose files may be called by their path in them; the data folder first. */
  readonly roots: readonly string[];
  /** The labels file, where one was given. */
  readonly table: LabelTable | undefined;
  /** There is a test folder; in a flat folder one of which the labels file names pictures. */
  readonly hasTest: boolean;
  /** Of the remarks those on folders that the labels file makes mere folders. */
  readonly mereFolders?: readonly string[];
  readonly remarks: readonly string[];
}

export interface LayoutOptions extends SplitOptions {
  readonly labelsFile?: string | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  /** Fewest class folders, and fewest classes of a labels file that brings its own. Default 2 each, as training needs them. */
  readonly fewestFolders?: number | undefined;
  readonly fewestNamed?: number | undefined;
}

/** Looks through a folder. Throws DataError that says how pictures should lie. */
export function scanFolder(dir: string, options: LayoutOptions = {}): FolderLayout {
  const { labelsFile, who = "folder", unlabeledDir } = options;
  if (!isFolder(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data`);
  if (unlabeledDir !== undefined && !isFolder(unlabeledDir))
    throw new DataError(`${who}: there is no folder ${unlabeledDir}. Check --unlabeled (all, rest or a folder)`);
  const splits = findSplits(dir, options);
  const folders = splits.classes.map(shownName);
  const table = labelsFile === undefined ? undefined : readLabelTable(labelsFile, folders);
  // A labels file that speaks of none of the folders brings classes of its own.
  const known = new Set(folders.map((name) => composed(name).trim()));
  const flat = table && !table.rows.some(({ label }) => known.has(composed(label).trim()));
  if (!flat) return classLayout(dir, splits, table, options);
  const layout = flatLayout(dir, table, options);
  const mere = splits.classes.filter((name) => hasImages(join(splits.root, name))).map(shownName);
  const mereFolders = mereFoldersRemark(mere, layout.classes);
  return { ...layout, mereFolders, remarks: [...mereFolders, ...layout.remarks] };
}

function classLayout(
  dir: string,
  { root, classes: folders, test, unlabeled: found, looseTests, remarks: decisions, unclear }: Splits,
  table: LabelTable | undefined,
  { unlabeledDir, testLabels, fewestFolders = 2, who = "folder" }: LayoutOptions,
): FolderLayout {
  const classes = folders.map(shownName);
  const loose = listImages(root, false).files;
  checkFolders(who, root, folders, loose.length, fewestFolders);
  if (unclear !== undefined) {
    const path = shownName(join(dir, unclear));
    throw new DataError(
      `${who}: ${path} holds pictures but no class folders. To test with them, put each into ${join(path, "<class>")}; if "${shownName(unclear)}" is itself a class, put all class folders into ${join(dir, "train")}; if they have no label, into ${join(dir, "unlabeled")}`,
    );
  }
  const remarks = [...decisions];
  const files: PictureFile[] = [];
  const add = (folder: string, part: Part, label: number): number => {
    const listing = listImages(folder);
    for (const file of listing.files) files.push(picture(dir, join(folder, file), part, label));
    return listing.files.length;
  };
  folders.forEach((name, k) => {
    if (add(join(root, name), "train", k) === 0) {
      throw new DataError(
        `${who}: the class folder ${shownName(join(root, name))} holds no pictures. Put some in, or remove the folder`,
      );
    }
  });
  remarks.push(...misplacedRemarks(dir, root, files));
  if (loose.length > 0) {
    for (const file of loose) files.push(picture(dir, join(root, file), "unlabeled", -1));
    remarks.push(
      `${loose.length} pictures directly in ${shownName(root)} are in no class folder: they count as unlabeled`,
    );
  }
  // Before the unlabeled ones: of a picture that is both, the first counts.
  if (test !== undefined)
    for (const file of testPictures(dir, test, classes, { testLabels, who }, remarks)) files.push(file);
  for (const path of looseTests) add(path, "test", -1);
  const unlabeled = unlabeledDir === undefined ? found : [unlabeledDir];
  const counts = unlabeled.map((path) => add(path, "unlabeled", -1));
  if (unlabeled.length > 0 && counts.every((count) => count === 0))
    throw new DataError(`${who}: the folder for unlabeled pictures, ${shownName(unlabeled[0]!)}, holds none`);
  const own = distinct(files);
  const tested = new Set(files.flatMap(({ part, path }) => (part === "test" ? [resolve(path)] : [])));
  const twice = files.filter(({ part, path }) => part === "unlabeled" && tested.has(resolve(path))).length;
  if (twice > 0)
    remarks.push(`${twice} pictures in the folder of unlabeled ones are test pictures: they are not trained on`);
  return {
    kind: "classes",
    who,
    classes,
    files: own,
    roots: [dir, root, ...unlabeled],
    table,
    hasTest: own.some(({ part, label }) => part === "test" && label >= 0),
    remarks,
  };
}

function checkFolders(who: string, root: string, folders: readonly string[], loose: number, fewest: number): void {
  const classes = folders.map(shownName);
  if (classes.length === 0 && fewest > 0) {
    const found = loose > 0 ? `${loose} pictures but no class folders` : "no pictures in class folders";
    throw new DataError(
      `${who}: no labels: found ${found} in ${root}. Put labeled pictures into ${join(root, "<class>")}, a folder for each class, or ${tableAdvice(root) ?? 'give --labels FILE with "file,label"'}`,
    );
  }
  if (classes.length === 1 && fewest > 1) {
    throw new DataError(
      `${who}: found one class only, "${classes[0]}", in ${root}; a classifier needs two. ${levelAdvice(join(root, folders[0]!)) ?? tableAdvice(root) ?? "Is --data one level too high or too low?"}`,
    );
  }
  const twice = classes.find((name, k) => classes.findIndex((other) => composed(other) === composed(name)) !== k);
  if (twice !== undefined) {
    throw new DataError(
      `${who}: two class folders in ${root} are called "${twice}", their accents written in two ways. Put their pictures into one`,
    );
  }
}

/** Class folders in `test`, or pictures that a file labels: `testLabels`, or Tiny-ImageNet's own. */
function testPictures(
  dir: string,
  test: string,
  classes: readonly string[],
  { testLabels, who }: { readonly testLabels: string | undefined; readonly who: string },
  remarks: string[],
): PictureFile[] {
  const read = classReader(classes);
  if (hasAnnotations(test)) {
    const file = join(test, annotationsName);
    remarks.push(`the labels of the test pictures are those in ${shownName(file)}`);
    return annotated(file).map(({ line, name, label }) =>
      picture(dir, join(test, "images", name), "test", read(label, `${file}:${line}`)),
    );
  }
  const byName = classByName(classes);
  const inFolders = listFolders(test).flatMap((name) => {
    const [folder, own] = [join(test, name), shownName(name)];
    const k = byName(own);
    if (k === undefined)
      throw new DataError(`${who}: ${shownName(folder)} is no class of the training pictures. ${hint(own, classes)}`);
    return listImages(folder).files.map((file) => picture(dir, join(folder, file), "test", k));
  });
  if (testLabels === undefined || !existsSync(testLabels)) return inFolders;
  const sorted = new Set(inFolders.map(({ path }) => basename(path)));
  const { rows } = readLabelTable(testLabels, classes);
  const loose = rows.filter(({ name }) => !sorted.has(basename(name)) || existsSync(join(test, name)));
  if (loose.length < rows.length)
    remarks.push(
      `${rows.length - loose.length} rows of ${shownName(testLabels)} name test pictures that lie in class folders: the folders count`,
    );
  const named = loose.map(({ line, name, label }) =>
    picture(dir, join(test, name), "test", read(label, `${testLabels}:${line}`)),
  );
  return [...inFolders, ...named];
}

/** Lines `name class x y w h`, tabs between. */
function annotated(file: string): readonly LabelRow[] {
  return readLabelText(file)
    .text.split(/\r\n|\r|\n/)
    .flatMap((text, i) => {
      const [name = "", label = ""] = text.split("\t");
      return name === "" ? [] : [{ line: i + 1, name, label }];
    });
}

function flatLayout(
  dir: string,
  table: LabelTable,
  { unlabeledDir, looseTests = false, fewestNamed = 2, who = "folder" }: LayoutOptions,
): FolderLayout {
  const classes = [...new Map(table.rows.map(({ label }) => [composed(label), label])).values()].sort(byNumberOrName);
  if (classes.length < fewestNamed)
    throw new DataError(`${who}: the labels file knows one class only, "${classes[0]}"; a classifier needs two`);
  const folders = listFolders(dir);
  const test = testNames.flatMap((word) => folders.filter((name) => name.toLowerCase() === word))[0];
  const files = listImages(dir).files.map((file) => {
    const part = test !== undefined && file.startsWith(`${test}/`) ? "test" : "unlabeled";
    return picture(dir, join(dir, file), part, -1);
  });
  if (unlabeledDir !== undefined) {
    for (const file of listImages(unlabeledDir).files)
      files.push(picture(dir, join(unlabeledDir, file), "unlabeled", -1));
  }
  if (files.length === 0) throw new DataError(`${who}: found no pictures in ${dir}. Check --data`);
  const layout = {
    kind: "flat",
    who,
    classes,
    files: distinct(files),
    roots: [dir, ...(unlabeledDir === undefined ? [] : [unlabeledDir])],
    table,
  } as const;
  const tests = files.filter(({ part }) => part === "test").length;
  // A model's guesses test nothing.
  const hasTest = tests > 0 && !table.pseudo && namesTest(layout, table);
  const where = test === undefined ? "" : shownName(join(dir, test));
  const none = table.pseudo ? 'is a model\'s guesses (it has a column "confidence"), no labels' : "names none";
  const unnamed = `the labels file ${none} of the ${tests} pictures in ${where}: they are not read, and a share of the labeled pictures tests`;
  const decisions = [
    ...(hasTest && test !== "test" ? [`the test pictures are those in ${where}`] : []),
    ...(tests > 0 && !hasTest && !looseTests ? [unnamed] : []),
  ];
  return { ...layout, hasTest, remarks: [...decisions, ...table.remarks] };
}

/** Whether a row means a picture that lies in a test folder. What is wrong with rows is told where they are read. */
function namesTest({ files, roots }: Pick<FolderLayout, "files" | "roots">, { rows }: LabelTable): boolean {
  const find = pictureFinder(files, roots);
  return rows.some(({ name }) => {
    try {
      return files[find(name) ?? -1]?.part === "test";
    } catch {
      return false;
    }
  });
}

function picture(dir: string, path: string, part: Part, label: number): PictureFile {
  return { name: slashed(shownName(relative(dir, path))), path, part, label };
}

/** The first of each path: `--unlabeled` may lie in the data folder. */
function distinct(files: readonly PictureFile[]): PictureFile[] {
  return [...new Map(files.toReversed().map((file) => [resolve(file.path), file])).values()].toReversed();
}
