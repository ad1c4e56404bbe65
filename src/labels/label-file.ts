/** Label files: CSV with a header (`file,label`, other columns are passed over) or lines `name label`. */
import { readFileSync, statSync } from "node:fs";
import { DataError, nearest } from "../errors.js";
import { bytes } from "../files/packed.js";

/** A text of more does not fit into one string; ten million rows do. */
const maxFileBytes = 500_000_000;

export interface GivenLabels {
  /** Positions in the training set, ascending, each once. */
  readonly index: Int32Array;
  /** Class of each. */
  readonly y: Int32Array;
  /** Rows about images that are not trained on (held out for testing, damaged): passed over. */
  readonly leftOut?: number;
}

/** What a label file is read for: training images, their names and classes. A `DataSet` is one. */
export interface LabelTarget {
  readonly classes: readonly string[];
  readonly train: { readonly count: number };
  /** Name of an image as label files call it, where images have such names. */
  nameOf?(index: number): string;
  /** See `DataSet.locate`. */
  locate?(name: string): number | "left out" | undefined;
}

/** A row of a label file as it stands there. */
export interface LabelRow {
  readonly line: number;
  readonly name: string;
  readonly label: string;
}

/**
 * Reads the text of a label file for `data`. An image is named as `data.nameOf` does, or by its position in the training
 * set; a class by name or index. Throws DataError with `file:line` on an unknown image or class, and where one image
 * gets two different labels. Labels in the file count, whatever the data set itself says.
 */
export function parseLabelFile(text: string, data: LabelTarget, file: string): GivenLabels {
  const rows = readLabelRows(text, file);
  const positionOf = imageFinder(data);
  const given = new Map<number, { y: number; line: number }>();
  let leftOut = 0;
  for (const { line, name, label } of rows) {
    const where = `${file}:${line}`;
    const index = positionOf(name);
    if (index === "left out") {
      leftOut++;
      continue;
    }
    if (index === undefined) {
      const example = data.nameOf ? `names such as "${data.nameOf(0)}" or ` : "";
      const range = `positions 0..${data.train.count - 1}`;
      throw new DataError(`${where}: no training image is called "${shown(name)}". Expected ${example}${range}`);
    }
    const y = classOf(label, data.classes, where);
    const before = given.get(index);
    if (before && before.y !== y) {
      const [old, now] = [data.classes[before.y], data.classes[y]];
      throw new DataError(
        `${where}: image "${shown(name)}" is labeled "${now}" here and "${old}" on line ${before.line}`,
      );
    }
    if (!before) given.set(index, { y, line });
  }
  if (given.size === 0)
    throw new DataError(
      `${file}: all ${leftOut} images it names are held out for testing or damaged; none is left to train on`,
    );
  const index = Int32Array.from(given.keys()).sort();
  return { index, y: index.map((i) => given.get(i)!.y), ...(leftOut > 0 ? { leftOut } : {}) };
}

/** The text of a label file. Throws DataError where it is missing, no file, unreadable or far too large to be one. */
export function readLabelText(file: string): string {
  const info = statSync(file, { throwIfNoEntry: false });
  if (!info) throw new DataError(`${file}: there is no such labels file. Check --labels`);
  if (!info.isFile()) throw new DataError(`${file} is not a file; expected a labels file. Check --labels`);
  if (info.size > maxFileBytes)
    throw new DataError(`${file}: a labels file has at most ${bytes(maxFileBytes)}, found ${bytes(info.size)}`);
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw new DataError(`${file}: cannot be read (${(error as Error).message})`);
  }
}

/** What a file says, fit to be printed: short, without control characters. */
function shown(text: string): string {
  return (text.length > 80 ? `${text.slice(0, 80)}...` : text).replace(/\p{Cc}/gu, "?");
}

/** The rows of a label file, CSV or lines, not looked up yet. Throws DataError with `file:line`; there is at least one. */
export function readLabelRows(text: string, file: string): LabelRow[] {
  const content = text.replace(/^\uFEFF/, "");
  const firstLine = content.split(/\r\n|\r|\n/).find((line) => line.trim() !== "") ?? "";
  const rows = firstLine.includes(",") ? readCsv(content, file) : readLines(content, file);
  if (rows.length === 0)
    throw new DataError(`${file}: holds no labels. Expected a header "file,label" or lines "name label"`);
  return rows;
}

/** Position of an image called so, or undefined. */
function imageFinder({
  train,
  nameOf,
  locate,
}: Omit<LabelTarget, "classes">): (name: string) => number | "left out" | undefined {
  if (locate) return locate;
  const byName = new Map<string, number>();
  if (nameOf) for (let i = 0; i < train.count; i++) byName.set(nameOf(i), i);
  return (name) => {
    const position = byName.get(name);
    if (position !== undefined) return position;
    return /^\d{1,10}$/.test(name) && Number(name) < train.count ? Number(name) : undefined;
  };
}

/** Index of a class by name, or by number. Throws DataError with the nearest name. */
export function classOf(label: string, classes: readonly string[], where: string): number {
  const byName = classes.indexOf(label);
  if (byName >= 0) return byName;
  if (/^\d{1,10}$/.test(label) && Number(label) < classes.length) return Number(label);
  const near = label.length > 100 ? undefined : nearest(label, classes); // its time grows with the length
  const hint = near
    ? `Did you mean "${near}"?`
    : `Classes: ${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", ..." : ""}`;
  throw new DataError(`${where}: unknown class "${shown(label)}". ${hint}`);
}

/** Lines `name label`, split at the last blank: names may hold blanks, classes not. */
function readLines(content: string, file: string): LabelRow[] {
  const rows: LabelRow[] = [];
  content.split(/\r\n|\r|\n/).forEach((raw, i) => {
    const text = raw.trim();
    if (text === "") return;
    const cut = Math.max(text.lastIndexOf(" "), text.lastIndexOf("\t"));
    if (cut < 0) throw new DataError(`${file}:${i + 1}: expected "name label", found "${shown(text)}"`);
    rows.push({ line: i + 1, name: text.slice(0, cut).trim(), label: text.slice(cut + 1) });
  });
  return rows;
}

function readCsv(content: string, file: string): LabelRow[] {
  const [header, ...records] = splitCsv(content, file);
  const columns = header!.fields.map((field) => field.trim().toLowerCase());
  const [nameAt, labelAt] = [columns.indexOf("file"), columns.indexOf("label")];
  if (nameAt < 0 || labelAt < 0) {
    throw new DataError(
      `${file}:${header!.line}: expected a header with "file" and "label", found "${shown(header!.fields.join(","))}"`,
    );
  }
  return records.map(({ line, fields }) => {
    if (fields.length !== columns.length) {
      throw new DataError(
        `${file}:${line}: expected ${columns.length} fields as in the header, found ${fields.length}`,
      );
    }
    return { line, name: fields[nameAt]!.trim(), label: fields[labelAt]!.trim() };
  });
}

/** Records of a CSV text (RFC 4180; any line ending; blank lines passed over), each with the line it starts on. */
function splitCsv(content: string, file: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  let line = 1;
  let start = 1;
  let fields: string[] = [];
  let field = "";
  let blank = true; // nothing but blanks in the field so far, so a quote opens it
  const endField = () => {
    fields.push(field);
    [field, blank] = ["", true];
  };
  const endRecord = () => {
    endField();
    if (fields.length > 1 || fields[0]!.trim() !== "") records.push({ line: start, fields });
    [fields, start] = [[], line];
  };
  for (let at = 0; at < content.length; ) {
    const c = content[at]!;
    if (c === '"' && blank) {
      const close = closingQuote(content, at);
      if (close < 0) throw new DataError(`${file}:${line}: a quote that opens here is never closed`);
      const text = content.slice(at + 1, close);
      line += text.split("\n").length - 1;
      [field, blank] = [text.replaceAll('""', '"'), false];
      at = close + 1;
    } else if (c === ",") {
      endField();
      at++;
    } else if (c === "\n" || c === "\r") {
      at += c === "\r" && content[at + 1] === "\n" ? 2 : 1;
      line++;
      endRecord();
    } else {
      const special = blank ? /[,"\r\n]/g : /[,\r\n]/g;
      special.lastIndex = at + 1;
      const end = special.exec(content)?.index ?? content.length;
      const text = content.slice(at, end);
      field += text;
      blank &&= text.trim() === "";
      at = end;
    }
  }
  endRecord();
  return records;
}

/** Where the quote that opens at `open` closes; a doubled one does not. -1: nowhere. */
function closingQuote(content: string, open: number): number {
  for (let at = open + 1; ; ) {
    const quote = content.indexOf('"', at);
    if (quote < 0 || content[quote + 1] !== '"') return quote;
    at = quote + 2;
  }
}
