// Engines that were built before, by everything that can change them: a moved or second clone, a package that npm installed
// anew, take theirs from here in place of compiling it again.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { cacheDir } from "./common.mjs";
import { loadProblem, recordEngine } from "./compile.mjs";

/** How many stay; some megabytes each. */
const KEPT = 8;

/** @param {NodeJS.ProcessEnv} env */
const folderOf = (env) => join(cacheDir(env), "engines", "by-content");

/**
 * Puts the engine that `plan` would build into place, if it was built before and loads. True where that is done.
 * @param {import("./compile.mjs").Plan} plan
 * @param {NodeJS.ProcessEnv} [env]
 */
export function takeEngine(plan, env = process.env) {
  const kept = join(folderOf(env), `${plan.hash}.node`);
  if (!existsSync(kept)) return false;
  const temporary = `${plan.output}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(plan.output), { recursive: true });
    copyFileSync(kept, temporary);
    if (loadProblem(temporary)) return false;
    renameSync(temporary, plan.output);
    recordEngine(plan);
    touch(kept);
    return true;
  } finally {
    rmSync(temporary, { force: true });
  }
}

/** Only its owner may say that a file was used; root may have kept it. @param {string} kept */
function touch(kept) {
  const now = new Date();
  try {
    utimesSync(kept, now, now);
  } catch {
    // it goes a little earlier then
  }
}

/**
 * Keeps the engine that was built. A cache that cannot be written is no failure: the next build takes longer.
 * @param {import("./compile.mjs").Plan} plan
 * @param {NodeJS.ProcessEnv} [env]
 */
export function keepEngine(plan, env = process.env) {
  const folder = folderOf(env);
  const kept = join(folder, `${plan.hash}.node`);
  if (existsSync(kept)) return;
  const temporary = `${kept}.${process.pid}.tmp`;
  try {
    mkdirSync(folder, { recursive: true });
    copyFileSync(plan.output, temporary);
    renameSync(temporary, kept);
    const all = readdirSync(folder).filter((name) => name.endsWith(".node"));
    const age = (/** @type {string} */ name) => statSync(join(folder, name)).mtimeMs;
    for (const name of all.sort((a, b) => age(b) - age(a)).slice(KEPT)) rmSync(join(folder, name), { force: true });
  } catch {
    if (existsSync(temporary)) rmSync(temporary, { force: true });
  }
}
