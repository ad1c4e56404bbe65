/** The package on disk: its folder and its version, whether run from sources or compiled. */
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** `src/` and `dist/` lie side by side, so the root is one folder up from either. Ends with a separator. */
const root = new URL("../", import.meta.url);

const copiesKey = Symbol.for("fewlabels.copies");

/** Absolute path of a file or folder of the package. */
export function packagePath(relative: string): string {
  return fileURLToPath(new URL(relative, root));
}

/** Folders of every fewlabels that this thread has loaded, which must say so to each other: a file from outside may bring a second one. */
const shared = globalThis as { [copiesKey]?: Set<string> };
shared[copiesKey] ??= new Set();
const copies = shared[copiesKey].add(packagePath(""));

/** Folders of the others. */
export function otherCopies(): string[] {
  return [...copies].filter((folder) => folder !== packagePath(""));
}

/** Version in package.json. */
export function packageVersion(): string {
  return (JSON.parse(readFileSync(packagePath("package.json"), "utf8")) as { version: string }).version;
}

/** What builds the engine where the reader is: a clone has sources and npm scripts, an installed package has not. */
export function setupCommand(): string {
  return existsSync(packagePath("src")) ? "npm run setup" : "npx fewlabels setup";
}

/** The user's home folder; "/" for who has none, as in a container a number without a name: a place where nothing is and nothing can be made. */
export function homeFolder(): string {
  try {
    return homedir() || "/";
  } catch {
    return "/";
  }
}

/** Where downloads and engines lie that belong to no package. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env.XDG_CACHE_HOME || join(homeFolder(), ".cache"), "fewlabels");
}
