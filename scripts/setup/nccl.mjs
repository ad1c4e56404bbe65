// What processes on GPUs send messages with: c10d over NCCL is in every libtorch with CUDA, and wants the headers of the NCCL that it was
// built with, and CUDA's. A Python wheel has them beside it, Debian in libnccl-dev; without them messages go through the CPU (gloo.mjs).
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

/** What ProcessGroupNCCL.hpp and nccl.h include of CUDA's. */
const cudaHeaders = [
  ...["cuda_runtime.h", "cuda_runtime_api.h", "cuda_fp16.h", "cuda_bf16.h"],
  ...["cublas_v2.h", "cublasLt.h", "cusparse.h", "cusolverDn.h"],
];

/**
 * Folders to look for headers in, so that the engine can be built with NCCL; undefined where it cannot. The NCCL beside a wheel is that
 * wheel's, and the system's that of the system's libtorch: of another version its structures have other sizes.
 * @param {Pick<import("./libtorch.mjs").Libtorch, "root" | "includes" | "lateIncludes" | "how" | "cuda">} libtorch
 * @param {Pick<import("./cuda.mjs").Nvcc, "include"> | undefined} nvcc
 * @param {NodeJS.ProcessEnv} [env]
 * @param {string} [system] the compiler's own folder, for tests
 * @returns {string[] | undefined}
 */
export function ncclIncludes(libtorch, nvcc, env = process.env, system = "/usr/include") {
  if (env.FEWLABELS_NCCL === "0" || !libtorch.cuda || !nvcc) return undefined;
  const own = libtorch.how === "system" ? [] : wheelIncludes(libtorch.root);
  const added = [nvcc.include, ...own];
  const torch = [...libtorch.includes, ...libtorch.lateIncludes, ...(libtorch.how === "system" ? [system] : [])];
  const has = (/** @type {string[]} */ folders, /** @type {string} */ header) =>
    folders.some((folder) => existsSync(join(folder, header)));
  const complete =
    has(torch, "torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp") &&
    has(libtorch.how === "system" ? [...torch, nvcc.include] : own, "nccl.h") &&
    cudaHeaders.every((header) => has([...added, ...torch], header));
  return complete ? added : undefined;
}

/** NVIDIA's packages beside a Python torch: nvidia/nccl/include, and CUDA's in nvidia/cu13/include or nvidia/cublas/include. @param {string} root */
function wheelIncludes(root) {
  const nvidia = join(dirname(root), "nvidia");
  if (!existsSync(nvidia)) return [];
  return readdirSync(nvidia)
    .sort()
    .map((name) => join(nvidia, name, "include"))
    .filter((folder) => existsSync(folder));
}
