/** Label files: CSV with a header (`file,label`, other columns are passed over) or lines `name label`. */
import { DataError, nearest } from "../errors.js";
import type { DataSet } from "./dataset.js";

export interface GivenLabels {
  /** Positions in the training set, ascending, each once. */
  readonly index: Int32Array;
  /** Class of each. */
  readonly y: Int32Array;
}

interface Row {
  readonly line: number;
  readonly name: string;
  readonly label: string;
}

/**
 * Reads the text of a label file for `data`. An image is named as `data.nameOf` does, or by its position in the training
 * set; a class by name or index. Throws DataError with `file:line` on an unknown image or class, and where one image
 * gets two different labels. Labels in the file count, whatever the data set itself says.
 */
export function parseLabelFile(
  text: string,
  data: Pick<DataSet, "classes" | "train" | "nameOf">,
  file: string,
): GivenLabels {
  const content = text.replace(/^\uFEFF/, "");
  const firstLine = content.split(/\r\n|\r|\n/).find((line) => line.trim() !== "") ?? "";
  const rows = firstLine.includes(",") ? readCsv(content, file) : readLines(content, file);
  if (rows.length === 0)
    throw new DataError(`${file}: holds no labels. Expected a header "file,label" or lines "name label"`);
  const positionOf = imageFinder(data);
  const given = new Map<number, { y: number; line: number }>();
  for (const { line, name, label } of rows) {
    const where = `${file}:${line}`;
    const index = positionOf(name);
    if (index === undefined) {
      const example = data.nameOf ? `names such as "${data.nameOf(0)}" or ` : "";
      const range = `positions 0..${data.train.count - 1}`;
      throw new DataError(`${where}: no training image is called "${name}". Expected ${example}${range}`);
    }
    const y = classOf(label, data.classes, where);
    const before = given.get(index);
    if (before && before.y !== y) {
      const [old, now] = [data.classes[before.y], data.classes[y]];
      throw new DataError(`${where}: image "${name}" is labeled "${now}" here and "${old}" on line ${before.line}`);
    }
    if (!before) given.set(index, { y, line });
  }
  const index = Int32Array.from(given.keys()).sort();
  return { index, y: index.map((i) => given.get(i)!.y) };
}

/** Position of an image called so, or undefined. */
function imageFinder({ train, nameOf }: Pick<DataSet, "train" | "nameOf">): (name: string) => number | undefined {
  const byName = new Map<string, number>();
  if (nameOf) for (let i = 0; i < train.count; i++) byName.set(nameOf(i), i);
  return (name) => {
    const position = byName.get(name);
    if (position !== undefined) return position;
    return /^\d{1,10}$/.test(name) && Number(name) < train.count ? Number(name) : undefined;
  };
}

function classOf(label: string, classes: readonly string[], where: string): number {
  const byName = classes.indexOf(label);
  if (byName >= 0) return byName;
  if (/^\d{1,10}$/.test(label) && Number(label) < classes.length) return Number(label);
  const near = nearest(label, classes);
  const hint = near
    ? `Did you mean "${near}"?`
    : `Classes: ${classes.slice(0, 10).join(", ")}${classes.length > 10 ? ", ..." : ""}`;
  throw new DataError(`${where}: unknown class "${label}". ${hint}`);
}

/** Lines `name label`, split at the last blank: names may hold blanks, classes not. */
function readLines(content: string, file: string): Row[] {
  const rows: Row[] = [];
  content.split(/\r\n|\r|\n/).forEach((raw, i) => {
    const text = raw.trim();
    if (text === "") return;
    const cut = Math.max(text.lastIndexOf(" "), text.lastIndexOf("\t"));
    if (cut < 0) throw new DataError(`${file}:${i + 1}: expected "name label", found "${text.slice(0, 80)}"`);
    rows.push({ line: i + 1, name: text.slice(0, cut).trim(), label: text.slice(cut + 1) });
  });
  return rows;
}

function readCsv(content: string, file: string): Row[] {
  const [header, ...records] = splitCsv(content, file);
  const columns = header!.fields.map((field) => field.trim().toLowerCase());
  const [nameAt, labelAt] = [columns.indexOf("file"), columns.indexOf("label")];
  if (nameAt < 0 || labelAt < 0) {
    throw new DataError(
      `${file}:${header!.line}: expected a header with "file" and "label", found "${header!.fields.join(",").slice(0, 80)}"`,
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
  let at = 0;
  const endRecord = () => {
    fields.push(field);
    if (fields.length > 1 || field.trim() !== "") records.push({ line: start, fields });
    [fields, field, start] = [[], "", line];
  };
  while (at < content.length) {
    const c = content[at]!;
    if (c === '"' && field.trim() === "") {
      const opened = line;
      field = "";
      for (at++; ; at++) {
        if (at >= content.length) throw new DataError(`${file}:${opened}: a quote that opens here is never closed`);
        if (content[at] === '"') {
          if (content[at + 1] !== '"') break;
          at++;
        }
        if (content[at] === "\n") line++;
        field += content[at];
      }
    } else if (c === ",") {
      fields.push(field);
      field = "";
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && content[at + 1] === "\n") at++;
      line++;
      endRecord();
    } else {
      field += c;
    }
    at++;
  }
  endRecord();
  return records;
}
