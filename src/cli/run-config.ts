/** The configuration of a run from flags and a YAML file: what `train` and `data preview` share. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { readConfigFile } from "../config/config-file.js";
import { asFlags, type Describe } from "../config/given.js";
import { type RunConfig, resolveConfig } from "../config/resolve.js";
import { resumeConfig } from "../config/resume.js";
import { UsageError } from "../errors.js";
import { savedConfig } from "../train/run.js";
import type { CommandContext } from "./command.js";
import { printError } from "./output.js";

/** Merges flags over the file, and continues a saved run where `--resume` says so. */
export function configOf(
  file: string | undefined,
  { who, given: flags, externals: { catalog, named } }: CommandContext,
  idle: "refuse" | "allow" = "refuse",
): RunConfig {
  const warn = (message: string) => printError(`warning: ${message}`);
  const yaml = file === undefined ? undefined : readConfigFile(file);
  const given = named(new Map([...(yaml?.given ?? []), ...flags]));
  const describe: Describe = (key) =>
    yaml && !flags.has(key) && yaml.given.has(key) ? yaml.describe(key) : asFlags(who)(key);

  const resume = given.get("resume");
  if (resume === undefined || resume === false) return resolveConfig(given, catalog, { describe, warn, idle });
  const out = given.get("out");
  if (resume === true && out === undefined) {
    throw new UsageError(`${who}: --resume needs the run folder: --resume RUN, or --out RUN --resume`);
  }
  if (resume !== true && isFile(String(resume))) {
    throw new UsageError(
      `${who}: expected the run folder for --resume, got the file ${resume}. A configuration stands first: ${who} ${resume} --out RUN --resume`,
    );
  }
  if (resume !== true && out !== undefined && String(resume) !== String(out)) {
    throw new UsageError(`${who}: --resume ${resume} continues in that folder; leave --out ${out} out`);
  }
  const folder = String(resume === true ? out : resume);
  if (resume === true && !existsSync(join(folder, "config.json"))) {
    warn(`${folder} holds no run yet; starting from the beginning`);
    return resolveConfig(given, catalog, { describe, warn, idle });
  }
  return resumeConfig(given, savedConfig(folder), folder, { describe, catalog });
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
