/** Methods from outside the package: `--method ./my-method.js` or the name of an installed package. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, extname, isAbsolute, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { UsageError } from "../errors.js";
import { type Method, type MethodDefinition, methods, type Views } from "../methods/index.js";
import type { OptionSpec } from "../options.js";

/** A method and the file it came from. */
export interface MethodModule {
  readonly definition: MethodDefinition;
  /** Absolute path. */
  readonly path: string;
}

/** Whether a method is given by a path and not by a name. */
export function isMethodPath(given: string): boolean {
  return given.startsWith(".") || isAbsolute(given) || given.includes("\\") || /\.(js|mjs|cjs|ts|mts)$/.test(given);
}

/**
 * The absolute path of the file that `given` means seen from `folder`: a path, or a package that is installed there and
 * whose name no method of ours has. Undefined for a mere name. Throws UsageError if a path leads to no file.
 */
export function findMethodFile(given: string, folder: string): string | undefined {
  if (!isMethodPath(given)) return methods.some(({ name }) => name === given) ? undefined : packageEntry(given, folder);
  const path = resolve(folder, given);
  if (!existsSync(path) || !statSync(path).isFile()) {
    throw new UsageError(`--method ${given}: there is no file ${path}`);
  }
  if (/\.[cm]?ts$/.test(path)) {
    throw new UsageError(`--method ${given}: Node runs JavaScript; compile the file first and give the .js or .mjs`);
  }
  return path;
}

/** Loads and checks the method that a file exports as `default` or as `method`. Throws UsageError saying what is wrong. */
export async function loadMethod(path: string): Promise<MethodModule> {
  const file = findMethodFile(resolve(path), "/")!;
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(file).href)) as Record<string, unknown>;
  } catch (error) {
    const { message, code } = error as NodeJS.ErrnoException;
    const hint =
      code === "ERR_MODULE_NOT_FOUND" && /package 'fewlabels'/.test(message)
        ? ". Run `npm install fewlabels` in the folder of the file, and that folder's fewlabels"
        : "";
    throw new UsageError(`${file}: cannot be loaded: ${message}${hint}`);
  }
  const definition = exported.method ?? exported.default;
  if (definition === undefined) {
    throw new UsageError(
      `${file}: exports no method; expected \`export const method = defineMethod({ ... })\` or the same as default`,
    );
  }
  return { definition: checkDefinition(definition, file), path: file };
}

/** Throws UsageError unless `value` is what `defineMethod` takes, with a name of its own. */
function checkDefinition(value: unknown, file: string): MethodDefinition {
  const given = (typeof value === "object" && value !== null ? value : {}) as Record<string, unknown>;
  const expected: Record<string, string> = {
    name: "string",
    paper: "string",
    summary: "string",
    options: "object",
    usesUnlabeled: "boolean",
    views: "function",
    create: "function",
  };
  const wrong = Object.entries(expected).flatMap(([key, type]) =>
    typeof given[key] === type && given[key] !== null ? [] : [`${key} (a ${type}; got ${typeof given[key]})`],
  );
  if (wrong.length > 0) {
    throw new UsageError(
      `${file}: not a method made with defineMethod; missing or of another type: ${wrong.join(", ")}`,
    );
  }
  const definition = value as MethodDefinition;
  if (!/^[a-z][a-z0-9-]*$/.test(definition.name)) {
    throw new UsageError(`${file}: expected a name of small letters, digits and dashes, got "${definition.name}"`);
  }
  if (methods.some(({ name }) => name === definition.name)) {
    throw new UsageError(`${file}: a method of fewlabels is called "${definition.name}" already; give it another name`);
  }
  checkOptions(definition.options, file);
  return definition;
}

function checkOptions(options: OptionSpec, file: string): void {
  for (const [name, option] of Object.entries(options)) {
    const declared =
      ["number", "integer", "boolean", "string"].includes(option?.type) && typeof option.doc === "string";
    if (declared && name !== "name" && /^[a-z]\w*$/i.test(name)) continue;
    throw new UsageError(
      `${file}: option ${name}: expected a declaration such as number(1, { min: 0, doc: "what it does" }), ` +
        'under a name in camelCase other than "name"',
    );
  }
}

/** Throws UsageError unless what `create` returned can be trained. */
export function checkMethod(method: Method<Views, Views>, file: string): void {
  const { predictor, models, state, step } = (method ?? {}) as Partial<Method<Views, Views>>;
  const fail = (what: string): never => {
    throw new UsageError(`${file}: create() must return ${what}`);
  };
  if (typeof step !== "function") fail("a function step(batch, now)");
  if (!models || predictor === undefined || !models[predictor]) {
    fail(`models and the role of one of them as predictor; got predictor "${predictor}" and models ${names(models)}`);
  }
  const owners = new Set<unknown>(Object.values(state ?? {}));
  const lost = Object.entries(models!).flatMap(([role, model]) => (owners.has(model) ? [] : [role]));
  if (lost.length > 0) fail(`every model in state, or checkpoints would lose it; missing: ${lost.join(", ")}`);
}

function names(record: object | undefined): string {
  return record ? Object.keys(record).join(", ") || "none" : "none";
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
