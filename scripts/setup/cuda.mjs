// CUDA's compiler, for the kernels that run on a GPU. It is wanted only beside a libtorch that has CUDA; without it training on the
// GPU works too, with random draws and pictures made on the CPU.
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { capture, which } from "./common.mjs";

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
 * CUDACXX, else nvcc on the path, else the usual folder.
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Nvcc | undefined}
 */
export function findNvcc(env = process.env) {
  const named = env.CUDACXX ?? which("nvcc", env) ?? join(env.CUDA_HOME ?? "/usr/local/cuda", "bin/nvcc");
  if (!existsSync(named)) return undefined;
  const path = realpathSync(named);
  const version = capture(named, ["--version"])?.match(/release ([\d.]+)/)?.[1];
  if (!version) return undefined;
  const roots = [...new Set([dirname(dirname(path)), dirname(dirname(named)), "/usr"])];
  const includes = roots.flatMap((root) => [join(root, "include"), join(root, `targets/${cudaMachine[0]}/include`)]);
  const include = includes.find((folder) => existsSync(join(folder, "cuda_runtime_api.h")));
  if (!include) return undefined;
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
 */
export const nvccFlags = [
  "-O3",
  "-std=c++17",
  "-fmad=false",
  "-arch=all-major",
  "-allow-unsupported-compiler",
  ...["-fPIC", "-fvisibility=hidden"].flatMap((flag) => ["-Xcompiler", flag]),
];

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
