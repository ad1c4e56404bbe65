/**
 * What each folder in a folder of pictures is for: class folders, test pictures, unlabeled ones, none of these. Layouts that people have are
 * known whatever their case (`Training/Testing`, `Train/Test`, `train/unlabeled`); a class may be called `valid`, `test` or `train`.
 */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { DataError } from "../../errors.js";
import { fsPath, shownName } from "../../files/names.js";
import { hasImages, isFolder, listFolders, listPictureFolders, listSystemFolders } from "../../images/image-files.js";
import { byNumberOrName } from "../../labels/class-names.js";

const trainNames = ["train", "training"];
const unlabeledNames = ["unlabeled", "unlabelled"];
/** In the order in which one of several is chosen. */
export const testNames = ["test", "testing", "val", "valid", "validation"];
export const splitNames: readonly string[] = [...trainNames, ...testNames];
/** Whether a folder called so is for a part of the pictures, whatever its case. */
export function isSplitName(name: string): boolean {
  return is(name, splitNames) || is(name, unlabeledNames);
}
/** Words that may as well be classes (a valid and a forged note; a car and a train). */
const alsoClasses = ["train", "training", "valid"];
/** Tiny-ImageNet's labels of its test folder, as it is unpacked. */
export const annotationsName = "val_annotations.txt";

export interface Splits {
  /** Where the class folders lie: the data folder itself, or `train` in it. */
  readonly root: string;
  /** Names of the class folders, in their order. */
  readonly classes: readonly string[];
  /** Folders with pictures to test with, if there is one: class folders, or pictures whose labels are in a file. */
  readonly test: string | undefined;
  readonly unlabeled: readonly string[];
  /** Folders in the data folder that are no part of it. */
  readonly passed: readonly string[];
  /** A line for every decision that is not the plain layout. */
  readonly remarks: readonly string[];
  /** A test folder without class folders, where it might as well be a class: only a labels file tells. */
  readonly unclear: string | undefined;
  /** Test folders of pictures without class folders, where these may be. */
  readonly looseTests: readonly string[];
}

export interface SplitOptions {
  /** How messages call the data set. Default `folder`. */
  readonly who?: string | undefined;
  /** Names that the folder of test pictures may have. */
  readonly tests?: readonly string[] | undefined;
  /** Labels of pictures that lie in the test folder itself. */
  readonly testLabels?: string | undefined;
  /** Pictures in a test folder need no class folders: a labels file of their own names those that test. */
  readonly looseTests?: boolean | undefined;
}

/** Looks at folders, not at pictures. Throws DataError where two folders are to train on. */
export function findSplits(
  dir: string,
  { tests: wanted = testNames, testLabels, looseTests = false, who = "folder" }: SplitOptions,
): Splits {
  const remarks: string[] = [];
  const rest = listPictureFolders(dir);
  const own = listFolders(dir).filter((name) => !rest.includes(name));
  if (own.length > 0)
    remarks.push(`passed over in ${shownName(dir)}: ${list(own)}, which holds runs of fewlabels or its labels`);
  const system = listSystemFolders(dir);
  if (system.length > 0) remarks.push(`passed over in ${shownName(dir)}: ${list(system)}, made by a file system`);

  const train = trainFolder(who, dir, rest);
  const root = train === undefined ? dir : join(dir, train);
  if (train !== undefined && train !== "train") remarks.push(`class folders are taken from ${shownName(root)}`);
  const unlabeled = unlabeledFolders(dir, rest, train === undefined ? [] : [train]);
  for (const path of unlabeled) {
    if (path !== join(dir, "unlabeled")) remarks.push(`pictures in ${shownName(path)} count as unlabeled`);
  }

  const candidates = wanted.flatMap((word) => rest.filter((name) => name !== train && name.toLowerCase() === word));
  const usable = (name: string) =>
    classFolders(join(dir, name)).length > 0 || testLabels !== undefined || hasAnnotations(join(dir, name));
  const tests = candidates.filter(usable);
  const [test, ...unused] = tests;
  const loose = [...candidates, ...(train === undefined ? rest.filter((name) => is(name, trainNames)) : [])].filter(
    (name) => !tests.includes(name) && hasImages(join(dir, name)),
  );
  const classWords = train === undefined ? loose.filter((name) => is(name, alsoClasses)) : [];
  const named = loose.filter((name) => looseTests && candidates.includes(name) && !classWords.includes(name));
  const rejected = loose.filter((name) => !named.includes(name));
  const unclear =
    train === undefined && test === undefined ? rejected.find((name) => !classWords.includes(name)) : undefined;
  for (const name of rejected) {
    if (classWords.includes(name))
      remarks.push(`${shownName(join(dir, name))} has no class folders in it: it is taken for a class`);
    else if (name !== unclear) {
      remarks.push(
        `the pictures in ${shownName(join(dir, name))} are in no class folders: without a label they cannot test, and are not read`,
      );
    }
  }
  if (test !== undefined && test !== "test")
    remarks.push(`the test pictures are those in ${shownName(join(dir, test))}`);
  if (unused.length > 0)
    remarks.push(`${list(unused)} in ${shownName(dir)} not read: ${shownName(test!)} is the test set`);

  const reserved = new Set([
    ...candidates.filter((name) => !classWords.includes(name)),
    ...rest.filter((name) => is(name, unlabeledNames)),
  ]);
  const classes = (train === undefined ? rest.filter((name) => !reserved.has(name)) : classFolders(root)).sort(
    byNumberOrName,
  );
  const passed = train === undefined ? [] : rest.filter((name) => name !== train && !reserved.has(name));
  if (passed.length > 0) remarks.push(`folders beside ${train} in ${shownName(dir)} are not read: ${list(passed)}`);
  const places = { root, test: test && join(dir, test), looseTests: named.map((name) => join(dir, name)), unlabeled };
  return { ...places, classes, passed: own, remarks, unclear };
}

/** Folders of unlabeled pictures in the data folder, and in those of its folders that hold the classes. */
export function unlabeledFolders(
  dir: string,
  folders = listPictureFolders(dir),
  train = trainFolders(dir, folders),
): string[] {
  const below = train.flatMap((place) => listFolders(join(dir, place)).map((name) => join(place, name)));
  return [...folders, ...below].filter((path) => is(basename(path), unlabeledNames)).map((path) => join(dir, path));
}

/** A folder called so that has class folders in it; one that has pictures only may be a class. */
function trainFolders(dir: string, folders: readonly string[]): string[] {
  return folders.filter((name) => is(name, trainNames) && classFolders(join(dir, name)).length > 0);
}

function trainFolder(who: string, dir: string, folders: readonly string[]): string | undefined {
  const found = trainFolders(dir, folders);
  if (found.length < 2) return found[0];
  throw new DataError(
    `${who}: which of ${found.map(shownName).join(" and ")} in ${shownName(dir)} is to train on? Leave one`,
  );
}

/** Folders that are classes where this one holds classes: all but those for unlabeled pictures. */
function classFolders(path: string): string[] {
  const found = listPictureFolders(path).filter((name) => !is(name, unlabeledNames));
  if (found.length === 1 && is(found[0]!, ["images"])) return []; // where Tiny-ImageNet has pictures without a class
  return found.some((name) => hasImages(join(path, name))) ? found : [];
}

export function hasAnnotations(test: string): boolean {
  return existsSync(fsPath(join(test, annotationsName))) && isFolder(join(test, "images"));
}

function is(name: string, words: readonly string[]): boolean {
  return words.includes(name.toLowerCase());
}

function list(names: readonly string[]): string {
  return `${names.slice(0, 5).map(shownName).join(", ")}${names.length > 5 ? ", ..." : ""}`;
}
