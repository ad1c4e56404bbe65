/**
 * Definitions from outside the package: `--method ./mine.mjs` (or `--model`, `--dataset`, `--optimizer`), or the name of an
 * installed package. One loader for all kinds.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { namesOf, UsageError } from "../errors.js";
import { defineMethod } from "../methods/index.js";
import { defineModel } from "../models/index.js";
import { defineOptimizer } from "../optim/index.js";
import type { OptionSpec } from "../options.js";
import { otherCopies, packagePath } from "../package.js";
import { type Catalog, catalog, type Definitions, extend, families } from "./catalog.js";
import { checkFields } from "./plugin-check.js";
import { type Group, groups } from "./run-options.js";

export type { Definitions } from "./catalog.js";

/** The name under which a file may export its definition, beside `default`. */
const exportNames = { dataset: "dataSet", method: "method", model: "model", optimizer: "optimizer" } as const;

/** Whether something is given by a path and not by a name. */
export function isPluginPath(given: string): boolean {
  return given.startsWith(".") || isAbsolute(given) || given.includes("\\") || /\.(js|mjs|cjs|ts|mts)$/.test(given);
}

/**
 * The absolute path of the file that `given` means seen from `folder`: a path, or a package that is installed there and
 * whose name nothing of that kind in `known` has. Undefined for a mere name. Throws UsageError if a path leads to no file.
 */
export function findPluginFile(
  kind: Group,
  given: string,
  folder: string,
  known: Catalog = catalog,
): string | undefined {
  if (!isPluginPath(given)) {
    return namesOf(known[families[kind].list]).includes(given) ? undefined : packageEntry(given, folder);
  }
  const path = resolve(folder, given);
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new UsageError(`--${kind} ${given}: there is no file ${path}`);
  }
  if (/\.[cm]?ts$/.test(path)) {
    throw new UsageError(`--${kind} ${given}: Node runs JavaScript; compile the file first and give the .js or .mjs`);
  }
  return path;
}

/**
 * The definition of that kind that a file exports by its kind's name (`method`, `model`, `dataSet`, `optimizer`) or as default,
 * with the file's path as `module`. For `extend`. Throws UsageError that names the file and says what is wrong.
 */
export async function loadPlugin<K extends Group>(kind: K, path: string): Promise<Definitions[K]> {
  const file = findPluginFile(kind, resolve(path), "/")!;
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(`${file}: cannot be loaded: ${loadFailure(error)}`);
  }
  const [other] = otherCopies();
  if (other !== undefined) {
    throw new UsageError(
      `${file}: imports the fewlabels in ${other}, and this is the one in ${packagePath("")}: two engines in one process crash. ` +
        "Start the former, with `npx fewlabels` in the folder of the file",
    );
  }
  const definition: unknown = exported[exportNames[kind]] ?? exported.default;
  const { noun } = families[kind];
  if (definition === undefined) {
    const define = `define${noun.replace(/(^| )[a-z]/g, (letter) => letter.trim().toUpperCase())}`;
    throw new UsageError(
      `${file}: exports no ${noun}; expected \`export const ${exportNames[kind]} = ${define}({ ... })\` or the same as default`,
    );
  }
  checkFields(kind, definition, file);
  const { options, name } = definition;
  if (namesOf(catalog[families[kind].list]).includes(name)) {
    throw new UsageError(`${file}: a ${noun} of fewlabels is called "${name}" already; give it another name`);
  }
  checkOptions(options, file);
  return { ...completed[kind](definition), module: file };
}

/** What `define...` adds, for files that export a plain record. */
const completed: { readonly [K in Group]: (definition: Definitions[K]) => Definitions[K] } = {
  dataset: (definition) => definition,
  method: (definition) => defineMethod(definition),
  model: (definition) => defineModel(definition),
  optimizer: (definition) => defineOptimizer(definition),
};

/** Files of what a run names that is none of the package's, by kind: recorded in `config.json`. */
export type Modules = Readonly<Partial<Record<Group, string>>>;

/** `known` with what these files, of a run's record, define. Throws UsageError where one cannot be loaded. */
export async function withModules(known: Catalog, modules: Modules = {}): Promise<Catalog> {
  let all = known;
  for (const kind of groups) {
    const path = modules[kind];
    if (path !== undefined) all = await withModule(all, kind, path);
  }
  return all;
}

async function withModule(known: Catalog, kind: Group, path: string): Promise<Catalog> {
  if (!existsSync(path)) {
    throw new UsageError(
      `${path}: there is no such file any more, and it defines the ${families[kind].noun} of this run. Put it back there, or write where ` +
        "it lies now into `modules` of the run's config.json",
    );
  }
  if (kind === "dataset") return extend(known, { dataSets: [await loadPlugin(kind, path)] });
  if (kind === "method") return extend(known, { methods: [await loadPlugin(kind, path)] });
  if (kind === "model") return extend(known, { models: [await loadPlugin(kind, path)] });
  return extend(known, { optimizers: [await loadPlugin(kind, path)] });
}

function loadFailure(error: unknown): string {
  const { message = String(error), code } = (error ?? {}) as Partial<NodeJS.ErrnoException>;
  const ours = code === "ERR_MODULE_NOT_FOUND" && /package 'fewlabels'/.test(message);
  return ours
    ? `${message}. Run \`npm install fewlabels\` in the folder of the file, and that folder's fewlabels`
    : message;
}

function checkOptions(options: OptionSpec, file: string): void {
  for (const [name, option] of Object.entries(options)) {
    const declared =
      ["number", "integer", "boolean", "string", "path"].includes(option?.type) && typeof option.doc === "string";
    if (declared && name !== "name" && /^[a-z]\w*$/i.test(name)) continue;
    throw new UsageError(
      `${file}: option ${name}: expected a declaration such as option.number(1, { min: 0, doc: "what it does" }), ` +
        'under a name in camelCase other than "name"',
    );
  }
}

/** The file that `import "NAME"` would load seen from `folder`, or undefined where no such package is installed. */
function packageEntry(name: string, folder: string): string | undefined {
  if (!/^(@[\w.-]+\/)?[\w.-]+$/.test(name)) return undefined;
  for (let at = resolve(folder); ; at = dirname(at)) {
    const root = join(at, "node_modules", name);
    if (existsSync(join(root, "package.json"))) {
      const { exports, main } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
      const entry = entryOf(exports?.["."] ?? exports) ?? main ?? "index.js";
      return join(root, extname(entry) === "" ? `${entry}.js` : entry);
    }
    if (dirname(at) === at) return undefined;
  }
}

/** The file behind a package's `exports`, for `import`. */
function entryOf(target: unknown): string | undefined {
  if (typeof target === "string") return target;
  if (typeof target !== "object" || target === null) return undefined;
  const conditions = target as Record<string, unknown>;
  return entryOf(conditions.import ?? conditions.node ?? conditions.default);
}
