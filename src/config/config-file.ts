/** Run configurations in YAML (or JSON), with the place of every key for errors; shipped experiments by name. */
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { isMap, isScalar, LineCounter, parseDocument, type Scalar, type YAMLMap } from "yaml";
import { nearest, UsageError } from "../errors.js";
import { packagePath } from "../package.js";
import { canonicalKey, type Describe, flatten, type Given } from "./given.js";
import { type Group, groups } from "./run-options.js";

export interface ConfigFile {
  readonly path: string;
  readonly given: Given;
  /** Free text about the configuration, from the key `description`. */
  readonly description: string;
  /** Names a key by file, line and column. */
  readonly describe: Describe;
}

/** Where shipped experiments lie, as `<data set>/<name>.yaml`. */
export const experimentsFolder = packagePath("experiments/");

/** Reads a file, or a shipped experiment by name ("digits/mean-teacher"). Throws UsageError with line and column. */
export function readConfigFile(nameOrPath: string, folder = experimentsFolder): ConfigFile {
  return parseConfig(...findConfig(nameOrPath, folder));
}

/** Names of the shipped experiments. */
export function experimentNames(folder = experimentsFolder): string[] {
  if (!existsSync(folder)) return [];
  const sets = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const names = sets.flatMap((set) =>
    readdirSync(join(folder, set.name))
      .filter((file) => file.endsWith(".yaml"))
      .map((file) => `${set.name}/${basename(file, ".yaml")}`),
  );
  return names.sort();
}

function findConfig(nameOrPath: string, folder: string): [string, string] {
  if (existsSync(nameOrPath) && statSync(nameOrPath).isFile()) return [nameOrPath, textOf(nameOrPath)];
  const shipped = join(folder, `${nameOrPath}.yaml`);
  const names = experimentNames(folder);
  if (names.includes(nameOrPath)) return [shipped, readFileSync(shipped, "utf8")];
  const near = nearest(nameOrPath, names);
  throw new UsageError(
    `fewlabels train: there is no file ${JSON.stringify(nameOrPath)}, and no shipped experiment of that name. ` +
      (near ? `Did you mean "${near}"?` : "`fewlabels list experiments` lists them"),
  );
}

/** What stands in a file that the user wrote. Throws UsageError where it may not be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UsageError(`${path}: cannot be read (${(error as Error).message})`);
  }
}

/** Parses the text of a configuration; `path` names it in errors. */
export function parseConfig(path: string, text: string): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lineCounter.linePos(offset);
    return `${path}:${line}:${col}`;
  };
  const problem = document.errors[0];
  if (problem) throw new UsageError(`${at(problem.pos[0])}: not valid YAML: ${problem.message}`);
  if (document.contents === null)
    throw new UsageError(`${path}:1:1: the file is empty; expected keys such as "dataset: digits"`);
  if (!isMap(document.contents)) {
    throw new UsageError(`${path}:1:1: expected keys and values such as "dataset: digits", found something else`);
  }
  const places = new Map<string, string>();
  const record = readMap(document.contents as YAMLMap, "", places, at);
  const describe: Describe = (key) => ({ who: places.get(key) ?? path, name: key });
  const { description = "", ...rest } = record;
  return { path, given: flatten(rest, describe), description: String(description).trim(), describe };
}

/** A number that is not written as JavaScript writes it stays text, as a flag has it: a folder `001`, a file `2024.10`. */
function scalarValue({ value, source }: Scalar): unknown {
  return typeof value === "number" && source !== undefined && source !== String(value) ? source : value;
}

function readMap(
  map: YAMLMap,
  prefix: string,
  places: Map<string, string>,
  at: (offset: number) => string,
): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const { key, value } of map.items) {
    const range = (key as { range?: readonly number[] }).range;
    const where = at(range?.[0] ?? 0);
    if (!isScalar(key) || typeof key.value !== "string") throw new UsageError(`${where}: expected a name as key`);
    const path = `${prefix}${key.value}`;
    places.set(canonicalKey(path), where);
    if (isMap(value)) {
      if (prefix !== "" || !groups.includes(key.value as Group)) {
        throw new UsageError(
          `${where}: expected one value for ${path}, found keys below it (only ${groups.join(", ")} have some)`,
        );
      }
      record[key.value] = readMap(value as YAMLMap, `${path}.`, places, at);
    } else if (value === null || isScalar(value)) {
      record[key.value] = value === null ? null : scalarValue(value);
    } else {
      throw new UsageError(`${where}: expected one value for ${path}, found a list or a reference`);
    }
  }
  return record;
}
