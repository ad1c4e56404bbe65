/** From an experiment file to its definition. */
import { UsageError } from "../../errors.js";
import { checkNames, checkRuns } from "./checks.js";
import { type Definition, KINDS, type Layer, type Published, type RowOrColumn, SCALES } from "./definition.js";
import { type Fields, keysOf, list, number, oneOf, onlyKeys, parseYaml, record, words } from "./fields.js";

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
      paper: seedsOf(seeds.paper, "seeds.paper", file),
      small: seedsOf(seeds.small, "seeds.small", file),
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

/** Three where nothing is given; each is a run of every arm. */
function seedsOf(value: unknown, where: string, file: string): readonly number[] {
  const given = list(value ?? [1, 2, 3], where, file);
  const seeds = given.map((one, i) => number(one, `${where}[${i}]`, file, { whole: true, least: 0 }));
  if (seeds.length > 0 && new Set(seeds).size === seeds.length) return seeds;
  throw new UsageError(`${file}: ${where}: expected seeds that differ, one at least, got ${JSON.stringify(given)}`);
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
      ...(one.x !== undefined && { x: number(one.x, `${where}.${name}.x`, file) }),
      ...(one.role !== undefined && { role: String(one.role) }),
      ...(one.onlyAt !== undefined && { onlyAt: oneOf(SCALES, one.onlyAt, `${where}.${name}.onlyAt`, file) }),
      ...(one.runsOf !== undefined && { runsOf: String(one.runsOf) }),
      ...(one.runs !== undefined && {
        runs: number(one.runs, `${where}.${name}.runs`, file, { whole: true, least: 1 }),
      }),
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
