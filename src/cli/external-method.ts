/** A method from outside the package, which must be loaded before its flags can be declared. */
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { readConfigFile } from "../config/config-file.js";
import type { Given } from "../config/given.js";
import { findMethodFile, loadMethod, type MethodModule } from "../config/plugin.js";
import type { RunConfig } from "../config/resolve.js";
import { RunFolder } from "../run/index.js";

export interface ExternalMethod extends MethodModule {
  /** As the flag or the YAML file names it; undefined where a resumed run does. */
  readonly given?: string;
}

/**
 * The method from outside that `fewlabels train ARGS` (flags in their declared spelling) asks for, if it does: by `--method`,
 * else in the YAML file, else as that of the run to resume. Paths in a YAML file are seen from its folder, so that a
 * configuration and its method can move together. Throws UsageError if it cannot be loaded.
 */
export async function externalMethod(args: readonly string[]): Promise<ExternalMethod | undefined> {
  if (args[0] !== "train") return undefined;
  const found = named(args);
  if (found) {
    const path = findMethodFile(found.given, found.folder);
    return path === undefined ? undefined : { ...(await loadMethod(path)), given: found.given };
  }
  const run = flagValue(args, "--resume") ?? flagValue(args, "--out");
  if (run === undefined || !existsSync(join(run, "config.json"))) return undefined;
  const { methodModule } = RunFolder.open(run).config<RunConfig>();
  return methodModule === undefined ? undefined : await loadMethod(methodModule);
}

/** The given options with the name of the external method in place of its path. */
export function withMethodName(given: Given, external: ExternalMethod | undefined): Given {
  if (external?.given === undefined || given.get("method") !== external.given) return given;
  return new Map([...given, ["method", external.definition.name]]);
}

function named(args: readonly string[]): { given: string; folder: string } | undefined {
  const flag = flagValue(args, "--method");
  if (flag !== undefined) return { given: flag, folder: process.cwd() };
  const file = args.find((arg, i) => i > 0 && !arg.startsWith("-") && !isValue(args[i - 1]!) && isFile(arg));
  const given = file === undefined ? undefined : readConfigFile(file).given.get("method");
  return file !== undefined && typeof given === "string" ? { given, folder: dirname(file) } : undefined;
}

/** Whether what follows `before` is the value of that flag. */
function isValue(before: string): boolean {
  return before.startsWith("--") && before !== "--json" && !before.includes("=");
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
