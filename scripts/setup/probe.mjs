// What is here and what is missing, as data: `fewlabels doctor` prints it, set-up's messages use the same words.
import { existsSync, readFileSync } from "node:fs";
import { arch, availableParallelism, cpus, freemem, loadavg, platform, release, totalmem } from "node:os";
import { blasHints, findBlas } from "./blas.mjs";
import { addonPath, buildDir, engineRecordPath, packageRoot, readJson, SetupError, setupCommand } from "./common.mjs";
import { findCompiler, isCurrent, loadProblem, planBuild } from "./compile.mjs";
import { findNvcc } from "./cuda.mjs";
import { glooHints, hasGloo } from "./gloo.mjs";
import { missingHints } from "./install.mjs";
import { findLibtorch } from "./libtorch.mjs";
import { ncclIncludes } from "./nccl.mjs";
import { neededNode, nodeProblem } from "./node-version.mjs";
import { typescriptState } from "./typescript.mjs";

/**
 * @typedef {object} Problem
 * @property {string} what            what is missing or wrong
 * @property {string[]} todo          what to do about it, one line each
 * @property {"error" | "warning"} level  an error keeps fewlabels from running, a warning makes it slow or stale
 *
 * @typedef {object} ProbeReport
 * @property {{ version: string, needed: string, ok: boolean }} node
 * @property {{ platform: string, release: string, arch: string }} os
 * @property {{ model: string, cores: number, avx2: boolean, avx512: boolean, bf16: boolean }} cpu
 * @property {{ totalMB: number, availableMB: number }} memory  of the machine or, where smaller, of the container
 * @property {{ oneMinute: number, fiveMinutes: number, fifteenMinutes: number }} load
 * @property {import("./libtorch.mjs").Libtorch | null} libtorch
 * @property {import("./blas.mjs").Blas | null} blas           what multiplies matrices below it; null where libtorch brings its own
 * @property {boolean} gloo  what several processes need to train together can be compiled against
 * @property {string[]} glooTodo  what to do where not
 * @property {boolean} nccl  messages between GPUs can be compiled in
 * @property {import("./libtorch.mjs").Tried[]} tried           where else libtorch was looked for, and what was wrong there
 * @property {{ path: string, version: string } | null} compiler
 * @property {{ path: string, built: boolean, current: boolean, loads: boolean, builtWith: unknown }} addon
 * @property {{ state: "current" | "stale" | "shipped" }} typescript
 * @property {Problem[]} problems
 * @property {boolean} ok  no problem of level "error"
 */

/**
 * Looks, and changes nothing. Takes about a second: the addon is loaded in a process of its own.
 * @param {{ env?: NodeJS.ProcessEnv, load?: boolean }} [options] `load: false` skips that
 * @returns {ProbeReport}
 */
export function probe({ env = process.env, load = true } = {}) {
  /** @type {Problem[]} */
  const problems = [];
  const nodeOk = nodeProblem(process.versions.node) === undefined;
  if (!nodeOk)
    problems.push(error(`Node ${process.versions.node} is too old`, [`install Node ${neededNode.join(".")} or newer`]));

  const { found, tried } = findLibtorch(env);
  const compiler = findCompiler(env);
  const addon = probeAddon(found, compiler, load, problems);
  if (!found) {
    const todo = env.FEWLABELS_LIBTORCH
      ? ["correct FEWLABELS_LIBTORCH (a folder with include/ and lib/), or unset it"]
      : [`${setupCommand}   (finds or installs it)`, ...missingHints({ libtorch: true, compiler: false })];
    // An engine that loads has the libraries it needs; only building it takes headers.
    if (load && addon.loads)
      problems.push(warning("libtorch was not found: the engine works, and cannot be built anew", todo));
    else problems.push(error("libtorch was not found", todo));
  }
  if (!compiler && !addon.current) {
    problems.push(
      error("no C++ compiler was found", [setupCommand, ...missingHints({ libtorch: false, compiler: true })]),
    );
  }
  const blas = found ? findBlas(found) : undefined;
  if (blas?.reference) {
    problems.push(
      warning(
        "libtorch multiplies matrices with the reference BLAS: dense layers in fp32 are several times slower",
        blasHints(blas),
      ),
    );
  }
  const { state } = typescriptState();
  if (state === "stale") problems.push(warning("dist/ is older than src/", [setupCommand]));

  const cores = availableParallelism();
  const [oneMinute = 0, fiveMinutes = 0, fifteenMinutes = 0] = loadavg();
  if (oneMinute > cores * 0.5) {
    problems.push(
      warning(`the machine is busy: load ${oneMinute.toFixed(1)} on ${cores} cores`, [
        "training with a thread on every core becomes several times slower beside other work: wait, or use --threads 1",
      ]),
    );
  }
  const memory = memoryMB();
  if (memory.availableMB < 1000) {
    problems.push(
      warning(`${memory.availableMB} MB of memory are free`, [
        "compiling wants 0.5 GB for each core; training more, by model and batch",
      ]),
    );
  }
  problems.sort((a, b) => Number(b.level === "error") - Number(a.level === "error"));
  return {
    node: { version: process.versions.node, needed: `>=${neededNode.join(".")}`, ok: nodeOk },
    os: { platform: platform(), release: release(), arch: arch() },
    cpu: { model: cpus()[0]?.model.trim() ?? "unknown", cores, ...cpuFlags() },
    memory,
    load: { oneMinute, fiveMinutes, fifteenMinutes },
    libtorch: found ?? null,
    blas: blas ?? null,
    gloo: found ? hasGloo(found) : false,
    glooTodo: glooHints(found?.how, setupCommand),
    nccl: found?.cuda ? ncclIncludes(found, findNvcc(env), env) !== undefined : false,
    tried,
    compiler: compiler ? { path: compiler.path, version: compiler.version } : null,
    addon,
    typescript: { state },
    problems,
    ok: problems.every((problem) => problem.level !== "error"),
  };
}

/** @param {string} what @param {string[]} todo @returns {Problem} */
const error = (what, todo) => ({ what, todo, level: "error" });
/** @param {string} what @param {string[]} todo @returns {Problem} */
const warning = (what, todo) => ({ what, todo, level: "warning" });

/**
 * @param {import("./libtorch.mjs").Libtorch | undefined} libtorch
 * @param {import("./compile.mjs").Compiler | undefined} compiler
 * @param {boolean} load
 * @param {Problem[]} problems
 */
function probeAddon(libtorch, compiler, load, problems) {
  const built = existsSync(addonPath);
  let current = false;
  if (libtorch && compiler) {
    try {
      current = isCurrent(
        planBuild(libtorch, compiler, { nativeDir: `${packageRoot}/native`, buildDir, output: addonPath }),
      );
    } catch (reason) {
      if (!(reason instanceof SetupError)) throw reason;
      problems.push(error(reason.message, reason.hints));
    }
  }
  // Without libtorch's headers or a compiler nobody can tell whether it is current; that it is there and loads is what counts then.
  else current = built;
  const problem = built && load ? loadProblem(addonPath) : undefined;
  if (!built) problems.push(error("the addon is not built", [setupCommand]));
  else if (problem)
    problems.push(
      error(`the addon does not load: ${problem}`, [
        setupCommand,
        `if that does not help: rm -r ${buildDir} && ${setupCommand}`,
      ]),
    );
  else if (!current && libtorch)
    problems.push(warning("the addon is older than native/ or was built for another libtorch", [setupCommand]));
  return { path: addonPath, built, current, loads: built && !problem, builtWith: readJson(engineRecordPath) ?? null };
}

/** A container's limit counts, not the machine's memory. */
function memoryMB() {
  const limit = process.constrainedMemory?.() ?? 0;
  const total = limit > 0 && limit < totalmem() ? limit : totalmem();
  const meminfo = readText("/proc/meminfo").match(/^MemAvailable:\s+(\d+) kB/m)?.[1];
  const available = Math.min(total, meminfo ? Number(meminfo) * 1024 : freemem());
  return { totalMB: Math.round(total / 2 ** 20), availableMB: Math.round(available / 2 ** 20) };
}

function cpuFlags() {
  const flags = new Set((readText("/proc/cpuinfo").match(/^(?:flags|Features)\s*:\s*(.*)$/m)?.[1] ?? "").split(" "));
  return { avx2: flags.has("avx2"), avx512: flags.has("avx512f"), bf16: flags.has("avx512_bf16") || flags.has("bf16") };
}

/** @param {string} path */
function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
