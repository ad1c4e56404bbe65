// Getting what is missing: through apt as root, without root by unpacking the same packages into the user's cache, and
// from the official archive elsewhere.
import { readdirSync } from "node:fs";
import { installArchive } from "./archive.mjs";
import { hasApt, isRoot, osIds, run, SetupError, since } from "./common.mjs";
import { installUserPackages } from "./rootless.mjs";

/** @typedef {{ libtorch: boolean, compiler: boolean }} Missing */

/** Debian's libtorch, the fast BLAS below it (blas.mjs: its threads are libtorch's own), and what several processes need (gloo.mjs). */
const libtorchPackages = ["libtorch-dev", "libopenblas0-openmp", "libgloo-dev"];

/** @param {Missing} missing @returns {string[]} Debian's packages */
export function packagesFor(missing) {
  return [...(missing.libtorch ? libtorchPackages : []), ...(missing.compiler ? ["g++"] : [])];
}

/**
 * Installs what is missing or throws a SetupError that says how to do it by hand.
 * @param {Missing} missing
 * @param {(line: string) => void} log
 */
export async function installMissing(missing, log) {
  if (process.platform === "win32") {
    throw new SetupError("Windows is not supported", [
      "use WSL with Debian 12 or Ubuntu, and run the same command there",
    ]);
  }
  if (hasApt()) {
    try {
      if (isRoot()) await installWithApt(packagesFor(missing), log);
      else await installUserPackages(packagesFor(missing), log);
      return;
    } catch (error) {
      if (!(error instanceof SetupError) || missing.compiler) throw error;
      log(`${error.message.split("\n")[0]}; trying the official archive`);
      for (const hint of error.hints) log(`  ${hint}`);
    }
  }
  if (missing.compiler) throw new SetupError("no C++ compiler found", missingHints({ ...missing, libtorch: false }));
  await installArchive(log);
}

/**
 * @param {string[]} packages
 * @param {(line: string) => void} log
 * @param {NodeJS.ProcessEnv} [base]
 */
export async function installWithApt(packages, log, base = process.env) {
  const started = performance.now();
  const env = { ...base, DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C" };
  const common = ["-q", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3", "-o", "APT::Status-Fd=3"];
  const progress = progressLines(log);
  const update = async () => {
    log("apt-get update");
    const result = await run("apt-get", [...common, "update"], { env, statusFd: progress });
    if (result.status !== 0) throw aptError("apt-get update", packages, result.output);
  };
  const install = () =>
    run("apt-get", [...common, "install", "--no-install-recommends", ...packages], { env, statusFd: progress });
  const freshLists = !hasLists();
  if (freshLists) await update();
  log(`installing ${packages.join(" ")} with apt-get (as root)`);
  let result = await install();
  if (result.status !== 0 && !freshLists) {
    // Old lists name package versions that the mirror has dropped.
    await update();
    result = await install();
  }
  if (result.status !== 0) throw aptError(`apt-get install ${packages.join(" ")}`, packages, result.output);
  log(`installed ${packages.join(" ")} in ${since(started)}`);
}

function hasLists() {
  try {
    return readdirSync("/var/lib/apt/lists").some((name) => /_Packages/.test(name));
  } catch {
    return false;
  }
}

/** @param {string} what @param {string[]} packages @param {string} output */
function aptError(what, packages, output) {
  const errors = output.split("\n").filter((line) => /^(E:|W: Failed|dpkg: error)/.test(line));
  const shown = errors.length > 0 ? errors.slice(0, 12) : output.trimEnd().split("\n").slice(-12);
  const unknown = /Unable to locate package|has no installation candidate/.test(output);
  return new SetupError(`${what} failed:\n${shown.join("\n")}`, [
    ...(unknown ? ["this release has no such package: Debian 12 and Ubuntu 22.04 or newer (universe) do"] : []),
    `by hand: apt-get update && apt-get install --no-install-recommends ${packages.join(" ")}`,
    "or set FEWLABELS_LIBTORCH to the folder of a libtorch (with include/ and lib/)",
  ]);
}

/**
 * apt's status lines ("dlstatus:1:12.5:...", "pmstatus:pkg:40.0:...") as a line every ten seconds.
 * @param {(line: string) => void} log
 */
function progressLines(log, everyMs = 10_000) {
  let spoken = performance.now();
  return (/** @type {string} */ line) => {
    const match = line.match(/^(dl|pm)status:[^:]*:([\d.]+):/);
    if (!match || performance.now() - spoken < everyMs) return;
    spoken = performance.now();
    log(
      `${match[1] === "dl" ? "downloading packages" : "unpacking and setting up"}: ${Math.round(Number(match[2]))} %`,
    );
  };
}

/**
 * The exact commands for this machine.
 * @param {Missing} missing
 * @returns {string[]}
 */
export function missingHints(missing) {
  const ids = osIds();
  const hints = [];
  if (hasApt()) {
    hints.push(`as root: apt-get update && apt-get install --no-install-recommends ${packagesFor(missing).join(" ")}`);
  } else if (missing.compiler) {
    const known = ids.find((id) => id in compilerCommands);
    hints.push(
      known ? `as root: ${compilerCommands[known]}` : "install g++ or clang++ with the system's package manager",
    );
  }
  if (missing.compiler && process.platform === "darwin") hints.push("macOS: xcode-select --install");
  if (missing.libtorch) {
    hints.push("or set FEWLABELS_LIBTORCH to the folder of a libtorch or of a Python torch (with include/ and lib/)");
  }
  return hints;
}

/** @type {Record<string, string>} */
const compilerCommands = {
  fedora: "dnf install gcc-c++",
  rhel: "dnf install gcc-c++",
  suse: "zypper install gcc-c++",
  arch: "pacman -S gcc",
  alpine: "Alpine's C library is not supported by libtorch: use a Debian image",
};
