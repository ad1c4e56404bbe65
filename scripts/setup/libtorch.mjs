// Finding libtorch: an explicit variable, a Python torch, the system's, then what set-up put into the cache.
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { cacheDir, capture, readJson, which } from "./common.mjs";

/**
 * @typedef {object} Libtorch
 * @property {string} how       "FEWLABELS_LIBTORCH", "python3 torch", "system", "downloaded" or "user packages"
 * @property {string} root      the folder that was found
 * @property {string} version   such as "1.13.1"
 * @property {string[]} includes folders with headers, in order
 * @property {string[]} lateIncludes folders searched after the compiler's own: a second /usr/include must not come first
 * @property {string} lib       folder with libtorch_cpu and libc10
 * @property {string[]} runtimeDirs more folders that hold libraries which libtorch itself needs
 * @property {boolean} cuda     libtorch_cuda is there too
 * @property {boolean} oldAbi   built with the C++ ABI from before GCC 5 (pip wheels until about 2.5)
 *
 * @typedef {{ place: string, problem: string }} Tried
 */

const ext = process.platform === "darwin" ? "dylib" : "so";

/**
 * Looks everywhere in order and stops at the first that is whole.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {{ found?: Libtorch, tried: Tried[] }}
 */
export function findLibtorch(env = process.env) {
  /** @type {Tried[]} */
  const tried = [];
  /** @param {string} place @param {Libtorch | string} result */
  const consider = (place, result) => {
    if (typeof result !== "string") return result;
    tried.push({ place, problem: result });
    return undefined;
  };

  const named = env.FEWLABELS_LIBTORCH;
  if (named) {
    // An explicit choice that is wrong must not fall through to another libtorch in silence.
    const found = consider(`FEWLABELS_LIBTORCH=${named}`, inspectFolder(named, "FEWLABELS_LIBTORCH"));
    return found ? { found, tried } : { tried };
  }
  for (const python of pythons(env)) {
    const found = consider(`torch of ${python}`, inspectPython(python));
    if (found) return { found, tried };
  }
  for (const place of systemPlaces()) {
    const found = consider(place.lib, inspectSystem(place));
    if (found) return { found, tried };
  }
  for (const [folder, how] of /** @type {const} */ ([
    [join(cacheDir(env), "libtorch"), "downloaded"],
    [join(cacheDir(env), "debian"), "user packages"],
  ])) {
    const result = how === "downloaded" ? inspectFolder(folder, how) : inspectUserPackages(folder);
    const found = consider(folder, result);
    if (found) return { found, tried };
  }
  return { tried };
}

/** @param {NodeJS.ProcessEnv} env */
function pythons(env) {
  const candidates = [which("python3", env), which("python", env), "/usr/bin/python3"];
  return [...new Set(candidates)].filter((path) => path !== undefined && existsSync(path)).map(String);
}

/** @param {string} python @returns {Libtorch | string} */
function inspectPython(python) {
  // find_spec does not import torch: 0.05 s instead of several seconds.
  const code =
    "import importlib.util as u; s = u.find_spec('torch'); print(list(s.submodule_search_locations)[0] if s else '')";
  const root = capture(python, ["-c", code]);
  if (!root) return "no torch module";
  const result = inspectFolder(root, `${python.includes("python3") ? "python3" : "python"} torch`);
  if (typeof result === "string") return result;
  // Debian's python3-torch is links into the system's libtorch: name that.
  const real = dirname(realpathSync(join(result.lib, `libtorch_cpu.${ext}`)));
  const system = systemPlaces().find((place) => existsSync(place.lib) && realpathSync(place.lib) === real);
  return system ? inspectSystem(system) : result;
}

/** @returns {{ include: string, lib: string }[]} */
function systemPlaces(prefix = "") {
  const triplet = { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch === "arm64" ? "arm64" : "x64"];
  return [
    { include: `${prefix}/usr/include`, lib: `${prefix}/usr/lib/${triplet}` },
    { include: `${prefix}/usr/include`, lib: `${prefix}/usr/lib64` },
    { include: `${prefix}/usr/local/include`, lib: `${prefix}/usr/local/lib` },
    ...(process.platform === "darwin" ? [{ include: "/opt/homebrew/include", lib: "/opt/homebrew/lib" }] : []),
  ];
}

/** @param {{ include: string, lib: string }} place @returns {Libtorch | string} */
function inspectSystem({ include, lib }) {
  const result = inspect(lib, include, "system", lib);
  if (typeof result === "string") return result;
  // Debian's header says 1.13.0 for 1.13.1; the package knows better.
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholder
  const format = "-f=${Version}";
  const packaged = lib.startsWith("/usr/lib/") ? capture("dpkg-query", ["-W", format, "libtorch-dev"]) : undefined;
  return { ...result, version: packaged?.match(/^[\d.]+/)?.[0] ?? result.version };
}

/**
 * Packages unpacked without root (rootless.mjs).
 * @param {string} prefix @returns {Libtorch | string}
 */
function inspectUserPackages(prefix) {
  if (!existsSync(prefix)) return "not there";
  const place = systemPlaces(prefix)[0];
  if (!place) return "not there";
  const result = inspect(place.lib, place.include, "user packages", prefix);
  if (typeof result === "string") return result;
  return {
    ...result,
    version: readJson(join(prefix, "versions.json"))?.["libtorch-dev"]?.match(/^[\d.]+/)?.[0] ?? result.version,
    includes: result.includes.filter((folder) => folder !== place.include),
    lateIncludes: [place.include],
    runtimeDirs: userPackageLibs(prefix),
  };
}

/** Folders with shared libraries below a prefix that packages were unpacked into. @param {string} prefix */
export function userPackageLibs(prefix) {
  const lib = systemPlaces(prefix)[0]?.lib ?? prefix;
  const folders = [
    lib,
    join(lib, "openblas-openmp"),
    join(lib, "blas"),
    join(lib, "lapack"),
    join(prefix, "usr/lib"),
    join(prefix, "lib", basename(lib)),
  ];
  return folders.filter((path) => existsSync(path));
}

/** @param {string} root @param {string} how @returns {Libtorch | string} */
function inspectFolder(root, how) {
  if (!existsSync(root)) return "not there";
  return inspect(join(root, "lib"), join(root, "include"), how, root);
}

/**
 * @param {string} lib @param {string} include @param {string} how @param {string} root
 * @returns {Libtorch | string}
 */
function inspect(lib, include, how, root) {
  for (const name of [`libtorch_cpu.${ext}`, `libc10.${ext}`]) {
    if (!existsSync(join(lib, name))) {
      return existsSync(join(lib, `${name}.1.13`))
        ? `${lib} has the library but not its development files (Debian: libtorch-dev)`
        : `no ${name} in ${lib}`;
    }
  }
  const header = "ATen/core/dispatch/Dispatcher.h";
  if (!existsSync(join(include, header))) return `has libraries but no headers (${header} not in ${include})`;
  const api = join(include, "torch/csrc/api/include");
  // -I/usr/include would reorder the compiler's own search path; it is searched anyway.
  const includes = include === "/usr/include" ? [api] : [include, api];
  return {
    how,
    root,
    version: versionFromHeaders(include, root),
    includes,
    lateIncludes: [],
    lib,
    runtimeDirs: [],
    cuda: existsSync(join(lib, `libtorch_cuda.${ext}`)),
    oldAbi: hasOldAbi(join(lib, `libc10.${ext}`)),
  };
}

/** @param {string} include @param {string} root */
function versionFromHeaders(include, root) {
  try {
    const stated = readFileSync(join(root, "build-version"), "utf8").trim();
    if (stated) return stated;
  } catch {
    // only the official archives have that file
  }
  for (const path of ["torch/headeronly/version.h", "torch/csrc/api/include/torch/version.h"]) {
    try {
      const text = readFileSync(join(include, path), "utf8");
      const parts = ["MAJOR", "MINOR", "PATCH"].map((part) => text.match(`TORCH_VERSION_${part} (\\d+)`)?.[1]);
      if (parts.every((part) => part !== undefined)) return parts.join(".");
    } catch {
      // an older or newer layout: the next path
    }
  }
  return "unknown";
}

/**
 * The ABI is in the mangled name of a function that takes a std::string: a link against the wrong one fails with
 * hundreds of undefined symbols.
 * @param {string} libc10
 */
function hasOldAbi(libc10) {
  if (statSync(libc10).size > 64 * 2 ** 20) return false;
  const bytes = readFileSync(libc10);
  const name = "_ZN3c106detail14torchCheckFailEPKcS2_j";
  return bytes.includes(`${name}RKSs`) && !bytes.includes(`${name}RKNSt7__cxx11`);
}
