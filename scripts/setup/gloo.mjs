// What several processes need to train one network together: c10d is in every libtorch, its Gloo transport wants Gloo's headers to
// be compiled against. Debian keeps those apart; without them everything else works.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { hasApt, isRoot, SetupError } from "./common.mjs";
import { installWithApt } from "./install.mjs";

export const glooPackage = "libgloo-dev";

/**
 * Whether the engine can be built with it. The system's headers are those of the system's libtorch: a Python wheel holds another Gloo.
 * @param {Pick<import("./libtorch.mjs").Libtorch, "includes" | "lateIncludes" | "how">} libtorch
 * @param {string} [system] the compiler's own folder, for tests
 */
export function hasGloo({ includes, lateIncludes, how }, system = "/usr/include") {
  const folders = [...includes, ...(how === "system" ? [system] : []), ...lateIncludes];
  const finds = (/** @type {string} */ header) => folders.some((folder) => existsSync(join(folder, header)));
  return finds("gloo/algorithm.h") && finds("torch/csrc/distributed/c10d/ProcessGroupGloo.hpp");
}

/**
 * What to do where it is missing.
 * @param {string | undefined} how where libtorch comes from @param {string} setup the command that sets up
 */
export function glooHints(how, setup) {
  if (how !== undefined && how !== "system") return [`libtorch of ${how} comes without them; Debian's has them`];
  return hasApt() ? [`as root: apt-get install ${glooPackage}; then ${setup}`] : [];
}

/**
 * Installs the headers, as root. A failure costs training on several processes alone, so it is said and nothing stops.
 * @param {import("./libtorch.mjs").Libtorch} libtorch
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} [env]
 */
export async function addGloo(libtorch, log, env = process.env) {
  const fromDebian = libtorch.how === "system";
  if (hasGloo(libtorch) || !fromDebian || !hasApt() || !isRoot()) return;
  try {
    await installWithApt([glooPackage], log, env);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    log(`no training on several processes (no ${glooPackage}): ${error.message.split("\n")[0]}`);
  }
}
