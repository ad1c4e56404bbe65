/** From a definition to the runs of one scale: every arm's options, every run's folder. */
import { join } from "node:path";
import { catalog as builtIn, families, filesOf, type Listing, type Listed as Named } from "../config/catalog.js";
import { canonicalKey, flatten, type Given, splitKey } from "../config/given.js";
import { type Group, groups, neutralOptions, runOptions } from "../config/run-options.js";
import { UsageError } from "../errors.js";
import type { OptionSpec, OptionType } from "../options.js";
import { type Profile, readProfile, shrunkText } from "./catalog.js";
import { type Definition, fileName, type Layer, type RowOrColumn, type Scale } from "./definition/definition.js";

export interface Arm {
  /** "row/column". */
  readonly key: string;
  readonly row: RowOrColumn;
  readonly column: RowOrColumn;
  /** Options by dotted key, without seeds and folders. */
  readonly given: Given;
  /** By key of `given` the files of what it names that is not the package's own. */
  readonly files: ReadonlyMap<string, string>;
}

export interface PlannedRun {
  readonly arm: Arm;
  readonly seed: number;
  /** "row/column/seed-1". */
  readonly key: string;
  readonly folder: string;
  readonly given: Given;
  /** Key of the run whose predictions this one starts from. */
  readonly needs?: string;
  readonly source?: PlannedRun;
}

export interface Plan {
  readonly definition: Definition;
  readonly scale: Scale;
  readonly profile?: Profile;
  /** How scale small shrinks it, in words. */
  readonly shrunk?: string;
  readonly out: string;
  readonly arms: readonly Arm[];
  readonly seeds: readonly number[];
  readonly runs: readonly PlannedRun[];
}

export interface PlanOptions {
  readonly scale: Scale;
  readonly out: string;
  readonly seeds?: readonly number[];
  /** "row", "row/column" or "*\/column"; all arms if not given. */
  readonly only?: readonly string[];
  /** Options laid over every arm. */
  readonly overrides?: Readonly<Record<string, unknown>>;
  /** What names mean; default what comes with the package. */
  readonly catalog?: Listing;
  /** Where definitions and profiles lie, for tests. */
  readonly folder?: string;
}

/** Throws UsageError for an `only` that names no arm. */
export function planExperiment(definition: Definition, options: PlanOptions): Plan {
  const { scale, out, seeds = definition.seeds[scale], only, overrides = {}, catalog, folder } = options;
  const profile = scale === "small" ? readProfile(definition.profile, folder) : undefined;
  const all = armsOf(definition, scale, profile, overrides, catalog);
  const arms = only === undefined ? all : selectArms(definition, all, only);
  const runs = seeds.flatMap((seed, i) =>
    arms.filter(({ column }) => i < (column.runs ?? seeds.length)).map((arm) => runOf(arm, seed, out, all)),
  );
  const shrunk =
    profile &&
    shrunkText(
      profile,
      arms.map(({ given }) => Object.fromEntries(given)),
    );
  return { definition, scale, out, arms, seeds, runs, ...(profile && { profile, shrunk: shrunk! }) };
}

/** All arms in the order of the paper. Later layers win: profile, settings, row, column, cell. */
export function armsOf(
  definition: Definition,
  scale: Scale,
  profile: Profile | undefined,
  overrides: Readonly<Record<string, unknown>> = {},
  catalog: Listing = builtIn,
): Arm[] {
  const { rows, columns, settings, cells, skip } = definition;
  return rows.flatMap((row) =>
    columns.flatMap((column): Arm[] => {
      const key = `${row.name}/${column.name}`;
      if (
        column.runsOf !== undefined ||
        skip.includes(key) ||
        [row.onlyAt ?? scale, column.onlyAt ?? scale].some((only) => only !== scale)
      )
        return [];
      const own = [settings, row, column, cells[key]].filter((layer) => layer !== undefined);
      const method = [...own].reverse().map(methodOf).find(Boolean);
      if (method === undefined) throw new UsageError(`${definition.file}: arm ${key} has no method`);
      const shrunk = profile ? [profile.base, { method }, profile.methods[method] ?? {}] : [];
      const layers = [
        // What an experiment says of itself holds over the profile.
        ...shrunk,
        settings.options,
        settings[scale],
        ...own.slice(1).flatMap((layer) => [layer.options, layer[scale]]),
        overrides,
      ];
      const given = mergeLayers(layers);
      return [{ key, row, column, given, files: filesOf(given, catalog) }];
    }),
  );
}

/**
 * The later of equal keys wins, whatever way they are written: `model: { width: 2 }` or `model.width: 2`. Another model,
 * method, data set or optimizer drops the options of the one before it.
 */
export function mergeLayers(layers: readonly Readonly<Record<string, unknown>>[]): Given {
  const merged = new Map<string, unknown>();
  for (const layer of layers) {
    const given = flatten(layer);
    for (const part of groups) {
      const name = canonicalKey(`${part}.name`);
      const before = merged.get(name);
      if (before === undefined || !given.has(name) || given.get(name) === before) continue;
      for (const key of [...merged.keys()]) if (key.startsWith(`${part}.`)) merged.delete(key);
    }
    for (const [key, value] of given) merged.set(key, value);
  }
  return merged;
}

function methodOf({ options }: Layer): string | undefined {
  const name = flatten(options).get("method");
  return name === undefined ? undefined : String(name);
}

function runOf(arm: Arm, seed: number, out: string, all: readonly Arm[]): PlannedRun {
  const place = (row: string) => `${row}/${arm.column.name}/seed-${seed}`;
  const { predictionsOf } = arm.row;
  const teacher = all.find(({ row, column }) => row.name === predictionsOf && column === arm.column);
  return {
    arm,
    seed,
    key: place(arm.row.name),
    folder: join(out, "arms", fileName(arm.row.name), fileName(arm.column.name), `seed-${seed}`),
    given: new Map([...arm.given, ["seed", seed], ["labelSeed", seed]]),
    ...(predictionsOf !== undefined && { needs: place(predictionsOf) }),
    ...(teacher && { source: runOf(teacher, seed, out, all) }),
  };
}

function selectArms(definition: Definition, arms: readonly Arm[], only: readonly string[]): Arm[] {
  const chosen = new Set<Arm>();
  for (const wanted of only) {
    const [row = "", column = "*", ...more] = wanted.split("/");
    const named = (name: string, pattern: string) => pattern === "*" || name === pattern;
    const found = arms.filter((arm) => more.length === 0 && named(arm.row.name, row) && named(arm.column.name, column));
    if (found.length === 0) {
      const names = `rows ${definition.rows.map(({ name }) => name).join(", ")}; columns ${definition.columns.map(({ name }) => name).join(", ")}`;
      throw new UsageError(
        `fewlabels experiment: --only ${wanted} names no arm of ${definition.name}. Give ROW, ROW/COLUMN, 'ROW/*' or '*/COLUMN'; ${names}`,
      );
    }
    for (const arm of found) chosen.add(arm);
    const needed = found.flatMap(({ row: { predictionsOf }, column: { name } }) =>
      arms.filter((arm) => arm.row.name === predictionsOf && arm.column.name === name),
    );
    for (const arm of needed) chosen.add(arm);
  }
  return arms.filter((arm) => chosen.has(arm));
}

/**
 * The options that decide a run's result, as text: a run whose text changed is another run. What else decides it: `run-inputs.ts`.
 * However a value is written (600 in a file, "600" as a flag, 0.5 or 0.50), the text is the same.
 */
export function definitionText(given: Given): string {
  return textOf(given, (key, value) => (typeof value === "string" ? typedValue(typeOf(key), value) : value));
}

/** As earlier versions wrote it: values as they were given. */
export const textAsGiven = (given: Given) => textOf(given, (_, value) => value);

/** Whether `text`, of whatever version, is the definition of `given`. */
export function isDefinitionOf(text: string, given: Given): boolean {
  const now = definitionText(given);
  if (text === now) return true;
  try {
    return definitionText(new Map(Object.entries(JSON.parse(text) as object))) === now;
  } catch {
    return false;
  }
}

function textOf(given: Given, written: (key: string, value: unknown) => unknown): string {
  const ignored: readonly string[] = [...neutralOptions, "out", "resume"];
  const entries = [...given]
    .filter(([key]) => !ignored.includes(key))
    .map(([key, value]) => [key, written(key, value)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return `${JSON.stringify(Object.fromEntries(entries), null, 1)}\n`;
}

/** How the option is declared; undefined for one from outside the package. */
function typeOf(key: string): OptionType | undefined {
  const [name, inner] = splitKey(key);
  if (inner === undefined) return (runOptions as OptionSpec)[name]?.type;
  const family: readonly Named[] = builtIn[families[name as Group]?.list] ?? [];
  return family.find(({ options }) => Object.hasOwn(options, inner))?.options[inner]?.type;
}

function typedValue(type: OptionType | undefined, word: string): unknown {
  if (type === "boolean" && (word === "true" || word === "false")) return word === "true";
  const number = Number(word);
  const isNumber = (type === "number" || type === "integer") && word.trim() !== "" && Number.isFinite(number);
  return isNumber || (Number.isFinite(number) && String(number) === word) ? number : word;
}
