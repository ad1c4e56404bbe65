import { chmodSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { findLibtorch } from "../../scripts/setup/libtorch.mjs";
import { temporaryFolder } from "./helpers.js";

function write(path: string, text = ""): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A folder that looks like a libtorch of the given version. */
function fakeLibtorch(root: string, [major, minor, patch] = [2, 5, 1], c10 = ""): string {
  const ext = process.platform === "darwin" ? "dylib" : "so";
  for (const name of ["libtorch_cpu", "libc10"]) write(join(root, "lib", `${name}.${ext}`), c10);
  write(join(root, "include/ATen/core/dispatch/Dispatcher.h"));
  const defines = `#define TORCH_VERSION_MAJOR ${major}\n#define TORCH_VERSION_MINOR ${minor}\n#define TORCH_VERSION_PATCH ${patch}\n`;
  write(join(root, "include/torch/csrc/api/include/torch/version.h"), defines);
  return root;
}

/** An environment whose only python3 says that torch is in `root`. */
function environment(root: string): NodeJS.ProcessEnv {
  const folder = temporaryFolder();
  const python = join(folder, "python3");
  write(python, `#!/bin/sh\necho "${root}"\n`);
  chmodSync(python, 0o755);
  return { PATH: folder, XDG_CACHE_HOME: join(folder, "cache") };
}

describe("findLibtorch", () => {
  it("takes the explicit folder before a Python torch, and the Python torch before the system's", () => {
    const named = fakeLibtorch(join(temporaryFolder(), "named"), [2, 1, 0]);
    const env = environment(fakeLibtorch(join(temporaryFolder(), "torch")));
    expect(findLibtorch({ ...env, FEWLABELS_LIBTORCH: named }).found).toMatchObject({
      how: "FEWLABELS_LIBTORCH",
      version: "2.1.0",
      root: named,
    });
    expect(findLibtorch(env).found).toMatchObject({ how: "python3 torch", version: "2.5.1" });
  });

  it("an explicit folder that is wrong is never replaced in silence", () => {
    const env = { ...environment(fakeLibtorch(temporaryFolder())), FEWLABELS_LIBTORCH: "/no/such/folder" };
    const { found, tried } = findLibtorch(env);
    expect(found).toBeUndefined();
    expect(tried).toEqual([{ place: "FEWLABELS_LIBTORCH=/no/such/folder", problem: "not there" }]);
  });

  it("says of a folder without headers that the headers are missing", () => {
    const root = fakeLibtorch(temporaryFolder());
    rmSync(join(root, "include"), { recursive: true });
    expect(findLibtorch({ FEWLABELS_LIBTORCH: root }).tried[0]?.problem).toMatch(/libraries but no headers/);
  });

  it("passes over a Python torch that is not whole and records why", () => {
    const env = environment(join(temporaryFolder(), "empty"));
    expect(findLibtorch(env).tried[0]).toMatchObject({ problem: "not there" });
  });

  it("reads the C++ ABI from the library's symbols", () => {
    const mangled = "_ZN3c106detail14torchCheckFailEPKcS2_j";
    const old = fakeLibtorch(temporaryFolder(), [2, 1, 0], `${mangled}RKSs`);
    const current = fakeLibtorch(temporaryFolder(), [2, 1, 0], `${mangled}RKNSt7__cxx1112basic_string`);
    expect(findLibtorch({ FEWLABELS_LIBTORCH: old }).found?.oldAbi).toBe(true);
    expect(findLibtorch({ FEWLABELS_LIBTORCH: current }).found?.oldAbi).toBe(false);
  });

  it("sees CUDA where its library is", () => {
    const root = fakeLibtorch(temporaryFolder());
    symlinkSync("libc10.so", join(root, "lib", `libtorch_cuda.${process.platform === "darwin" ? "dylib" : "so"}`));
    expect(findLibtorch({ FEWLABELS_LIBTORCH: root }).found?.cuda).toBe(process.platform !== "darwin");
  });
});
