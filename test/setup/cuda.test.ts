import { chmodSync, mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { planBuild } from "../../scripts/setup/compile.mjs";
import { cudaLinkFlags, findNvcc, missingKernels, nvccFlags } from "../../scripts/setup/cuda.mjs";
import { temporaryFolder } from "./helpers.js";

/** A toolkit of CUDA such as NVIDIA's. */
function toolkit(says = "Cuda compilation tools, release 12.4, V12.4.131") {
  const root = realpathSync(temporaryFolder());
  for (const folder of ["bin", "include", "lib64"]) mkdirSync(join(root, folder));
  writeFileSync(join(root, "bin/nvcc"), `#!/bin/sh\necho "${says}"\necho "#$ TOP=${root}/bin/.." >&2\n`);
  chmodSync(join(root, "bin/nvcc"), 0o755);
  writeFileSync(join(root, "include/cuda_runtime_api.h"), "");
  writeFileSync(join(root, "lib64/libcudart_static.a"), "");
  return root;
}

describe("findNvcc", () => {
  it("finds it by CUDACXX, on the path and in CUDA_HOME, with its headers and its library", () => {
    const root = toolkit();
    const found = { version: "12.4", include: join(root, "include"), runtime: join(root, "lib64") };
    for (const env of [
      { CUDACXX: join(root, "bin/nvcc") },
      { PATH: join(root, "bin") },
      { PATH: "", CUDA_HOME: root },
    ]) {
      expect(findNvcc(env)).toMatchObject(found);
    }
  });

  it("takes a script that calls the compiler elsewhere, a name on the path and an empty CUDACXX", () => {
    const [root, wrapper] = [toolkit(), temporaryFolder()];
    writeFileSync(join(wrapper, "nvcc"), `#!/bin/sh\nexec ${root}/bin/nvcc "$@"\n`);
    chmodSync(join(wrapper, "nvcc"), 0o755);
    const found = { include: join(root, "include"), runtime: join(root, "lib64") };
    for (const CUDACXX of [undefined, "", "nvcc", join(wrapper, "nvcc")])
      expect(findNvcc({ PATH: `${wrapper}:/usr/bin:/bin`, CUDACXX }), CUDACXX).toMatchObject(found);
  });

  it("says what kernels lack beside a libtorch with CUDA, and refuses a CUDACXX that is no compiler", () => {
    const root = toolkit();
    const hello = join(toolkit("hello"), "bin/nvcc");
    expect(missingKernels({ cuda: true }, { PATH: join(root, "bin") })).toBeUndefined();
    expect(missingKernels({ cuda: false }, { CUDACXX: "/no/nvcc" })).toBeUndefined();
    expect(missingKernels({ cuda: true }, { PATH: "", CUDA_HOME: "/no" })).toBe(
      "no kernels for the GPU (/no/bin/nvcc is not there)",
    );
    expect(() => missingKernels({ cuda: true }, { PATH: root, CUDACXX: "nvcc" })).toThrow(/CUDACXX=nvcc .*not there/);
    expect(() => missingKernels({ cuda: true }, { CUDACXX: hello })).toThrow("tells no version of CUDA");
  });

  it("takes nothing that is no compiler", () => {
    expect(findNvcc({ CUDACXX: "/no/nvcc" })).toBeUndefined();
    expect(findNvcc({ CUDACXX: join(toolkit("hello"), "bin/nvcc") })).toBeUndefined();
  });
});

describe("nvccFlags", () => {
  // "exception specification is incompatible with that of previous function sinpi": CUDA 12's headers beside glibc 2.41's.
  it("leaves C23's functions out where the C library has them", () => {
    for (const glibc of ["2.41", "2.42", "3.0"]) expect(nvccFlags(glibc), glibc).toContain("-U_GNU_SOURCE");
    for (const glibc of ["2.36", "2.9", ""]) expect(nvccFlags(glibc), glibc).not.toContain("-U_GNU_SOURCE");
    expect(nvccFlags("2.41").join(" ")).toContain("-Xcompiler -U_GNU_SOURCE -Xcompiler -D_DEFAULT_SOURCE");
  });
});

describe("planBuild with CUDA", () => {
  const places = () => {
    const folder = temporaryFolder();
    const nativeDir = join(folder, "native");
    mkdirSync(nativeDir);
    for (const name of ["a.cc", "cuda_stream.cc", "kernels.cu"]) writeFileSync(join(nativeDir, name), "");
    return { nativeDir, buildDir: join(folder, "build"), output: join(folder, "build/x.node") };
  };
  const libtorch = {
    how: "test",
    root: "/t",
    version: "2.11.0",
    includes: ["/t/include"],
    lateIncludes: [],
    lib: "/t/lib",
    runtimeDirs: [],
    cuda: true,
    oldAbi: false,
  };
  const compiler = { path: "/usr/bin/c++", version: "1", flags: [], linkFlags: [] };
  const nvcc = () => findNvcc({ CUDACXX: join(toolkit(), "bin/nvcc") })!;

  it("gives .cu files to nvcc, CUDA's headers to the one file that wants them, and links its runtime in", () => {
    const card = nvcc();
    const { units, linkArgs } = planBuild(libtorch, compiler, places(), card);
    const [plain, stream, kernels] = units;
    expect(units.map(({ compiler }) => compiler)).toEqual([compiler.path, compiler.path, card.path]);
    expect(kernels!.args).toContain("-fmad=false");
    expect(stream!.args).toContain(card.include);
    expect(plain!.args).not.toContain(card.include);
    for (const unit of [plain, stream]) expect(unit!.args).toContain("-DFEWLABELS_CUDA_KERNELS=1");
    expect(linkArgs).toEqual(expect.arrayContaining(cudaLinkFlags(card)));
  });

  it("without nvcc there are no kernels, and everything else", () => {
    const { units } = planBuild({ ...libtorch, cuda: false }, compiler, places());
    expect(units.map(({ source }) => source.split("/").at(-1))).toEqual(["a.cc", "cuda_stream.cc"]);
    expect(units[0]!.args.join(" ")).not.toContain("CUDA_KERNELS");
    expect(units[0]!.args).toContain("-DFEWLABELS_WITH_CUDA=0");
  });

  it("takes C++20 from libtorch 2.12 on", () => {
    const standard = (version: string) =>
      planBuild({ ...libtorch, version, cuda: false }, compiler, places()).units[0]!.args;
    expect(standard("2.11.0")).toContain("-std=c++17");
    expect(standard("2.12.1")).toContain("-std=c++20");
  });
});
