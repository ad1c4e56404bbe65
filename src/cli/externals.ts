/** What the command line names from outside the package, which must be loaded before its flags can be declared. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { catalog as builtIn, type Catalog, families } from "../config/catalog.js";
import { readConfigFile } from "../config/config-file.js";
import { canonicalKey, type Given, splitKey } from "../config/given.js";
import { findPluginFile, loadPlugin, type Modules, withModules } from "../config/plugin.js";
import type { RunConfig } from "../config/resolve.js";
import { type Group, groups, runOptions } from "../config/run-options.js";
import type { OptionSpec } from "../options.js";
import { RunFolder } from "../run/index.js";

export interface Externals {
  /** What comes with the package, and what was loaded. */
  readonly catalog: Catalog;
  /** Absolute paths of what was loaded. */
  readonly modules: Modules;
  /** The given options with the names of what was loaded in place of its paths. */
  named(given: Given): Given;
}

export const noExternals: Externals = { catalog: builtIn, modules: {}, named: (given) => given };

/**
 * What `fewlabels ARGS` (flags in their declared spelling) names by path or as a package: by `--method` and so on, else in the
 * YAML file, else as the run to resume has it. Paths in a YAML file are seen from its folder, so that a configuration and its
 * files can move together. Throws UsageError if one cannot be loaded.
 */
export async function loadExternals(args: readonly string[]): Promise<Externals> {
  const yaml = yamlOf(args);
  const resumed = modulesOfRun(args);
  const modules: Partial<Record<Group, string>> = {};
  const renamed = new Map<string, { readonly from: string; readonly to: string }>();
  for (const kind of groups) {
    const { key } = families[kind];
    const given = flagValue(args, `--${key}`) ?? (kind === "model" ? positionalModel(args) : undefined);
    const found = given === undefined ? yaml?.given.get(key) : given;
    const folder = given === undefined && yaml ? dirname(yaml.path) : process.cwd();
    const named = typeof found === "string" ? findPluginFile(kind, found, folder) : undefined;
    const path = named ?? resumed[kind]; // a run that goes on knows its files, also where they are given by name
    if (path === undefined) continue;
    modules[kind] = path;
    if (named !== undefined) renamed.set(key, { from: String(found), to: (await loadPlugin(kind, named)).name });
  }
  if (Object.keys(modules).length === 0) return noExternals;
  return {
    catalog: await withModules(builtIn, modules),
    modules,
    named: (given) =>
      new Map([...given].map(([key, value]) => [key, renamed.get(key)?.from === value ? renamed.get(key)!.to : value])),
  };
}

/** The configuration file among the arguments of a command that takes one. */
function yamlOf(args: readonly string[]): ReturnType<typeof readConfigFile> | undefined {
  if (args[0] !== "train" && !(args[0] === "data" && args[1] === "preview")) return undefined;
  const words = args[0] === "data" ? 2 : 1;
  const file = args.find((arg, i) => i >= words && !arg.startsWith("-") && !isValue(args[i - 1]!) && isFile(arg));
  return file === undefined ? undefined : readConfigFile(file);
}

/** `fewlabels model ./mine.mjs` */
function positionalModel(args: readonly string[]): string | undefined {
  return args[0] === "model"
    ? args.find((arg, i) => i > 0 && !arg.startsWith("-") && !isValue(args[i - 1]!))
    : undefined;
}

function modulesOfRun(args: readonly string[]): Modules {
  if (args[0] !== "train") return {};
  const run = flagValue(args, "--resume") ?? flagValue(args, "--out");
  if (run === undefined || !existsSync(join(run, "config.json"))) return {};
  return RunFolder.open(run).config<RunConfig>().modules ?? {};
}

/** Whether what follows `before` is the value of that flag: flags that are true or false have none. */
function isValue(before: string): boolean {
  if (!before.startsWith("--") || before.includes("=")) return false;
  const name = before.slice(2).replace(/^no-/, "");
  return name !== "json" && !isSwitch(canonicalKey(name));
}

function isSwitch(key: string): boolean {
  const [group, inner] = splitKey(key);
  const { dataSets: dataset, methods: method, models: model, optimizers: optimizer } = builtIn;
  const families: Readonly<Partial<Record<string, readonly { readonly options: OptionSpec }[]>>> = {
    dataset,
    method,
    model,
    optimizer,
  };
  const specs =
    inner === undefined ? [runOptions as OptionSpec] : (families[group] ?? []).map(({ options }) => options);
  return specs.some((spec) => spec[inner ?? group]?.type === "boolean");
}

/** The last value of a flag, as the command line takes it. */
function flagValue(args: readonly string[], flag: string): string | undefined {
  let value: string | undefined;
  args.forEach((arg, i) => {
    if (arg.startsWith(`${flag}=`)) value = arg.slice(flag.length + 1);
    else if (arg === flag && args[i + 1] !== undefined && !args[i + 1]!.startsWith("-")) value = args[i + 1];
  });
  return value;
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}
