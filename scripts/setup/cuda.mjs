// CUDA's compiler, for the kernels that run on a GPU. It is wanted only beside a libtorch that has CUDA; without it training on the
// GPU works too, with random draws and pictures made on the CPU.
import { existsSync, realpathSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { capture, SetupError, which } from "./common.mjs";

/**
 * @typedef {object} Nvcc
 * @property {string} path
 * @property {string} version such as "13.0"
 * @property {string} include folder with cuda_runtime_api.h
 * @property {string | undefined} runtime  folder with libcudart_static.a; undefined: the linker's own
 */

/** A toolkit's folder of this machine's kind, in `targets/`, and the system's in `lib/`. */
export const cudaMachine =
  process.arch === "arm64" ? ["sbsa-linux", "aarch64-linux-gnu"] : ["x86_64-linux", "x86_64-linux-gnu"];

/**
 * CUDACXX, else the first with its toolkit: nvcc on the path, in the usual folder.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Nvcc | undefined}
 */
export function findNvcc(env = process.env) {
  return lookForNvcc(env).nvcc;
}

/**
 * What kernels for a GPU lack beside `libtorch`, in words; undefined: nothing. Throws SetupError where CUDACXX is no compiler.
 * @param {Pick<import("./libtorch.mjs").Libtorch, "cuda">} libtorch
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {string | undefined}
 */
export function missingKernels(libtorch, env = process.env) {
  if (!libtorch.cuda) return undefined;
  const { nvcc, tried } = lookForNvcc(env);
  if (nvcc) return undefined;
  if (!env.CUDACXX) return `no kernels for the GPU (${tried.join("; ")})`;
  const todo = "unset CUDACXX, or give the path of an nvcc in its toolkit's bin/";
  throw new SetupError(`CUDACXX=${env.CUDACXX} is not a CUDA compiler with its headers: ${tried[0]}`, [todo]);
}

/** @param {NodeJS.ProcessEnv} env @returns {{ nvcc?: Nvcc, tried: string[] }} `tried`: what those lack that are none */
function lookForNvcc(env) {
  const usual = join(env.CUDA_HOME || "/usr/local/cuda", "bin/nvcc");
  const named = env.CUDACXX?.includes("/") ? env.CUDACXX : which(env.CUDACXX || "nvcc", env);
  const tried = [];
  for (const path of env.CUDACXX ? [named ?? env.CUDACXX] : [named, usual]) {
    const found = path && toolkitOf(path);
    if (typeof found === "object") return { nvcc: found, tried };
    if (found) tried.push(`${path} ${found}`);
  }
  return { tried };
}

/** @param {string} named @returns {Nvcc | string} or what it lacks */
function toolkitOf(named) {
  if (!existsSync(named)) return "is not there";
  const path = realpathSync(named);
  const version = capture(named, ["--version"])?.match(/release ([\d.]+)/)?.[1];
  if (!version) return "tells no version of CUDA";
  const top = capture("sh", ["-c", '"$0" --dryrun -c x.cu 2>&1', named])?.match(/ TOP=(.+)/)?.[1]; // a script calls it elsewhere
  const roots = [...new Set([dirname(dirname(path)), dirname(dirname(named)), ...(top ? [resolve(top)] : []), "/usr"])];
  const includes = roots.flatMap((root) => [join(root, "include"), join(root, `targets/${cudaMachine[0]}/include`)]);
  const include = includes.find((folder) => existsSync(join(folder, "cuda_runtime_api.h")));
  if (!include) return `has no cuda_runtime_api.h near it (looked in ${includes.join(", ")})`;
  const libraries = roots.flatMap((root) =>
    ["lib64", `targets/${cudaMachine[0]}/lib`, `lib/${cudaMachine[1]}`].map((folder) => join(root, folder)),
  );
  return {
    path: named,
    version,
    include,
    runtime: libraries.find((folder) => existsSync(join(folder, "libcudart_static.a"))),
  };
}

/**
 * Flags of a .cu file: every card's code that this compiler knows, bits as on the CPU (no fused multiply-add), and whatever C++
 * compiler there is.
 * @param {string | undefined} [glibc] version of the C library; default: this machine's
 */
export function nvccFlags(glibc = glibcVersion()) {
  const [major = 0, minor = 0] = (glibc ?? "").split(".").map(Number);
  // C23's sinpi and others, which g++ asks for by _GNU_SOURCE, contradict the headers of CUDA before 13.
  const c23 = major > 2 || (major === 2 && minor >= 41) ? ["-U_GNU_SOURCE", "-D_DEFAULT_SOURCE"] : [];
  return [
    "-O3",
    "-std=c++17",
    "-fmad=false",
    "-arch=all-major",
    "-allow-unsupported-compiler",
    ...["-fPIC", "-fvisibility=hidden", ...c23].flatMap((flag) => ["-Xcompiler", flag]),
  ];
}

/** Undefined where the C library is another one. @returns {string | undefined} */
function glibcVersion() {
  const { header } = /** @type {{ header: { glibcVersionRuntime?: string } }} */ (process.report.getReport());
  return header.glibcVersionRuntime;
}

/** CUDA's runtime goes into the addon: libtorch's own may be of another version. @param {Nvcc} nvcc */
export function cudaLinkFlags({ runtime }) {
  return [
    ...(runtime ? [`-L${runtime}`] : []),
    "-Wl,--exclude-libs,ALL",
    "-lcudart_static",
    "-ldl",
    "-lrt",
    "-lpthread",
  ];
}

/** Name and driver of the GPUs here; undefined where NVIDIA's tool says nothing. */
export const cardName = () => capture("nvidia-smi", ["--query-gpu=name,driver_version", "--format=csv,noheader"]);
