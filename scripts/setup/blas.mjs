// The BLAS below libtorch. Debian's libtorch multiplies matrices with whatever libblas.so.3 is: as installed that is the
// reference implementation, one thread and no vector instructions. Other libtorchs bring their own.
import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { hasApt, isRoot, SetupError } from "./common.mjs";
import { installWithApt } from "./install.mjs";

/** Its threads are libtorch's own (OpenMP): `--threads` holds for it, and it does not spin beside them. */
export const fastBlas = "libopenblas0-openmp";

/** @typedef {{ name: string, path: string, reference: boolean }} Blas */

/**
 * The library that is loaded as libblas.so.3, or undefined where libtorch needs none from outside.
 * @param {Pick<import("./libtorch.mjs").Libtorch, "lib" | "runtimeDirs" | "how">} libtorch
 * @returns {Blas | undefined}
 */
export function findBlas({ lib, runtimeDirs, how }) {
  if (how !== "system" && how !== "user packages") return undefined;
  const folder = [...runtimeDirs, lib].find((candidate) => existsSync(join(candidate, "libblas.so.3")));
  if (!folder) return undefined;
  const path = realpathSync(join(folder, "libblas.so.3"));
  const kind = path.match(/(openblas|blis|atlas|mkl)[^/]*\//)?.[0].slice(0, -1);
  return { name: kind ?? "reference", path, reference: kind === undefined && /\/blas\/[^/]*$/.test(path) };
}

/** @param {Blas | undefined} blas @returns {string[]} what to do about a slow one */
export function blasHints(blas) {
  return blas?.reference && hasApt() ? [`as root: apt-get install --no-install-recommends ${fastBlas}`] : [];
}

/**
 * Puts the fast one beside the reference one, as root. A failure costs speed alone, so it is said and nothing stops.
 * @param {import("./libtorch.mjs").Libtorch} libtorch
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function improveBlas(libtorch, log, env = process.env) {
  if (!findBlas(libtorch)?.reference || !hasApt() || !isRoot()) return;
  try {
    await installWithApt([fastBlas], log, env);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(`dense layers stay slow (reference BLAS): ${error.message.split("\n")[0]}`);
  }
}
