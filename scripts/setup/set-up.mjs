// The order of the set-up. Each step says a line only when it really does something.
import { join } from "node:path";
import { improveBlas } from "./blas.mjs";
import { addonPath, buildDir, cacheDir, packageRoot, removeAbandoned, SetupError } from "./common.mjs";
import { buildAddon, findCompiler, isCurrent, planBuild } from "./compile.mjs";
import { missingKernels } from "./cuda.mjs";
import { keepEngine, takeEngine } from "./engine-cache.mjs";
import { addGloo } from "./gloo.mjs";
import { installMissing, missingHints } from "./install.mjs";
import { findLibtorch } from "./libtorch.mjs";
import { buildTypescript, typescriptState } from "./typescript.mjs";
import { buildWeb, webState } from "./web.mjs";

/**
 * @param {{ nativeDir: string, buildDir: string, output: string, engine: boolean, typescript: boolean, install: boolean,
 *   log: (line: string) => void }} options
 * @returns {Promise<string[]>} what is there now, in words
 */
export async function setUp({ nativeDir, buildDir, output, engine, typescript, install, log }) {
  const parts = [];
  if (engine) {
    const { libtorch, compiler } = await ensureTools(install, log);
    const lacks = missingKernels(libtorch);
    const planned = () => planBuild(libtorch, compiler, { nativeDir, buildDir, output });
    if (install && !isCurrent(planned())) await addGloo(libtorch, log);
    const plan = planned();
    const current = isCurrent(plan);
    const taken = !current && takeEngine(plan);
    if (!current && install) await improveBlas(libtorch, log);
    if (!current && !taken) await buildAddon(plan, log);
    if (!taken) keepEngine(plan);
    const addon = current ? "addon up to date" : taken ? "addon taken from the cache" : "addon built";
    parts.push(`libtorch ${libtorch.version} (${libtorch.how})`, addon, ...(lacks ? [lacks] : []));
  }
  if (typescript) {
    const { state, hash } = typescriptState();
    if (state === "stale") await buildTypescript(hash, log);
    if (state !== "shipped") parts.push(state === "stale" ? "TypeScript built" : "TypeScript up to date");
    const web = webState();
    if (web.state === "stale") await buildWeb(web.hash, log);
    if (web.state !== "shipped") parts.push(web.state === "stale" ? "pages built" : "pages up to date");
    if (parts.length === 0) parts.push("the TypeScript came compiled, nothing to do");
  }
  return parts;
}

/**
 * The set-up of this very package, where it lies.
 * @param {{ only?: string | undefined, install: boolean, log: (line: string) => void }} options
 */
export async function setUpPackage({ only, install, log }) {
  for (const folder of [cacheDir(), buildDir, join(buildDir, "obj")]) removeAbandoned(folder);
  try {
    return await setUp({
      nativeDir: `${packageRoot}/native`,
      buildDir,
      output: addonPath,
      engine: only !== "typescript",
      typescript: only !== "engine",
      install: install && process.env.FEWLABELS_NO_INSTALL !== "1",
      log,
    });
  } catch (error) {
    throw placeProblem(error) ?? error;
  }
}

/**
 * What to say where a folder of the set-up cannot be written, or the disk is full; undefined for any other error.
 * @param {unknown} error
 */
export function placeProblem(error, cache = cacheDir()) {
  const { code, path, dest, message } = /** @type {NodeJS.ErrnoException & { dest?: string }} */ (error);
  const place = dest ?? path;
  if (place === undefined || code === undefined) return undefined;
  const full = code === "ENOSPC" || code === "EDQUOT";
  const inCache = place.startsWith(cache);
  return new SetupError(`cannot write ${place}: ${message}`, [
    ...(full ? ["free some space on that disk"] : inCache ? [] : ["run it as the user to whom that folder belongs"]),
    ...(inCache
      ? [`${full ? "or " : ""}set XDG_CACHE_HOME to a folder that you may write to, here and wherever fewlabels runs`]
      : []),
  ]);
}

/** @param {boolean} install @param {(line: string) => void} log */
async function ensureTools(install, log) {
  let found = findLibtorch();
  let compiler = findCompiler();
  const missing = { libtorch: !found.found, compiler: !compiler };
  if (missing.libtorch && process.env.FEWLABELS_LIBTORCH) {
    throw new SetupError(`${found.tried[0]?.place}: ${found.tried[0]?.problem}`, [
      "give the folder that holds include/ and lib/ of a libtorch, or unset the variable to let set-up look for one",
    ]);
  }
  if (missing.compiler && process.env.CXX) {
    throw new SetupError(`CXX=${process.env.CXX} is not a C++ compiler that can be run`, ["unset CXX, or correct it"]);
  }
  if (missing.libtorch || missing.compiler) {
    if (install) await installMissing(missing, log);
    found = findLibtorch();
    compiler = findCompiler();
  }
  if (!found.found || !compiler) {
    const what = [!found.found && "libtorch", !compiler && "a C++ compiler"].filter(Boolean).join(" and ");
    const tried = found.found ? [] : found.tried.map(({ place, problem }) => `looked at ${place}: ${problem}`);
    throw new SetupError(`${what} not found`, [
      ...tried,
      ...missingHints({ libtorch: !found.found, compiler: !compiler }),
    ]);
  }
  return { libtorch: found.found, compiler };
}
