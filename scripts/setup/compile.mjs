// Compiles native/*.cc (and .cu, for a GPU) into build/fewlabels.node by calling the C++ compiler (docs/decisions/0001). A file is compiled
// again only when its text, a header, the flags, the compiler or libtorch changed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { cacheDir, capture, isClone, packageRoot, readJson, run, SetupError, sha256, since, which } from "./common.mjs";
import { cudaLinkFlags, findNvcc, nvccFlags } from "./cuda.mjs";
import { hasGloo } from "./gloo.mjs";
import { userPackageLibs } from "./libtorch.mjs";
import { ncclIncludes } from "./nccl.mjs";

/**
 * @typedef {object} Compiler
 * @property {string} path
 * @property {string} version
 * @property {string[]} flags       what this compiler needs at every call
 * @property {string[]} linkFlags   and when linking
 * @property {NodeJS.ProcessEnv} [env]
 *
 * @typedef {object} Plan what a build would do; a pure function of files and settings
 * @property {Compiler} compiler
 * @property {import("./libtorch.mjs").Libtorch} libtorch
 * @property {{ source: string, object: string, args: string[], compiler: string }[]} units
 * @property {string[]} linkArgs
 * @property {string} output
 * @property {string} hash   of everything that can change the addon
 * @property {string} buildDir
 */

/**
 * CXX, else g++, else clang++, else the one that set-up unpacked into the user's cache.
 * @returns {Compiler | undefined}
 */
export function findCompiler(env = process.env) {
  const names = env.CXX ? [env.CXX] : process.platform === "darwin" ? ["clang++", "g++"] : ["g++", "clang++", "c++"];
  for (const name of names) {
    const path = name.includes("/") ? name : which(name, env);
    const version = path ? capture(path, ["--version"])?.split("\n")[0] : undefined;
    if (path && version) return { path, version, flags: [], linkFlags: [] };
  }
  return env.CXX ? undefined : userCompiler(join(cacheDir(env), "debian"));
}

/**
 * A g++ unpacked below a prefix (rootless.mjs): it finds its own parts relative to itself, the rest must be told.
 * @param {string} prefix
 * @returns {Compiler | undefined}
 */
export function userCompiler(prefix) {
  const bin = join(prefix, "usr/bin");
  if (!existsSync(bin)) return undefined;
  const name = readdirSync(bin).find((file) => /-linux-gnu-g\+\+-\d+$/.test(file));
  if (!name) return undefined;
  const triplet = name.replace(/-g\+\+-\d+$/, "");
  const libs = userPackageLibs(prefix);
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: [...libs, process.env.LD_LIBRARY_PATH ?? ""].filter(Boolean).join(":"),
  };
  const path = join(bin, name);
  const version = spawnSync(path, ["--version"], { env, encoding: "utf8" }).stdout?.split("\n")[0];
  if (!version) return undefined;
  const headers = [`${prefix}/usr/include/${triplet}`, `${prefix}/usr/include`].filter((path) => existsSync(path));
  return {
    path,
    version,
    env,
    flags: [`-B${bin}/`, ...headers.flatMap((folder) => ["-idirafter", folder])],
    linkFlags: [`-B${bin}/`, ...libs.flatMap((folder) => [`-B${folder}/`, `-L${folder}`, `-Wl,-rpath-link,${folder}`])],
  };
}

/**
 * @param {import("./libtorch.mjs").Libtorch} libtorch
 * @param {Compiler} compiler
 * @param {{ nativeDir: string, buildDir: string, output: string }} places
 * @param {import("./cuda.mjs").Nvcc | undefined} [nvcc] beside a libtorch with CUDA
 * @returns {Plan}
 */
export function planBuild(
  libtorch,
  compiler,
  { nativeDir, buildDir, output },
  nvcc = libtorch.cuda ? findNvcc() : undefined,
) {
  const files = existsSync(nativeDir) ? readdirSync(nativeDir).sort() : [];
  const sources = files.filter((name) => /\.(cc|cpp)$/.test(name) || (nvcc && name.endsWith(".cu")));
  if (sources.length === 0) throw new SetupError(`no C++ sources in ${nativeDir}: the checkout is not complete`);
  const headers = files
    .filter((name) => /\.(h|hpp|inc)$/.test(name))
    .map((name) => name + readFileSync(join(nativeDir, name), "utf8"));
  const mac = process.platform === "darwin";
  const node = nodeHeaders();
  // What decides about the result: nothing of it says where this package lies, so that a moved clone stays as it is.
  const deciding = [
    ...[
      `-std=c++${standardOf(libtorch.version)}`,
      "-O3",
      "-fPIC",
      "-ffp-contract=off",
      // Loops with a square root or a choice become vector code; no result changes.
      "-fno-math-errno",
      "-fno-trapping-math",
      "-fvisibility=hidden",
      "-fno-plt",
      "-Wall",
      "-Wno-unknown-pragmas",
      // A function without a caller is a forgotten call. Where some processors' code is left out it may be none.
      ...(process.arch === "x64" ? ["-Werror=unused-function"] : []),
    ],
    ...(mac ? [] : ["-fopenmp"]),
    "-DNODE_GYP_MODULE_NAME=fewlabels",
    "-DNAPI_VERSION=8",
    ...(libtorch.oldAbi ? ["-D_GLIBCXX_USE_CXX11_ABI=0"] : []),
    `-DFEWLABELS_WITH_CUDA=${libtorch.cuda ? 1 : 0}`,
    ...(nvcc ? ["-DFEWLABELS_CUDA_KERNELS=1"] : []),
    ...compiler.flags,
    ...libtorch.includes.flatMap((folder) => ["-isystem", folder]),
    ...libtorch.lateIncludes.flatMap((folder) => ["-idirafter", folder]),
  ];
  const flags = [...deciding, "-isystem", node.folder, `-ffile-prefix-map=${nativeDir}/=native/`];
  const about = [compiler.version, libtorch.version, libtorch.lib, process.arch, node.version];
  const identity = sha256(...about, ...deciding, ...headers);
  const objectDir = join(buildDir, "obj");
  const nccl = ncclIncludes(libtorch, nvcc);
  const messages = [
    ...(hasGloo(libtorch) ? ["-DFEWLABELS_WITH_GLOO=1"] : []),
    ...(nccl ? ["-DFEWLABELS_WITH_NCCL=1", ...nccl.flatMap((folder) => ["-isystem", folder])] : []),
  ];
  /** @type {Record<string, string[]>} */
  const ownFlags = {
    "distributed.cc": messages,
    "group.cc": messages,
    "cuda_stream.cc": nvcc ? ["-isystem", nvcc.include] : [],
    "cuda_graph.cc": nvcc ? ["-isystem", nvcc.include] : [],
  };
  const cardFlags = nvcc ? nvccFlags() : [];
  const units = sources.map((name) => {
    const source = join(nativeDir, name);
    const forCard = nvcc && name.endsWith(".cu");
    const own = forCard ? [nvcc.version, ...cardFlags] : (ownFlags[name] ?? []);
    const key = sha256(identity, ...own, readFileSync(source)).slice(0, 20);
    const object = join(objectDir, `${name}-${key}.o`);
    if (forCard) return { source, object, args: [...cardFlags, "-c", source], compiler: nvcc.path };
    return { source, object, args: [...flags, ...own, "-c", source], compiler: compiler.path };
  });
  const rpaths = [libtorch.lib, ...libtorch.runtimeDirs.filter((folder) => folder !== libtorch.lib)];
  const linkArgs = [
    ...(mac ? ["-bundle", "-undefined", "dynamic_lookup"] : ["-shared", "-fopenmp", "-Wl,--gc-sections", "-Wl,-z,now"]),
    ...compiler.linkFlags,
    `-L${libtorch.lib}`,
    "-ltorch_cpu",
    "-lc10",
    // The linker drops a library no symbol of which is used, and with it CUDA's registration.
    ...(libtorch.cuda && !mac ? ["-Wl,--no-as-needed", "-ltorch_cuda", "-lc10_cuda"] : []),
    ...(nvcc ? cudaLinkFlags(nvcc) : []),
    // The old tag (DT_RPATH) also serves the libraries that libtorch itself asks for.
    ...(libtorch.runtimeDirs.length > 0 ? ["-Wl,--disable-new-dtags"] : []),
    ...rpaths.map((folder) => `-Wl,-rpath,${folder}`),
  ];
  const hash = sha256(...units.map((unit) => basename(unit.object)), ...linkArgs);
  return { compiler, libtorch, units, linkArgs, output, hash, buildDir };
}

/** libtorch's headers want C++20 from 2.12 on. @param {string} version */
function standardOf(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 2 || (major === 2 && minor >= 12) ? 20 : 17;
}

function nodeHeaders() {
  try {
    const require = createRequire(join(packageRoot, "package.json"));
    return {
      folder: require("node-api-headers").include_dir,
      version: require("node-api-headers/package.json").version,
    };
  } catch {
    throw new SetupError("the package node-api-headers is not installed", [
      isClone ? "npm ci" : "npm install fewlabels",
    ]);
  }
}

/**
 * True when the addon on disk is what `plan` would build.
 * @param {Plan} plan
 */
export function isCurrent(plan) {
  return existsSync(plan.output) && readJson(join(plan.buildDir, "engine.json"))?.addonHash === plan.hash;
}

/**
 * Compiles what changed (in parallel), links, tries to load the result, and records it in engine.json.
 * @param {Plan} plan
 * @param {(line: string) => void} log
 */
export async function buildAddon(plan, log) {
  const started = performance.now();
  mkdirSync(join(plan.buildDir, "obj"), { recursive: true });
  const waiting = plan.units.filter((unit) => !existsSync(unit.object));
  const total = waiting.length;
  log(
    `compiling the engine (${total} of ${plan.units.length} files, ${plan.compiler.version}, libtorch ${plan.libtorch.version})`,
  );
  const compileNext = async () => {
    for (let unit = waiting.shift(); unit; unit = waiting.shift()) {
      // Written beside and renamed: two set-ups at once, or a killed one, never leave half an object file.
      const temporary = `${unit.object}.${process.pid}.tmp`;
      try {
        await compilerCall(plan, [...unit.args, "-o", temporary], `compiling ${basename(unit.source)}`, unit.compiler);
        renameSync(temporary, unit.object);
      } catch (error) {
        waiting.length = 0;
        rmSync(temporary, { force: true });
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(availableParallelism(), Math.max(total, 1)) }, compileNext),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;

  const temporary = `${plan.output}.${process.pid}.tmp`;
  try {
    const objects = plan.units.map((unit) => unit.object);
    await compilerCall(plan, [...objects, ...plan.linkArgs, "-o", temporary], "linking the addon");
    checkLoads(temporary, plan);
    renameSync(temporary, plan.output);
  } finally {
    rmSync(temporary, { force: true });
  }
  recordEngine(plan);
  const kept = new Set(plan.units.map((unit) => basename(unit.object)));
  for (const name of readdirSync(join(plan.buildDir, "obj"))) {
    if (name.endsWith(".o") && !kept.has(name)) rmSync(join(plan.buildDir, "obj", name), { force: true });
  }
  log(`engine built in ${since(started)}`);
}

/**
 * Notes what the addon in its place was built from.
 * @param {Plan} plan
 */
export function recordEngine(plan) {
  const { root, lib, version, how, cuda } = plan.libtorch;
  const record = { libtorch: { root, lib, version, how, cuda }, compiler: plan.compiler.version, addonHash: plan.hash };
  const recordPath = join(plan.buildDir, "engine.json");
  writeFileSync(`${recordPath}.${process.pid}.tmp`, `${JSON.stringify(record, null, 2)}\n`);
  renameSync(`${recordPath}.${process.pid}.tmp`, recordPath);
}

/**
 * @param {Plan} plan @param {string[]} args @param {string} what @param {string} [path] the compiler, default C++'s
 */
async function compilerCall({ compiler, libtorch }, args, what, path = compiler.path) {
  const { status, output } = await run(path, args, { env: compiler.env ?? process.env });
  if (status === 0) return;
  throw new SetupError(`${what} failed (exit ${status}):\n${excerpt(output)}\ncommand: ${[path, ...args].join(" ")}`, [
    ...explain(output),
    `libtorch ${libtorch.version} (${libtorch.how}) at ${libtorch.root}; another one: FEWLABELS_LIBTORCH=<folder with include/ and lib/>`,
  ]);
}

/** The first errors matter; a template error can be thousands of lines long. @param {string} output */
function excerpt(output) {
  const lines = output.trimEnd().split("\n");
  const first = Math.max(0, lines.findIndex((line) => /error|undefined reference|cannot find/i.test(line)) - 2);
  const shown = lines.slice(first, first + 40);
  return shown.join("\n") + (lines.length > first + 40 ? `\n... ${lines.length - first - 40} more lines` : "");
}

/** What the usual failures mean. @param {string} output */
function explain(output) {
  const hints = [];
  if (/Killed signal|virtual memory exhausted|out of memory/i.test(output)) {
    hints.push("the compiler ran out of memory: about 0.5 GB free is needed for each core");
  }
  if (/cannot execute|cc1plus/.test(output)) hints.push("the C++ compiler is not complete: apt-get install g++");
  if (/No space left/.test(output)) hints.push("the disk is full");
  if (/cannot find -ltorch|cannot find -lc10/.test(output))
    hints.push("libtorch's development files are not complete: apt-get install libtorch-dev");
  if (/undefined reference|undefined symbol/.test(output)) {
    hints.push(
      "libtorch's headers and libraries are of different versions or C++ ABIs: set FEWLABELS_LIBTORCH to one whole libtorch",
    );
  }
  if (/nccl|cublas|cusparse|cusolver/i.test(output))
    hints.push("NCCL's or CUDA's headers do not fit: FEWLABELS_NCCL=0 at set-up builds without NCCL");
  if (/fatal error: .*: No such file/.test(output))
    hints.push("a header is missing: apt-get install libtorch-dev g++, then npm ci");
  return hints;
}

/**
 * Loads an addon in a process of its own, so that a crash or a missing library is a message here.
 * @param {string} path
 * @returns {string | undefined} what went wrong
 */
export function loadProblem(path) {
  // dlopen instead of require: the file need not end in .node.
  const code = "process.dlopen({ exports: {} }, process.argv[1])";
  const result = spawnSync(process.execPath, ["-e", code, path], { encoding: "utf8", timeout: 120_000 });
  if (result.status === 0) return undefined;
  const line =
    result.stderr?.split("\n").find((text) => /^(Error|\w*Error):/.test(text)) ?? result.stderr?.trim().slice(-400);
  return line || `the process that loaded it ended with ${result.signal ?? result.status}`;
}

/** @param {string} path @param {Plan} plan */
function checkLoads(path, plan) {
  const problem = loadProblem(path);
  if (!problem) return;
  throw new SetupError(`the addon was built but does not load: ${problem}`, [
    ...(/undefined symbol/.test(problem) ? explain(problem) : []),
    ...(/cannot open shared object/.test(problem)
      ? ["a library that libtorch needs is missing: `ldd` on libtorch_cpu.so names it"]
      : []),
    `libtorch ${plan.libtorch.version} (${plan.libtorch.how}) at ${plan.libtorch.root}; another one: FEWLABELS_LIBTORCH=<folder with include/ and lib/>`,
  ]);
}
