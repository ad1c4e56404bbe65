/** What an experiment file says: arms by row and column, published values, claims. `docs/experiments.md` explains the keys. */
import { type Document, isMap, isScalar, parseDocument } from "yaml";
import { textOf } from "../config/config-file.js";
import { UsageError, unknownName } from "../errors.js";

export const SCALES = ["paper", "small"] as const;
export type Scale = (typeof SCALES)[number];

/** `table`: errors in rows and columns; `sensitivity`: error over the columns' x; `curves`: error over steps; `regions`: decision regions. */
export const KINDS = ["table", "sensitivity", "curves", "regions"] as const;
export type Kind = (typeof KINDS)[number];

/** Run options, and under `paper` and `small` those of one scale only. */
export interface Layer {
  readonly options: Readonly<Record<string, unknown>>;
  readonly paper: Readonly<Record<string, unknown>>;
  readonly small: Readonly<Record<string, unknown>>;
}

export interface RowOrColumn extends Layer {
  readonly name: string;
  readonly label: string;
  /** Place on the x axis of a sensitivity plot. */
  readonly x?: number;
  /** Whose error counts ("teacher"); default: the method's predictor. */
  readonly role?: string;
  /** The scale at which it exists; both, if not given. */
  readonly onlyAt?: Scale;
  /** Another column, whose runs this one reads once more, with `metric`: top-1 and top-5 of the same runs. */
  readonly runsOf?: string;
  /** Seeds at the most: the papers ran fewer with all labels. */
  readonly runs?: number;
  /** What of a run's result counts: "top5Error", or "valError", on validation images where they were held out; `error` if not given. */
  readonly metric?: string;
  /** Another row, whose run of the same column and seed stores the predictions that this one starts from. */
  readonly predictionsOf?: string;
}

/** A printed value, in the unit of the paper. */
export interface Published {
  readonly row: string;
  readonly column: string;
  readonly mean: number;
  readonly sd?: number;
  /** T: read in the paper; C: in its code; m-H, m-M, m-L: recalled, with high, middling or low confidence. */
  readonly mark: string;
  readonly source: string;
}

/** "`better` has a lower error than `worse`": two rows, or two arms ("row/column"). */
export interface Claim {
  readonly text: string;
  readonly better: string;
  readonly worse: string;
  /** All that both have, if not given. */
  readonly columns?: readonly string[];
}

/** A row of the paper that cannot be run here. */
export interface Listed {
  readonly row: string;
  readonly why: string;
  readonly nearest: string;
}

export interface Definition {
  /** "mean-teacher/table-2". */
  readonly name: string;
  readonly file: string;
  readonly title: string;
  readonly paper: string;
  readonly kind: Kind;
  readonly notes: string;
  readonly unit: "error" | "accuracy";
  /** Name and scale of the x axis of a sensitivity plot. */
  readonly xAxis: { readonly label: string; readonly scale: "linear" | "log" | "names" };
  readonly settings: Layer;
  readonly rows: readonly RowOrColumn[];
  readonly columns: readonly RowOrColumn[];
  /** By "row/column". */
  readonly cells: Readonly<Record<string, Layer>>;
  /** "row/column" pairs that the paper does not have. */
  readonly skip: readonly string[];
  readonly seeds: Readonly<Record<Scale, readonly number[]>>;
  /** Name of the profile that shrinks it: `experiments/scales/small/PROFILE.yaml`. */
  readonly profile: string;
  readonly published: readonly Published[];
  readonly listed: readonly Listed[];
  readonly claims: readonly Claim[];
}

type Fields = Readonly<Record<string, unknown>>;
const topKeys = [
  ...["title", "paper", "kind", "notes", "unit", "xAxis", "settings", "rows", "columns", "cells", "skip", "seeds"],
  ...["profile", "published", "listed", "claims"],
];

/** Reads one definition. Throws UsageError that says which key of which file is wrong. */
export function readDefinition(name: string, file: string): Definition {
  const document = parseYaml(file);
  const top = record(document.toJS(), "the file", file);
  onlyKeys(top, topKeys, file);
  const rows = linesOf(top.rows, "rows", file, keysOf(document, "rows"));
  const columns = linesOf(top.columns ?? { all: {} }, "columns", file, keysOf(document, "columns"));
  const axis = record(top.xAxis ?? {}, "xAxis", file);
  const seeds = record(top.seeds ?? {}, "seeds", file);
  const definition: Definition = {
    name,
    file,
    title: words(top.title, "title", file),
    paper: words(top.paper, "paper", file),
    kind: oneOf(KINDS, top.kind ?? "table", "kind", file),
    notes: String(top.notes ?? "").trim(),
    unit: oneOf(["error", "accuracy"], top.unit ?? "error", "unit", file),
    xAxis: {
      label: String(axis.label ?? "setting"),
      scale: oneOf(["linear", "log", "names"], axis.scale ?? "names", "xAxis.scale", file),
    },
    settings: layerOf(record(top.settings ?? {}, "settings", file), "settings", file),
    rows,
    columns,
    cells: Object.fromEntries(
      Object.entries(record(top.cells ?? {}, "cells", file)).map(([key, value]) => [
        key,
        layerOf(record(value, `cells.${key}`, file), `cells.${key}`, file),
      ]),
    ),
    skip: list(top.skip, "skip", file).map(String),
    seeds: {
      paper: list(seeds.paper ?? [1, 2, 3], "seeds.paper", file).map(Number),
      small: list(seeds.small ?? [1, 2, 3], "seeds.small", file).map(Number),
    },
    profile: words(top.profile, "profile", file),
    published: publishedOf(top.published, file),
    listed: list(top.listed, "listed", file).map((one, i) => {
      const { row, why, nearest } = record(one, `listed[${i}]`, file);
      const [a, b, c] = [row, why, nearest].map((value) => words(value, `listed[${i}]`, file));
      return { row: a!, why: b!, nearest: c! };
    }),
    claims: list(top.claims, "claims", file).map((one, i) => {
      const { text, better, worse, columns: where } = record(one, `claims[${i}]`, file);
      const [a, b, c] = [text, better, worse].map((value) => words(value, `claims[${i}]`, file));
      const columnNames = where === undefined ? undefined : list(where, `claims[${i}].columns`, file).map(String);
      return { text: a!, better: b!, worse: c!, ...(columnNames && { columns: columnNames }) };
    }),
  };
  checkNames(definition);
  checkRuns(definition);
  return definition;
}

/** Of a row or column, as its folder is called. */
export const fileName = (name: string) => name.replace(/[^\w.+-]+/g, "_");

/** A run that starts from another's predictions has that one, at every scale; no two rows or columns share a folder. */
function checkRuns({ file, rows, columns, skip }: Definition): void {
  for (const [kind, lines] of Object.entries({ rows, columns })) {
    const folders = new Map<string, string>();
    for (const { name } of lines) {
      const [folder, shown] = [fileName(name), JSON.stringify(name)];
      const other = folders.get(folder);
      folders.set(folder, shown);
      if (other === undefined) continue;
      throw new UsageError(
        `${file}: ${kind}: expected names that differ in their folders, got ${other} and ${shown}, both ${folder}. Rename one`,
      );
    }
  }
  for (const row of rows) {
    const source = rows.find(({ name }) => name === row.predictionsOf);
    for (const column of source ? columns : []) {
      const [own, needed] = [`${row.name}/${column.name}`, `${source!.name}/${column.name}`];
      if (column.runsOf !== undefined || skip.includes(own)) continue;
      const elsewhere = source!.onlyAt !== undefined && ![row.onlyAt, column.onlyAt].includes(source!.onlyAt);
      if (!skip.includes(needed) && !elsewhere) continue;
      const why = elsewhere ? `exists at scale ${source!.onlyAt} only` : "is skipped";
      throw new UsageError(
        `${file}: rows.${row.name}.predictionsOf: ${own} starts from the predictions of ${needed}, which ${why}. Leave ${own} out too, or name another row`,
      );
    }
  }
}

/** Every name that another part refers to exists. */
function checkNames({ file, rows, columns, claims, cells, skip, published }: Definition): void {
  const known = { row: rows.map(({ name }) => name), column: columns.map(({ name }) => name) };
  const check = (kind: "row" | "column", name: string, where: string) => {
    if (!known[kind].includes(name)) throw new UsageError(unknownName(`${file}: ${where}`, kind, name, known[kind]));
  };
  for (const { better, worse, columns: where = [] } of claims) {
    for (const side of [better, worse]) {
      const [row = "", column] = side.split("/");
      check("row", row, "claims");
      if (column !== undefined) check("column", column, "claims");
    }
    for (const column of where) check("column", column, "claims");
  }
  for (const key of [...Object.keys(cells), ...skip]) {
    const [row = "", column = ""] = key.split("/");
    check("row", row, key in cells ? "cells" : "skip");
    check("column", column, key in cells ? "cells" : "skip");
  }
  for (const { predictionsOf } of rows) if (predictionsOf) check("row", predictionsOf, "predictionsOf");
  for (const { runsOf } of columns) if (runsOf !== undefined) check("column", runsOf, "runsOf");
  for (const { column } of published) check("column", column, "published");
}

/** A YAML file as a record. Throws UsageError with its line. */
export function readYaml(file: string): Fields {
  return record(parseYaml(file).toJS(), "the file", file);
}

function parseYaml(file: string): Document {
  const document = parseDocument(textOf(file));
  const problem = document.errors[0];
  if (problem) throw new UsageError(`${file}: not valid YAML: ${problem.message}`);
  return document;
}

/** Keys as they stand in the file: a JavaScript object would put "1" before "0.1". Undefined where there are none. */
function keysOf(document: Document, part: string): readonly string[] | undefined {
  const map = document.get(part);
  return isMap(map) ? map.items.map(({ key }) => String(isScalar(key) ? key.value : key)) : undefined;
}

const ownKeys = ["paper", "small", "label", "x", "role", "predictionsOf", "onlyAt", "runsOf", "metric", "runs"];

function linesOf(value: unknown, where: string, file: string, order?: readonly string[]): RowOrColumn[] {
  const lines = record(value, where, file);
  return (order ?? Object.keys(lines)).map((name) => {
    const one = record(lines[name] ?? {}, `${where}.${name}`, file);
    if (name.includes("/")) throw new UsageError(`${file}: ${where}.${name}: a name may not contain "/"`);
    return {
      name,
      label: String(one.label ?? name),
      ...(one.x !== undefined && { x: Number(one.x) }),
      ...(one.role !== undefined && { role: String(one.role) }),
      ...(one.onlyAt !== undefined && { onlyAt: oneOf(SCALES, one.onlyAt, `${where}.${name}.onlyAt`, file) }),
      ...(one.runsOf !== undefined && { runsOf: String(one.runsOf) }),
      ...(one.runs !== undefined && { runs: Number(one.runs) }),
      ...(one.metric !== undefined && { metric: String(one.metric) }),
      ...(one.predictionsOf !== undefined && { predictionsOf: String(one.predictionsOf) }),
      ...layerOf(one, `${where}.${name}`, file),
    };
  });
}

function layerOf(given: Fields, where: string, file: string): Layer {
  return {
    options: Object.fromEntries(Object.entries(given).filter(([key]) => !ownKeys.includes(key))),
    paper: record(given.paper ?? {}, `${where}.paper`, file),
    small: record(given.small ?? {}, `${where}.small`, file),
  };
}

/** `published: { source, mark, values: { row: { mark?, column: "46.43 +- 1.21" } } }`, or a list of such blocks. */
function publishedOf(value: unknown, file: string): Published[] {
  const blocks = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return blocks.flatMap((block, i) => {
    const where = `published[${i}]`;
    const { source, mark, values, ...rest } = record(block, where, file);
    onlyKeys(rest, [], `${file}: ${where}`);
    return Object.entries(record(values, `${where}.values`, file)).flatMap(([row, given]) => {
      const { mark: own, ...cells } = record(given, `${where}.values.${row}`, file);
      return Object.entries(cells).map(([column, text]) => {
        const match = /^(\d+(?:\.\d+)?)(?: \+- (\d*\.?\d+))?$/.exec(String(text));
        if (!match) {
          throw new UsageError(`${file}: ${where}.values.${row}.${column}: expected "12.31 +- 0.28", got "${text}"`);
        }
        return {
          row,
          column,
          mean: Number(match[1]),
          ...(match[2] !== undefined && { sd: Number(match[2]) }),
          mark: String(own ?? mark),
          source: words(source, `${where}.source`, file),
        };
      });
    });
  });
}

function record(value: unknown, where: string, file: string): Fields {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return Object.fromEntries(Object.entries(value));
  throw new UsageError(`${file}: ${where}: expected keys and values, got ${JSON.stringify(value)}`);
}

function list(value: unknown, where: string, file: string): readonly unknown[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value;
  throw new UsageError(`${file}: ${where}: expected a list, got ${JSON.stringify(value)}`);
}

function words(value: unknown, where: string, file: string): string {
  if (typeof value === "string" && value.trim() !== "") return value.trim();
  throw new UsageError(`${file}: ${where}: expected text, got ${JSON.stringify(value)}`);
}

function oneOf<const C extends readonly string[]>(choices: C, value: unknown, where: string, file: string): C[number] {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  throw new UsageError(unknownName(file, where, String(value), choices));
}

function onlyKeys(given: Fields, known: readonly string[], who: string): void {
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw new UsageError(unknownName(who, "key", key, known));
  }
}
