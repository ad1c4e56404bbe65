// The build's logic, with a shell script in the compiler's place: fast, and able to fail as a compiler fails.
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { buildAddon, isCurrent, loadProblem, planBuild } from "../../scripts/setup/compile.mjs";
import { temporaryFolder } from "./helpers.js";

const libtorch = {
  how: "test",
  root: "/opt/libtorch",
  version: "1.13.1",
  includes: ["/opt/libtorch/include"],
  lateIncludes: [] as string[],
  lib: "/opt/libtorch/lib",
  runtimeDirs: [] as string[],
  cuda: false,
  oldAbi: false,
};

/** A checkout with two sources and a header, and a compiler made of `script`. `$out` is the -o argument. */
function checkout(script = "exit 0") {
  const folder = temporaryFolder();
  const nativeDir = join(folder, "native");
  mkdirSync(nativeDir);
  writeFileSync(join(nativeDir, "a.cc"), "int a;");
  writeFileSync(join(nativeDir, "b.cc"), "int b;");
  writeFileSync(join(nativeDir, "b.h"), "// b");
  const path = join(folder, "c++");
  const calls = join(folder, "calls");
  writeFileSync(
    path,
    `#!/bin/sh\necho "$@" >> ${calls}\nfor last; do out=$last; done\necho made > "$out"\n${script}\n`,
  );
  chmodSync(path, 0o755);
  const places = { nativeDir, buildDir: join(folder, "build"), output: join(folder, "build/fewlabels.node") };
  const compiler = { path, version: "test 1", flags: [], linkFlags: [] };
  const plan = (more = {}) => planBuild({ ...libtorch, ...more }, compiler, places);
  const called = () => (existsSync(calls) ? readFileSync(calls, "utf8").trim().split("\n") : []);
  return { ...places, plan, called };
}

const quiet = () => {};

describe("planBuild", () => {
  it("a touched source changes its own object only, a header all of them, and each the hash", () => {
    const { plan, nativeDir } = checkout();
    const before = plan();
    writeFileSync(join(nativeDir, "a.cc"), "int a2;");
    const source = plan();
    expect(source.units.map((unit, i) => unit.object === before.units[i]?.object)).toEqual([false, true]);
    writeFileSync(join(nativeDir, "b.h"), "// b2");
    const header = plan();
    expect(header.units.map((unit, i) => unit.object === source.units[i]?.object)).toEqual([false, false]);
    expect(new Set([before.hash, source.hash, header.hash]).size).toBe(3);
  });

  it("another libtorch version is another addon", () => {
    const { plan } = checkout();
    expect(plan({ version: "2.5.1" }).hash).not.toBe(plan().hash);
  });

  it("passes the old C++ ABI, CUDA and late include folders only where they are", () => {
    const { plan } = checkout();
    const plain = [...(plan().units[0]?.args ?? []), ...plan().linkArgs].join(" ");
    expect(plain).not.toMatch(/GLIBCXX_USE_CXX11_ABI|torch_cuda|idirafter/);
    expect(plan({ oldAbi: true }).units[0]?.args).toContain("-D_GLIBCXX_USE_CXX11_ABI=0");
    expect(plan({ cuda: true }).linkArgs.join(" ")).toContain("--no-as-needed -ltorch_cuda");
    expect(plan({ lateIncludes: ["/x"] }).units[0]?.args.join(" ")).toContain("-idirafter /x");
  });

  it("a checkout without sources is an error that names the folder", () => {
    const { plan, nativeDir } = checkout();
    for (const name of readdirSync(nativeDir)) writeFileSync(join(nativeDir, name), "");
    expect(() =>
      planBuild(libtorch, plan().compiler, { nativeDir: `${nativeDir}-no`, buildDir: "b", output: "o" }),
    ).toThrow(/no C\+\+ sources in .*native-no/);
  });
});

describe("buildAddon", () => {
  it("compiles each file, links, and refuses a result that does not load", async () => {
    const { plan, called, output, buildDir } = checkout();
    await expect(buildAddon(plan(), quiet)).rejects.toThrow(/was built but does not load/);
    expect(called()).toHaveLength(3);
    expect(existsSync(output)).toBe(false);
    expect(existsSync(join(buildDir, "engine.json"))).toBe(false);
    expect(isCurrent(plan())).toBe(false);
    expect(readdirSync(buildDir)).toEqual(["obj"]);
  });

  it("does not compile again what it has compiled", async () => {
    const { plan, called, nativeDir } = checkout();
    await buildAddon(plan(), quiet).catch(quiet);
    writeFileSync(join(nativeDir, "a.cc"), "int a2;");
    await buildAddon(plan(), quiet).catch(quiet);
    expect(called().filter((line) => line.includes("-c "))).toHaveLength(3);
  });

  it("shows the compiler's first error, the command, and libtorch; leaves no half object", async () => {
    const { plan, buildDir } = checkout('echo "noise"; echo "a.cc:1: error: no such thing" >&2; exit 1');
    const error = await buildAddon(plan(), quiet).catch((reason) => reason);
    expect(error.message).toMatch(/compiling [ab]\.cc failed \(exit 1\)/);
    expect(error.message).toContain("error: no such thing");
    expect(error.message).toMatch(/command: .*c\+\+ -std=c\+\+17/);
    expect(error.hints.join("\n")).toContain("libtorch 1.13.1 (test) at /opt/libtorch");
    expect(readdirSync(join(buildDir, "obj"))).toEqual([]);
  });

  it.each([
    ["c++: fatal error: Killed signal terminated program cc1plus", "ran out of memory"],
    ["undefined reference to `at::add'", "different versions or C++ ABIs"],
    ["cannot find -ltorch_cpu: No such file", "apt-get install libtorch-dev"],
    ["fatal error: ATen/core/Tensor.h: No such file or directory", "a header is missing"],
  ])("explains %j", async (output, hint) => {
    const { plan } = checkout(`echo "${output.replaceAll("`", "\\`")}"; exit 1`);
    const error = await buildAddon(plan(), quiet).catch((reason) => reason);
    expect(error.hints.join("\n")).toContain(hint);
  });
});

describe("loadProblem", () => {
  it("says why a file does not load instead of crashing", () => {
    const file = join(temporaryFolder(), "x.node");
    writeFileSync(file, "not a library");
    expect(loadProblem(file)).toMatch(/file too short|invalid ELF header|not a/i);
    expect(loadProblem(`${file}.none`)).toMatch(/cannot open shared object|no such file/i);
  });
});
