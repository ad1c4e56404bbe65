/**
 * What lies where in a folder of pictures. Class folders: `DIR/<class>/**` (or `DIR/train/<class>/**`) are labeled,
 * `DIR/unlabeled/**` is not, `DIR/test/<class>/**` (or `val`) tests. Flat: the labels come from a file.
 */
import { existsSync } from "node:fs";
import { join, posix, relative, resolve, sep } from "node:path";
import { DataError, nearest } from "../../errors.js";
import { byCodeUnits, isFolder, listFolders, listImages } from "../../images/image-files.js";
import { classOf, type LabelRow, readLabelRows, readLabelText } from "../../labels/label-file.js";

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
  readonly classes: readonly string[];
  readonly files: readonly PictureFile[];
  /** Folders whose files may be called by their path in them. */
  readonly roots: readonly string[];
  /** Rows of the labels file, where one was given. */
  readonly rows: readonly LabelRow[];
  /** There is a test folder. */
  readonly hasTest: boolean;
  readonly remarks: readonly string[];
}

export interface LayoutOptions {
  readonly labelsFile?: string | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  /** Names that the folder of test pictures may have. */
  readonly tests?: readonly string[] | undefined;
  /** Labels (class names, or their numbers in order) of test pictures that lie in that folder itself; may be missing. */
  readonly testLabels?: string | undefined;
}

const unlabeledNames = ["unlabeled", "unlabelled"];
const testNames = ["test", "val", "valid", "validation"];
const reserved = ["train", ...testNames, ...unlabeledNames];

/** Looks through a folder. Throws DataError that says how pictures should lie. */
export function scanFolder(dir: string, options: LayoutOptions = {}): FolderLayout {
  const { labelsFile, unlabeledDir } = options;
  if (!isFolder(dir)) throw new DataError(`folder: there is no folder ${dir}. Check --data`);
  if (unlabeledDir !== undefined && !isFolder(unlabeledDir))
    throw new DataError(`folder: there is no folder ${unlabeledDir}. Check --unlabeled (all, rest or a folder)`);
  const rows = labelsFile === undefined ? [] : readRows(labelsFile);
  const root = isFolder(join(dir, "train")) ? join(dir, "train") : dir;
  const classes = listFolders(root).filter((name) => root !== dir || !reserved.includes(name));
  // A labels file that speaks of none of the folders brings classes of its own.
  const flat = labelsFile !== undefined && !rows.some(({ label }) => classes.includes(label));
  return flat ? flatLayout(dir, unlabeledDir, rows) : classLayout(dir, root, classes, rows, options);
}

function readRows(labelsFile: string): LabelRow[] {
  return readLabelRows(readLabelText(labelsFile), labelsFile);
}

function classLayout(
  dir: string,
  root: string,
  classes: readonly string[],
  rows: readonly LabelRow[],
  { unlabeledDir, tests: names = testNames, testLabels }: LayoutOptions,
): FolderLayout {
  const remarks: string[] = [];
  const loose = listImages(root, [], false).files;
  if (classes.length === 0) {
    const found = loose.length > 0 ? `${loose.length} pictures but no class folders` : "no pictures in class folders";
    throw new DataError(
      `folder: no labels: found ${found} in ${root}. Put labeled pictures into ${join(root, "<class>")}, a folder for each class, or give --labels FILE with "file,label"`,
    );
  }
  if (classes.length === 1) {
    throw new DataError(
      `folder: found one class only, "${classes[0]}", in ${root}; a classifier needs two. Is --data one level too high or too low?`,
    );
  }
  const files: PictureFile[] = [];
  const add = (folder: string, part: Part, label: number): number => {
    const listing = listImages(folder);
    for (const file of listing.files) files.push(picture(dir, join(folder, file), part, label));
    return listing.files.length;
  };
  classes.forEach((name, k) => {
    if (add(join(root, name), "train", k) === 0) {
      throw new DataError(
        `folder: the class folder ${join(root, name)} holds no pictures. Put some in, or remove the folder`,
      );
    }
  });
  if (loose.length > 0) {
    for (const file of loose) files.push(picture(dir, join(root, file), "unlabeled", -1));
    remarks.push(`${loose.length} pictures directly in ${root} are in no class folder: they count as unlabeled`);
  }
  const unlabeled = unlabeledDir ?? unlabeledNames.map((name) => join(dir, name)).find(isFolder);
  if (unlabeled !== undefined && add(unlabeled, "unlabeled", -1) === 0)
    throw new DataError(`folder: the folder for unlabeled pictures, ${unlabeled}, holds none`);

  const tests = names.filter((name) => isFolder(join(dir, name)));
  const [test, ...unused] = tests;
  if (test !== undefined) {
    for (const name of listFolders(join(dir, test))) {
      const k = classes.indexOf(name);
      if (k < 0) {
        const near = nearest(name, classes);
        const hint = near ? `Did you mean "${near}"?` : `Classes: ${classes.slice(0, 10).join(", ")}`;
        throw new DataError(`folder: ${join(dir, test, name)} is no class of the training pictures. ${hint}`);
      }
      add(join(dir, test, name), "test", k);
    }
    if (testLabels !== undefined && existsSync(testLabels)) {
      for (const [name, k] of readTestLabels(testLabels, classes))
        files.push(picture(dir, join(dir, test, name), "test", k));
    }
  }
  if (unused.length > 0) remarks.push(`${unused.join(", ")} in ${dir} not read: ${test} is the test set`);
  const passed = root === dir ? [] : listFolders(dir).filter((name) => !reserved.includes(name));
  if (passed.length > 0) remarks.push(`folders beside train in ${dir} are not read: ${passed.slice(0, 5).join(", ")}`);
  return {
    kind: "classes",
    classes,
    files: distinct(files),
    roots: [dir, root, ...(unlabeled === undefined ? [] : [unlabeled])],
    rows,
    hasTest: files.some(({ part }) => part === "test"),
    remarks,
  };
}

/** Names and classes; a class may be its number. */
function readTestLabels(path: string, classes: readonly string[]): [string, number][] {
  return readRows(path).map(({ line, name, label }) => {
    const number = /^\d+$/.test(label) && Number(label) < classes.length ? Number(label) : -1;
    return [name, classes.includes(label) || number < 0 ? classOf(label, classes, `${path}:${line}`) : number];
  });
}

function flatLayout(dir: string, unlabeledDir: string | undefined, rows: readonly LabelRow[]): FolderLayout {
  const classes = [...new Set(rows.map(({ label }) => label))].sort(byNumberOrName);
  if (classes.length === 1)
    throw new DataError(`folder: the labels file knows one class only, "${classes[0]}"; a classifier needs two`);
  const test = testNames.find((name) => isFolder(join(dir, name)));
  const files = listImages(dir).files.map((file) => {
    const part = test !== undefined && file.startsWith(`${test}/`) ? "test" : "unlabeled";
    return picture(dir, join(dir, file), part, -1);
  });
  if (unlabeledDir !== undefined) {
    for (const file of listImages(unlabeledDir).files)
      files.push(picture(dir, join(unlabeledDir, file), "unlabeled", -1));
  }
  if (files.length === 0) throw new DataError(`folder: found no pictures in ${dir}. Check --data`);
  return {
    kind: "flat",
    classes,
    files: distinct(files),
    roots: [dir, ...(unlabeledDir === undefined ? [] : [unlabeledDir])],
    rows,
    hasTest: files.some(({ part }) => part === "test"),
    remarks: [],
  };
}

function picture(dir: string, path: string, part: Part, label: number): PictureFile {
  return { name: slashed(relative(dir, path)), path, part, label };
}

/** The first of each path: `--unlabeled` may lie in the data folder. */
function distinct(files: readonly PictureFile[]): PictureFile[] {
  return [...new Map(files.toReversed().map((file) => [file.name, file])).values()].toReversed();
}

/** Numbers by value, then words. */
function byNumberOrName(a: string, b: string): number {
  const [x, y] = [a, b].map((word) => (/^\d{1,15}$/.test(word) ? Number(word) : Number.POSITIVE_INFINITY)) as [
    number,
    number,
  ];
  return x === y ? byCodeUnits(a, b) : x - y;
}

/**
 * Finds pictures by the names that label files use: the path in the data folder, in the folder of unlabeled pictures or in
 * `train`, an absolute path, or the file name alone where only one file has it. Undefined where there is none.
 */
export function pictureFinder(
  files: readonly Pick<PictureFile, "name" | "path">[],
  roots: readonly string[],
): (name: string) => number | undefined {
  const byPath = new Map(files.map(({ path }, i) => [key(path), i]));
  const byFileName = new Map<string, number[]>();
  files.forEach(({ path }, i) => {
    const own = posix.basename(key(path));
    byFileName.set(own, [...(byFileName.get(own) ?? []), i]);
  });
  return (name) => {
    for (const root of roots) {
      const found = byPath.get(key(resolve(root, name)));
      if (found !== undefined) return found;
    }
    const same = name.includes("/") ? [] : (byFileName.get(name.normalize("NFC")) ?? []);
    if (same.length > 1) {
      const examples = same.slice(0, 2).map((i) => files[i]!.name);
      throw new DataError(
        `folder: "${name}" in the labels file may be ${examples.join(" or ")}; write the path from the data folder`,
      );
    }
    return same[0];
  };
}

/** macOS writes accents as two characters. */
function key(path: string): string {
  return slashed(resolve(path)).normalize("NFC");
}

function slashed(path: string): string {
  return sep === "/" ? path : path.replaceAll(sep, "/");
}
