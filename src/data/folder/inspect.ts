/** What is in a folder of pictures: counts, sizes, duplicates, damaged and misnamed files, mistakes. */

import { DataError } from "../../errors.js";
import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import type { ImageFormat } from "../../images/image-formats.js";
import type { DamagedFile } from "../../images/image-set.js";
import { conflicts, duplicateGroups, type Known, testOverlap } from "../../labels/by-content.js";
import { classReader } from "../../labels/class-names.js";
import type { LabelTable } from "../../labels/label-rows.js";
import { pictureFinder } from "./finder.js";
import { type FolderLayout, type LayoutOptions, type PictureFile, scanFolder } from "./layout.js";

export interface FolderReport {
  readonly dir: string;
  readonly layout: "classes" | "flat";
  /** Readable pictures. */
  readonly train: number;
  readonly unlabeled: number;
  readonly test: number;
  readonly classes: readonly { readonly name: string; readonly train: number; readonly test: number }[];
  /** Largest class over smallest, of the labeled training pictures; Infinity where one is empty. */
  readonly imbalance: number;
  readonly formats: Readonly<Partial<Record<ImageFormat, number>>>;
  /** Pixels, EXIF orientation not applied. */
  readonly width: Range;
  readonly height: Range;
  /** Files with the same content, a list for each content. */
  readonly duplicates: readonly (readonly string[])[];
  /** Pairs of files with the same content and two different labels. */
  readonly conflicts: readonly (readonly [string, string])[];
  /** Files to train on that are also in the test folder, by content. */
  readonly inTest: readonly string[];
  readonly damaged: readonly DamagedFile[];
  /** Files whose name promises another format. */
  readonly misnamed: readonly string[];
  /** Rows of the labels file that training refuses: no such picture, no such class, two labels. */
  readonly badRows: readonly string[];
  /** Classes with fewer than two different pictures where no test folder is, which training refuses. */
  readonly tooFew: readonly string[];
  readonly remarks: readonly string[];
}

export interface Range {
  readonly min: number;
  readonly median: number;
  readonly max: number;
}

/** Reads every file whole. Throws DataError where the folder is none that can be trained on. */
export async function inspectFolder(dir: string, options: LayoutOptions = {}): Promise<FolderReport> {
  const layout = scanFolder(dir, options);
  const { given, problems } = layout.table
    ? lookUp(layout, layout.table, options.labelsFile ?? "labels")
    : { given: new Map<number, number>(), problems: [] };
  const known: (Known | undefined)[] = layout.files.map(() => undefined);
  // As the class folders say: whatever a labels file says of them, a test set is held out of these.
  const byFolder: (Known | undefined)[] = layout.files.map(() => undefined);
  const damage = new Map<number, string>();
  const misnamed: string[] = [];
  const formats: Partial<Record<ImageFormat, number>> = {};
  const [widths, heights]: [number[], number[]] = [[], []];
  const paths = layout.files.map(({ path }) => path);
  const small = { size: 16, channels: 3, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
  const use: Parameters<typeof readImages>[2] = (image, i) => {
    const file = layout.files[i]!;
    if ("reason" in image) {
      damage.set(i, image.reason);
      return;
    }
    const label = labelOf(file, i, layout, given);
    const part = file.part === "test" ? "test" : label < 0 ? "unlabeled" : "train";
    byFolder[i] = { name: file.name, hash: image.hash, part, label: file.label };
    if (part !== "test" || (label >= 0 && layout.hasTest))
      known[i] = { name: file.name, hash: image.hash, part, label };
    formats[image.format] = (formats[image.format] ?? 0) + 1;
    const [width, height] = image.dimensions!;
    widths.push(width);
    heights.push(height);
    if (image.wrongExtension) misnamed.push(file.name);
  };
  await readImages(paths, small, use, { measure: true });
  const readable = known.filter((picture) => picture !== undefined);
  const countOf = (part: Known["part"], k?: number) =>
    readable.filter((picture) => picture.part === part && (k === undefined || picture.label === k)).length;
  const classes = layout.classes.map((name, k) => ({ name, train: countOf("train", k), test: countOf("test", k) }));
  const sizes = classes.map(({ train }) => train);
  const heldOutOf = layout.kind === "flat" ? readable : byFolder.filter((picture) => picture !== undefined);
  const overlap = testOverlap(readable);
  const names = (positions: readonly number[]) => positions.map((i) => readable[i]!.name);
  return {
    dir,
    layout: layout.kind,
    train: countOf("train"),
    unlabeled: countOf("unlabeled"),
    test: countOf("test"),
    classes,
    imbalance: Math.max(...sizes) / Math.min(...sizes),
    formats,
    width: rangeOf(widths),
    height: rangeOf(heights),
    duplicates: duplicateGroups(readable).map(names),
    conflicts: contradictions(heldOutOf, readable),
    inTest: names([...overlap.labeled, ...overlap.unlabeled].sort((a, b) => a - b)),
    damaged: layout.files.flatMap(({ name }, i) => (damage.has(i) ? [{ file: name, reason: damage.get(i)! }] : [])),
    misnamed: misnamed.sort(),
    badRows: problems,
    tooFew: layout.hasTest ? [] : layout.classes.flatMap((name, k) => fewPictures(name, k, heldOutOf)),
    remarks: layout.remarks,
  };
}

/** Every row is looked up, and what is wrong with it kept: training ends at the first. */
function lookUp({ files, roots, classes }: FolderLayout, { rows }: LabelTable, labelsFile: string) {
  const [find, classOf] = [pictureFinder(files, roots), classReader(classes)];
  const given = new Map<number, number>();
  const problems: string[] = [];
  for (const { line, name, label } of rows) {
    const where = `${labelsFile}:${line}`;
    try {
      const [at, k] = [find(name), classOf(label, where)];
      if (at === undefined) throw new DataError(`${where}: there is no picture "${name}"`);
      const before = given.get(at);
      if (before !== undefined && before !== k)
        throw new DataError(`${where}: "${name}" is labeled "${label}" here and "${classes[before]}" further up`);
      given.set(at, k);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      problems.push(error.message.startsWith(where) ? error.message : `${where}: ${error.message}`);
    }
  }
  return { given, problems };
}

/** As training has it: with a labels file, pictures to train on that it does not name have no label; those of the test keep their folder's. */
function labelOf(
  { part, label }: PictureFile,
  i: number,
  { kind, table }: FolderLayout,
  given: ReadonlyMap<number, number>,
): number {
  const byFile = kind === "flat" || (table !== undefined && part !== "test");
  return byFile ? (given.get(i) ?? -1) : label;
}

/** Training refuses those of the class folders, and then those of the labels file. */
function contradictions(...all: (readonly Known[])[]): [string, string][] {
  const pairs = all.flatMap((pictures) => conflicts(pictures).map(([a, b]): [string, string] => [a.name, b.name]));
  return [...new Map(pairs.map((pair) => [JSON.stringify(pair), pair])).values()];
}

function fewPictures(name: string, k: number, pictures: readonly Known[]): string[] {
  const own = pictures.filter(({ label }) => label === k);
  const [train, different] = [own.length, new Set(own.map(({ hash }) => hash)).size];
  if (different > 1) return [];
  return [`${name}: ${different} ${train > 1 ? "different " : ""}picture${different === 1 ? "" : "s"}`];
}

function rangeOf(values: readonly number[]): Range {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return { min: sorted[0] ?? 0, median: sorted[Math.floor(last / 2)] ?? 0, max: sorted[last] ?? 0 };
}
