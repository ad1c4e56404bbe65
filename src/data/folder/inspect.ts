/** What is in a folder of pictures: counts, sizes, duplicates, damaged and misnamed files, mistakes. */

import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import type { ImageFormat } from "../../images/image-files.js";
import type { DamagedFile } from "../../images/image-set.js";
import { conflicts, duplicateGroups, type Known, testOverlap } from "../../labels/by-content.js";
import { type LayoutOptions, pictureFinder, scanFolder } from "./layout.js";

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
  const find = pictureFinder(layout.files, layout.roots);
  const given = new Map(layout.rows.map(({ name, label }) => [find(name), layout.classes.indexOf(label)]));
  const known: (Known | undefined)[] = layout.files.map(() => undefined);
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
    const label = layout.kind === "flat" ? (given.get(i) ?? -1) : file.label;
    const part = file.part === "test" ? "test" : label < 0 ? "unlabeled" : "train";
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
    conflicts: conflicts(readable).map(([a, b]) => [a.name, b.name]),
    inTest: names([...overlap.labeled, ...overlap.unlabeled].sort((a, b) => a - b)),
    damaged: layout.files.flatMap(({ name }, i) => (damage.has(i) ? [{ file: name, reason: damage.get(i)! }] : [])),
    misnamed: misnamed.sort(),
    remarks: layout.remarks,
  };
}

function rangeOf(values: readonly number[]): Range {
  const sorted = values.toSorted((a, b) => a - b);
  const last = sorted.length - 1;
  return { min: sorted[0] ?? 0, median: sorted[Math.floor(last / 2)] ?? 0, max: sorted[last] ?? 0 };
}
