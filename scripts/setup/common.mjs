// What every part of the set-up needs: places, one way to word a failure, one way to run a program.
// Plain JavaScript without dependencies: it runs before anything is installed or compiled.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the package (the folder of package.json). */
export const packageRoot = fileURLToPath(new URL("../../", import.meta.url)).replace(/[/\\]$/, "");

/** A clone has the sources; an installed package only what was compiled from them. */
export const isClone = existsSync(join(packageRoot, "src"));

/** What to type for this set-up, here. */
export const setupCommand = isClone ? "npm run setup" : "npx fewlabels setup";

/** Where downloads live, shared by every checkout of this user. */
export function cacheDir(env = process.env) {
  return join(env.XDG_CACHE_HOME || join(homeDir(), ".cache"), "fewlabels");
}

/** "/" for a user without one (a number without a name, no HOME): src/package.ts does the same. */
function homeDir() {
  try {
    return homedir() || "/";
  } catch {
    return "/";
  }
}

/**
 * Where what is compiled lands: in the package (git-ignored), or in the user's cache where the package was installed by
 * somebody else and cannot be written. src/torch/addon.ts looks in the same two places.
 */
export function engineDir(root = packageRoot, env = process.env) {
  const own = join(root, "build");
  if (existsSync(join(own, "fewlabels.node")) || isWritable(root)) return own;
  const version = readJson(join(root, "package.json"))?.version ?? "0";
  const key = createHash("sha256").update(root).digest("hex").slice(0, 12);
  return join(cacheDir(env), "engines", `${version}-${key}`);
}

/** @param {string} folder */
function isWritable(folder) {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

export const buildDir = engineDir();
export const addonPath = join(buildDir, "fewlabels.node");
export const engineRecordPath = join(buildDir, "engine.json");

/** A failure that the user can do something about: printed without a stack, with `hint` lines below. */
export class SetupError extends Error {
  /**
   * @param {string} message what went wrong
   * @param {string[]} [hints] what to do, one line each
   */
  constructor(message, hints = []) {
    super(message);
    this.name = "SetupError";
    this.code = "SETUP";
    this.hints = hints;
  }
}

/**
 * Runs a program to its end. Never throws for a non-zero exit; `status` is null when it could not be started.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, onLine?: (line: string) => void, statusFd?: (line: string) => void }} [options]
 * @returns {Promise<{ status: number | null, output: string }>} stdout and stderr together
 */
export function run(command, args, { env, cwd, onLine, statusFd } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, cwd, stdio: ["ignore", "pipe", "pipe", statusFd ? "pipe" : "ignore"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding("utf8");
      stream?.on("data", (text) => {
        output = (output + text).slice(-1_000_000);
      });
      if (onLine && stream) eachLine(stream, onLine);
    }
    const extra = child.stdio[3];
    if (statusFd && extra && "on" in extra) eachLine(/** @type {import("node:stream").Readable} */ (extra), statusFd);
    child.on("error", (error) => resolve({ status: null, output: `${output}${error.message}\n` }));
    child.on("close", (status) => resolve({ status: status ?? 1, output }));
  });
}

/**
 * @param {import("node:stream").Readable} stream
 * @param {(line: string) => void} onLine
 */
function eachLine(stream, onLine) {
  let rest = "";
  stream.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}

/**
 * Output of a short program, or undefined when it is absent or fails.
 * @param {string} command
 * @param {string[]} args
 */
export function capture(command, args) {
  const result = spawnSync(command, args, { encoding: "utf8", timeout: 30_000, stdio: ["ignore", "pipe", "ignore"] });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

/**
 * Full path of a program on PATH, or undefined.
 * @param {string} name
 */
export function which(name, env = process.env) {
  for (const folder of (env.PATH ?? "").split(delimiter)) {
    if (!folder) continue;
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {
      // not here: the next folder
    }
  }
  return undefined;
}

/** @param {...(string | Buffer)} parts */
export function sha256(...parts) {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part).update("\0");
  return hash.digest("hex");
}

/**
 * Files under a folder, relative paths with "/" in name order. A missing folder has none.
 * @param {string} folder
 * @param {(name: string) => boolean} [keep]
 * @returns {string[]}
 */
export function filesUnder(folder, keep = () => true) {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && keep(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .sort();
}

/** @param {string} path */
export function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/** Milliseconds after which nobody is still writing to a file or folder that was begun beside its place. */
const LONG = 3_600_000;

/**
 * Removes what set-ups that were killed had begun beside its place, under names that end in their number ("debian.4711.tmp": a gigabyte).
 * The process may be on another machine that shares the folder, so what is young stays.
 * @param {string} folder
 */
export function removeAbandoned(folder, now = Date.now()) {
  try {
    for (const name of readdirSync(folder)) {
      const number = Number(/\.(\d+)\.tmp$/.exec(name)?.[1] ?? Number.NaN);
      const path = join(folder, name);
      if (Number.isNaN(number) || isAlive(number) || now - statSync(path).mtimeMs < LONG) continue;
      rmSync(path, { recursive: true, force: true });
    }
  } catch {
    // no such folder, or not ours to clear
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH";
  }
}

/** @param {number} started value of performance.now() */
export function since(started) {
  return `${((performance.now() - started) / 1000).toFixed(1)} s`;
}

export function isRoot() {
  return process.getuid?.() === 0;
}

/** "debian", "ubuntu", "fedora", ...: ID and ID_LIKE of /etc/os-release. */
export function osIds() {
  try {
    const text = readFileSync("/etc/os-release", "utf8");
    return [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) => (match[1] ?? "").split(" "));
  } catch {
    return [];
  }
}

export function hasApt() {
  return process.platform === "linux" && which("apt-get") !== undefined && which("dpkg") !== undefined;
}
