import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ncclIncludes } from "../../scripts/setup/nccl.mjs";
import { temporaryFolder } from "./helpers.js";

const group = "torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp";
const runtime = ["cuda_runtime.h", "cuda_runtime_api.h", "cuda_fp16.h", "cuda_bf16.h"];
const libraries = ["cublas_v2.h", "cublasLt.h", "cusparse.h", "cusolverDn.h"];

function headers(folder: string, ...names: readonly string[]): string {
  for (const name of names) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), "");
  }
  return folder;
}

/** A Python torch with NVIDIA's packages beside it, as pip lays them out. */
function wheel(nccl = ["nccl.h"], cuda = libraries) {
  const site = temporaryFolder();
  headers(join(site, "nvidia/nccl/include"), ...nccl);
  headers(join(site, "nvidia/cu13/include"), ...cuda);
  const root = join(site, "torch");
  const includes = [headers(join(root, "include"), group)];
  return { site, libtorch: { root, includes, lateIncludes: [], how: "python3 torch", cuda: true } };
}

const none = () => headers(temporaryFolder());
const nvccOf = (...names: readonly string[]) => ({ include: headers(temporaryFolder(), ...names) });

describe("ncclIncludes", () => {
  it("finds the NCCL beside a wheel, and CUDA's libraries where nvcc has none", () => {
    const { site, libtorch } = wheel();
    const nvcc = nvccOf(...runtime);
    const beside = ["cu13", "nccl"].map((name) => join(site, "nvidia", name, "include"));
    expect(ncclIncludes(libtorch, nvcc, {}, none())).toEqual([nvcc.include, ...beside]);
  });

  it("the system's is that of the system's libtorch, and not a wheel's", () => {
    const system = headers(temporaryFolder(), group, "nccl.h", ...runtime, ...libraries);
    const nvcc = nvccOf();
    const libtorch = { root: "/usr", includes: [], lateIncludes: [], how: "system", cuda: true };
    expect(ncclIncludes(libtorch, nvcc, {}, system)).toEqual([nvcc.include]);
    expect(ncclIncludes(wheel([]).libtorch, nvccOf("nccl.h", ...runtime), {}, system)).toBeUndefined();
  });

  it("is missing where anything is: nvcc, CUDA in libtorch, one header", () => {
    const nvcc = nvccOf(...runtime);
    const { libtorch } = wheel();
    expect(ncclIncludes(libtorch, undefined, {}, none())).toBeUndefined();
    expect(ncclIncludes({ ...libtorch, cuda: false }, nvcc, {}, none())).toBeUndefined();
    expect(ncclIncludes({ ...libtorch, includes: [] }, nvcc, {}, none())).toBeUndefined();
    expect(ncclIncludes(wheel(["nccl.h"], libraries.slice(1)).libtorch, nvcc, {}, none())).toBeUndefined();
    expect(ncclIncludes(libtorch, nvccOf(...runtime.slice(1)), {}, none())).toBeUndefined();
  });

  it("FEWLABELS_NCCL=0 leaves it out", () => {
    expect(ncclIncludes(wheel().libtorch, nvccOf(...runtime), { FEWLABELS_NCCL: "0" }, none())).toBeUndefined();
  });
});
