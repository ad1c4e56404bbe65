import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findBlas } from "../../scripts/setup/blas.mjs";
import { userPackageLibs } from "../../scripts/setup/libtorch.mjs";
import { temporaryFolder } from "./helpers.js";

/** A library folder as Debian's packages and its alternatives leave it. */
function debianLib(...names: ("blas" | "openblas-openmp" | "openblas-pthread")[]) {
  const prefix = temporaryFolder();
  const lib = join(prefix, "usr/lib/x86_64-linux-gnu");
  for (const name of names) {
    mkdirSync(join(lib, name), { recursive: true });
    writeFileSync(join(lib, name, "libblas.so.3"), "");
  }
  return { prefix, lib };
}

describe("findBlas", () => {
  it("names what the system's alternatives point at", () => {
    const { lib } = debianLib("blas", "openblas-pthread");
    symlinkSync("blas/libblas.so.3", join(lib, "libblas.so.3"));
    const system = { how: "system", lib, runtimeDirs: [] };
    expect(findBlas(system)).toMatchObject({ name: "reference", reference: true });

    const fast = debianLib("blas", "openblas-pthread");
    symlinkSync("openblas-pthread/libblas.so.3", join(fast.lib, "libblas.so.3"));
    expect(findBlas({ ...system, lib: fast.lib })).toMatchObject({ name: "openblas-pthread", reference: false });
  });

  it.skipIf(process.arch !== "x64")("takes the fast one first where packages were unpacked without root", () => {
    const { prefix, lib } = debianLib("blas", "openblas-openmp");
    const runtimeDirs = userPackageLibs(prefix);
    expect(findBlas({ how: "user packages", lib, runtimeDirs })?.name).toBe("openblas-openmp");
  });

  it("has nothing to say of a libtorch that brings its own", () => {
    expect(findBlas({ how: "python3 torch", lib: "/nowhere", runtimeDirs: [] })).toBeUndefined();
  });
});
