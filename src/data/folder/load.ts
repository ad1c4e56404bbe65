/** From a folder of pictures to a data set: who trains, who tests, what is wrong; in memory, or decoded on demand. */
import { DataError } from "../../errors.js";
import { mostBytes } from "../../images/most-bytes.js";
import { decodingOf } from "../../images/picture-options.js";
import { conflicts, rejectConflicts } from "../../labels/by-content.js";
import { classReader } from "../../labels/class-names.js";
import { checkClasses, fingerprintOf, holdOut } from "../../labels/hold-out.js";
import { type Found, parseLabelFile } from "../../labels/label-file.js";
import { type LabelRow, type LabelTable, readLabelTable } from "../../labels/label-rows.js";
import type { OptionsOf } from "../../options.js";
import type { DataSet, LoadContext } from "../dataset.js";
import { pictureFinder } from "./finder.js";
import { type FolderLayout, type LayoutOptions, scanFolder } from "./layout.js";
import { folderOptions } from "./options.js";
import { separate } from "./parts.js";
import { checkDamaged, damagedRemark, readFiles } from "./read.js";
import { demandRemark, inMemory, onDemand, readable, type Slot } from "./sets.js";

type FolderOptions = OptionsOf<typeof folderOptions>;

export interface FolderManner {
  /** The set's name, for messages. */
  readonly name: string;
  /** Copies with two labels, or on both sides, are part of the set as it was published: worth a remark, no error. */
  readonly published?: boolean;
  /** What the set decides where it is not as people's own folders are. */
  readonly traits?: Partial<DataSet>;
  /** How to look through the folder. */
  readonly layout?: Pick<LayoutOptions, "tests" | "testLabels">;
  /** Bytes that one array may have. Default: what Node allows. */
  readonly most?: number;
}

type Context = Omit<LoadContext, "options"> & { readonly options: FolderOptions };

/** Throws DataError that names the file. */
export async function loadFolder(
  { dir, rng, options, labelsFile, unlabeledDir }: Context,
  { name, published = false, traits = {}, layout: how = {}, most = mostBytes }: FolderManner,
): Promise<DataSet> {
  const looseTests = options.testLabels !== "";
  const layout = scanFolder(dir!, { who: name, labelsFile, unlabeledDir, looseTests, ...how });
  const decoding = decodingOf(options);
  const rowBytes = decoding.channels * decoding.size ** 2;
  const room = Math.floor((options.memoryMB * 1e6) / rowBytes);
  const keep = options.check === "decode" && layout.files.length <= Math.min(room, Math.floor(most / rowBytes));
  const read = await readFiles(layout, decoding, { keep, check: options.check });
  checkDamaged(name, read.damaged, layout.files.length, options.maxDamaged);

  const labels = layout.kind === "flat" ? labelsOfFile(layout, layout.table?.rows ?? [], labelsFile!) : undefined;
  const tested = looseTests
    ? labelsOfFile(layout, readLabelTable(options.testLabels, layout.classes).rows, options.testLabels)
    : undefined;
  const seen = layout.files.flatMap((file, slot): Slot[] => {
    const hash = read.hashes[slot];
    if (hash === undefined) return [];
    const label = labels ? (labels.get(slot) ?? -1) : file.label;
    const part = file.part === "test" ? "test" : label < 0 ? "unlabeled" : "train";
    const tests = tested?.has(slot) || (label >= 0 && layout.hasTest);
    return part === "test" && !tests ? [] : [{ ...file, slot, hash, label, part }];
  });
  const known = seen.map((one): Slot => {
    const label = tested?.get(one.slot);
    return label === undefined ? one : { ...one, label, part: "test" };
  });
  const remarks = [...layout.remarks, ...read.remarks, ...damagedRemark(read.damaged, layout.files.length)];
  if (labels) remarks.push(...flatRemarks(layout, labelsFile!, tested !== undefined, options.keepLabels));
  if (!published) rejectConflicts(name, known, layout.classes);
  else remarks.push(...conflictRemark(known));
  const named =
    layout.table && !labels && (layout.hasTest || tested)
      ? labeledByFile(layout, layout.table, known, labelsFile!)
      : new Set<Slot>();
  const { testShare, testSeed } = folderOptions;
  if ((layout.hasTest || tested) && (options.testShare !== testShare.default || options.testSeed !== testSeed.default))
    remarks.push("--dataset.testShare and --dataset.testSeed have no effect: the test pictures are given");
  const kept =
    layout.hasTest || tested
      ? separate(known, (one) => one.label >= 0 || named.has(one), published ? "keep" : options.overlap, remarks)
      : holdOut(name, known, layout.classes, options.testShare, rng.split(`test:${options.testSeed}`));
  checkClasses(name, kept, layout.classes);

  const tests = kept.filter(({ part }) => part === "test");
  const trains = kept.filter(({ part }) => part !== "test");
  const sets = read.pixels
    ? inMemory(read.pixels, trains, tests, decoding)
    : onDemand(read, readable(layout, read), trains, tests, { decoding, room, maxDamaged: options.maxDamaged });
  if (!read.pixels)
    remarks.push(...demandRemark(kept.length, rowBytes, { memoryMB: options.memoryMB, most, decoding }));
  const data: DataSet = {
    name,
    classes: layout.classes,
    ...sets,
    flip: true,
    translate: Math.max(1, Math.round(decoding.size / 16)),
    normalize: "channel",
    nameOf: (index) => trains[index]!.name,
    contents: trains.map(({ hash }) => hash),
    locate: locator(layout, trains),
    labelsFileRead: labels !== undefined,
    keepLabels: options.keepLabels,
    remarks,
    damaged: read.damaged,
    fingerprint: fingerprintOf([decoding, layout.classes], kept),
    decoding,
    ...traits,
  };
  if (layout.table && !labels)
    checkLabelsFile(data, layout, layout.table, labelsFile!, trains, remarks, { ...options, published });
  return data;
}

function conflictRemark(known: readonly Slot[]): string[] {
  const found = conflicts(known);
  if (found.length === 0) return [];
  return [
    `${found.length} pictures (by content) have two labels, as published; the first is ${found[0]![0].name} and ${found[0]![1].name}`,
  ];
}

/** Where a labels file alone says what has a label. */
function flatRemarks({ table }: FolderLayout, labelsFile: string, tested: boolean, keepLabels: boolean): string[] {
  const guessed = `the labels of ${labelsFile} are a model's guesses (it has a column "confidence"), and so are those of the test pictures: the error says how well they are learned, not how right they are. --dataset.testLabels names test pictures with labels of your own`;
  return [
    ...(table?.pseudo && !tested ? [guessed] : []),
    ...(keepLabels ? ["--dataset.keepLabels has no effect: no class folder gives a label here"] : []),
  ];
}

/** Label by file. Throws DataError on names that do not exist and on images labeled twice differently. */
function labelsOfFile(layout: FolderLayout, rows: readonly LabelRow[], labelsFile: string): Map<number, number> {
  const find = pictureFinder(layout.files, layout.roots, layout.who);
  const classOf = classReader(layout.classes);
  const labels = new Map<number, number>();
  for (const { line, name, label } of rows) {
    const where = `${labelsFile}:${line}`;
    const at = find(name);
    if (at === undefined)
      throw new DataError(`${where}: there is no picture "${name}" in ${layout.roots.join(" or ")}`);
    const k = classOf(label, where);
    const before = labels.get(at);
    if (before !== undefined && before !== k) {
      throw new DataError(
        `${where}: image "${name}" is labeled "${label}" here and "${layout.classes[before]}" further up`,
      );
    }
    labels.set(at, k);
  }
  return labels;
}

/** Pictures that get their label from the file, beside class folders; those of a model's guesses are none. Throws DataError. */
function labeledByFile(
  layout: FolderLayout,
  table: LabelTable,
  known: readonly Slot[],
  labelsFile: string,
): ReadonlySet<Slot> {
  if (table.pseudo) return new Set();
  const trains = known.filter(({ part }) => part !== "test");
  const target = { classes: layout.classes, train: { count: trains.length }, locate: locator(layout, trains) };
  return new Set(Array.from(parseLabelFile(table, target, labelsFile).index, (at) => trains[at]!));
}

function checkLabelsFile(
  data: DataSet,
  layout: FolderLayout,
  table: LabelTable,
  labelsFile: string,
  trains: readonly Slot[],
  remarks: string[],
  { keepLabels, published }: FolderOptions & Pick<FolderManner, "published">,
): void {
  const { index, y, leftOut = 0 } = parseLabelFile(table, data, labelsFile);
  const given = Array.from(index, (at, i) => ({ ...trains[at]!, label: y[i]! }));
  if (!published) rejectConflicts(layout.who, given, layout.classes);
  else remarks.push(...conflictRemark(given).map((remark) => `${labelsFile}: ${remark}`));
  if (leftOut > 0)
    remarks.push(
      `${leftOut} rows of ${labelsFile} name pictures that are held out for testing or damaged: passed over`,
    );
  const inFolders = Array.from(index).flatMap((at, i) => (trains[at]!.label >= 0 ? [trains[at]!.label === y[i]] : []));
  const other = inFolders.filter((same) => !same).length;
  if (2 * other > inFolders.length) {
    remarks.push(
      `${labelsFile} gives ${other} of ${inFolders.length} pictures in class folders another class than their folder: are its names or numbers meant otherwise? The file counts`,
    );
  }
  const named = new Set(index);
  const hidden = trains.filter(({ label }, i) => label >= 0 && !named.has(i)).length;
  if (hidden > 0 && !keepLabels)
    remarks.push(
      `${hidden} pictures in class folders are not in ${labelsFile}, so they count as unlabeled; --dataset.keepLabels keeps their labels`,
    );
}

/** A model's guess (`pseudo`) is for an unlabeled picture, even where a labeled one has the same name. */
function locator(layout: FolderLayout, trains: readonly Slot[]): NonNullable<DataSet["locate"]> {
  const find = pictureFinder(layout.files, layout.roots, layout.who);
  const without = layout.files.flatMap((file, slot) => (file.part === "unlabeled" ? [{ ...file, slot }] : []));
  const findWithout = pictureFinder(without, layout.roots, layout.who);
  const positions = new Map(trains.map(({ slot }, i) => [slot, i]));
  return (name, pseudo = false): Found => {
    const guessed = pseudo ? findWithout(name) : undefined;
    const slot = guessed === undefined ? find(name) : without[guessed]!.slot;
    if (slot === undefined) return undefined;
    const at = positions.get(slot);
    if (at === undefined) return "left out";
    return pseudo && trains[at]!.label >= 0 ? "labeled" : at;
  };
}
