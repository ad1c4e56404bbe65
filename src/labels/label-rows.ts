/** From the bytes of a label file to its rows, not looked up yet: CSV with a header (comma, semicolon or tab), or lines `name label`. */
import { readFileSync, statSync } from "node:fs";
import { DataError } from "../errors.js";
import { bytes } from "../files/packed.js";
import { classByName, isNoLabel, shown } from "./class-names.js";

/** A text of more does not fit into one string; ten million rows do. */
const maxFileBytes = 500_000_000;

/** A row of a label file as it stands there. */
export interface LabelRow {
  readonly line: number;
  readonly name: string;
  readonly label: string;
}

export interface LabelTable {
  /** Rows with a label. */
  readonly rows: readonly LabelRow[];
  /** It has a column `confidence`: a model gave these labels, so they are for pictures that have none. */
  readonly pseudo: boolean;
  /** What the user should know about how it was read. */
  readonly remarks: readonly string[];
}

/** Throws DataError where the file is missing, no file, unreadable, far too large to be one, or not what `parseRows` takes. */
export function readLabelTable(file: string, classes: readonly string[] = []): LabelTable {
  const { text, remarks } = readLabelText(file);
  const table = parseRows(text, file, classes);
  return { ...table, remarks: [...remarks, ...table.remarks] };
}

/** The text of a label file and how it was encoded, where that is not UTF-8. Throws DataError. */
export function readLabelText(file: string): { readonly text: string; readonly remarks: readonly string[] } {
  const info = statSync(file, { throwIfNoEntry: false });
  if (!info) throw new DataError(`${file}: there is no such labels file. Check --labels`);
  if (!info.isFile()) throw new DataError(`${file} is not a file; expected a labels file. Check --labels`);
  if (info.size > maxFileBytes)
    throw new DataError(`${file}: a labels file has at most ${bytes(maxFileBytes)}, found ${bytes(info.size)}`);
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw new DataError(`${file}: cannot be read (${(error as Error).message})`);
  }
  const encoding = encodingOf(content);
  if (encoding === "utf-8") return { text: content.toString("utf8"), remarks: [] };
  const text = new TextDecoder(encoding).decode(content);
  return { text, remarks: [`${file} is not UTF-8: it is read as ${encodingNames[encoding]}`] };
}

const encodingNames = { "utf-16le": "UTF-16", "utf-16be": "UTF-16", "windows-1252": "Windows-1252 (Latin-1)" } as const;

/** By its first two bytes (a mark, or the zero of a Latin letter); what is not UTF-8 is what Windows writes in the West. */
function encodingOf(content: Buffer): "utf-8" | keyof typeof encodingNames {
  const [first, second] = content;
  if ((first === 0xff && second === 0xfe) || (second === 0 && first !== 0 && first !== undefined)) return "utf-16le";
  if ((first === 0xfe && second === 0xff) || (first === 0 && second !== 0 && second !== undefined)) return "utf-16be";
  return isUtf8(content) ? "utf-8" : "windows-1252";
}

function isUtf8(content: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(content);
    return true;
  } catch {
    return false;
  }
}

const separators = [",", "\t", ";"] as const;

/**
 * The rows of a text. `classes`: those that are known; where one is called `nan`, `null` or -1, that is a label. Throws DataError with
 * `file:line`; there is at least one row with a label.
 */
export function parseRows(text: string, file: string, classes: readonly string[] = []): LabelTable {
  const content = text.replace(/^\uFEFF/, "");
  const firstLine = content.split(/\r\n|\r|\n/).find((line) => line.trim() !== "") ?? "";
  const separator =
    separators.find((mark) => columnsOf(firstLine, mark) !== undefined) ??
    separators.find((mark) => mark !== "\t" && firstLine.includes(mark));
  const table = separator === undefined ? readLines(content, file) : readTable(content, file, separator);
  if (table.rows.length === 0)
    throw new DataError(`${file}: holds no labels. Expected a header "file,label" or lines "name label"`);
  const byName = classByName(classes);
  const hasNone = ({ label }: LabelRow) => isNoLabel(label) && byName(label) === undefined;
  const rows = table.rows.filter((row) => !hasNone(row));
  const without = table.rows.find(hasNone);
  if (rows.length === 0) throw new DataError(`${file}: not one of its ${table.rows.length} rows has a label`);
  const remarks =
    without === undefined
      ? []
      : [
          `${table.rows.length - rows.length} rows of ${file} have no label (empty, nan or -1; the first on line ${without.line}): these images count as unlabeled`,
        ];
  return { rows, pseudo: table.pseudo, remarks };
}

/** Where a header says that name and label are; undefined where a line is no header. */
function columnsOf(line: string, separator: string): { readonly name: number; readonly label: number } | undefined {
  const fields = line.split(separator).map((field) =>
    field
      .trim()
      .replace(/^"(.*)"$/, "$1")
      .trim()
      .toLowerCase(),
  );
  const [name, label] = [fields.indexOf("file"), fields.indexOf("label")];
  return name < 0 || label < 0 ? undefined : { name, label };
}

/** Lines `name label`, split at the last tab, where there is one, else at the last blank: names may hold blanks. */
function readLines(content: string, file: string): Omit<LabelTable, "remarks"> {
  const rows: LabelRow[] = [];
  content.split(/\r\n|\r|\n/).forEach((raw, i) => {
    const text = raw.trim();
    if (text === "") return;
    const tab = raw.lastIndexOf("\t");
    const cut = tab > 0 ? tab : raw.trimEnd().lastIndexOf(" ");
    const [name, label] = [raw.slice(0, cut).trim(), raw.slice(cut + 1).trim()];
    if (cut < 0 || name === "") throw new DataError(`${file}:${i + 1}: expected "name label", found "${shown(text)}"`);
    if (rows.length === 0 && name.toLowerCase() === "file" && label.toLowerCase() === "label") return;
    rows.push({ line: i + 1, name, label });
  });
  return { rows, pseudo: false };
}

function readTable(content: string, file: string, separator: string): Omit<LabelTable, "remarks"> {
  const [header, ...records] = splitRecords(content, file, separator);
  const columns = header!.fields.map((field) => field.trim().toLowerCase());
  const [nameAt, labelAt] = [columns.indexOf("file"), columns.indexOf("label")];
  if (nameAt < 0 || labelAt < 0) {
    throw new DataError(
      `${file}:${header!.line}: expected a header with "file" and "label", found "${shown(header!.fields.join(","))}". Rename the columns that hold them`,
    );
  }
  const rows = records.map(({ line, fields }) => {
    if (fields.length !== columns.length) {
      throw new DataError(
        `${file}:${line}: expected ${columns.length} fields as in the header, found ${fields.length}`,
      );
    }
    return { line, name: fields[nameAt]!, label: fields[labelAt]! };
  });
  return { rows, pseudo: columns.includes("confidence") };
}

/**
 * Records of a text (RFC 4180; any line ending; blank lines passed over), each with the line it starts on. Blanks around a field are no part
 * of it, unless they are in quotes.
 */
function splitRecords(content: string, file: string, separator: string): { line: number; fields: string[] }[] {
  const records: { line: number; fields: string[] }[] = [];
  const [blankEnd, fieldEnd] = [new RegExp(`[${separator}"\\r\\n]`, "g"), new RegExp(`[${separator}\\r\\n]`, "g")];
  let line = 1;
  let start = 1;
  let fields: string[] = [];
  let field = "";
  let quoted = false;
  let blank = true; // nothing but blanks in the field so far, so a quote opens it
  const endField = () => {
    fields.push(quoted ? field : field.trim());
    [field, quoted, blank] = ["", false, true];
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
      [field, quoted, blank] = [text.replaceAll('""', '"'), true, false];
      at = close + 1;
    } else if (c === separator) {
      endField();
      at++;
    } else if (c === "\n" || c === "\r") {
      at += c === "\r" && content[at + 1] === "\n" ? 2 : 1;
      line++;
      endRecord();
    } else {
      const special = blank ? blankEnd : fieldEnd;
      special.lastIndex = at + 1;
      const end = special.exec(content)?.index ?? content.length;
      const text = content.slice(at, end);
      if (!quoted || text.trim() !== "") field += text;
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
