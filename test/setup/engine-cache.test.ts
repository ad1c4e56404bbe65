// Engines kept by content: a moved clone and a package that is installed anew do not compile again.
import { copyFileSync, existsSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { engineDir } from "../../scripts/setup/common.mjs";
import { isCurrent, planBuild } from "../../scripts/setup/compile.mjs";
import { keepEngine, takeEngine } from "../../scripts/setup/engine-cache.mjs";
import { enginePaths } from "../../src/torch/addon.js";
import { describeEngine } from "../support/engine.js";
import { temporaryFolder } from "./helpers.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
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
const compiler = { path: "/usr/bin/g++", version: "test 1", flags: [], linkFlags: [] };

function clone(source = "int a;") {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "native"));
  writeFileSync(join(folder, "native/a.cc"), source);
  const buildDir = join(folder, "build");
  return planBuild(libtorch, compiler, {
    nativeDir: join(folder, "native"),
    buildDir,
    output: join(buildDir, "fewlabels.node"),
  });
}

describe("a plan", () => {
  it("is the same wherever the clone lies, and another for another text", () => {
    expect(clone().hash).toBe(clone().hash);
    expect(clone("int b;").hash).not.toBe(clone().hash);
  });
});

describeEngine("kept engines", () => {
  it("one clone's serves the next, is current there, and a broken one is left alone", () => {
    const env = { XDG_CACHE_HOME: temporaryFolder() };
    const [first, second] = [clone(), clone()];
    expect(takeEngine(first, env)).toBe(false);
    mkdirSync(dirname(first.output), { recursive: true });
    copyFileSync(join(root, "build/fewlabels.node"), first.output);
    keepEngine(first, env);
    expect(isCurrent(second)).toBe(false);
    expect(takeEngine(second, env)).toBe(true);
    expect(isCurrent(second)).toBe(true);
    const kept = join(env.XDG_CACHE_HOME, "fewlabels/engines/by-content", `${first.hash}.node`);
    writeFileSync(kept, "cut short");
    const third = clone();
    expect(takeEngine(third, env)).toBe(false);
    expect(existsSync(third.output)).toBe(false);
  }, 60_000);

  it("the eight used last stay; a cache that cannot be written is no failure", () => {
    const env = { XDG_CACHE_HOME: temporaryFolder() };
    const folder = join(env.XDG_CACHE_HOME, "fewlabels/engines/by-content");
    mkdirSync(folder, { recursive: true });
    for (let i = 0; i < 9; i++) {
      writeFileSync(join(folder, `${i}.node`), "");
      utimesSync(join(folder, `${i}.node`), i, i);
    }
    const plan = clone();
    mkdirSync(dirname(plan.output), { recursive: true });
    writeFileSync(plan.output, "engine");
    keepEngine(plan, env);
    expect(readdirSync(folder).sort()).toEqual(
      ["2", "3", "4", "5", "6", "7", "8", plan.hash].map((n) => `${n}.node`).sort(),
    );
    writeFileSync(join(env.XDG_CACHE_HOME, "file"), "");
    expect(() => keepEngine(plan, { XDG_CACHE_HOME: join(env.XDG_CACHE_HOME, "file") })).not.toThrow();
  });
});

describe("where the engine lies", () => {
  it("is in the package where that can be written, else in the user's cache; the loader looks in both", () => {
    const env = { XDG_CACHE_HOME: "/cache" };
    const folder = temporaryFolder();
    expect(engineDir(folder, env)).toBe(join(folder, "build"));
    const gone = join(folder, "nowhere");
    expect(enginePaths(env, "0", gone)).toEqual([
      join(gone, "build/fewlabels.node"),
      join(engineDir(gone, env), "fewlabels.node"),
    ]);
    expect(engineDir(gone, env)).toMatch(/^\/cache\/fewlabels\/engines\/0-[0-9a-f]{12}$/);
  });
});
