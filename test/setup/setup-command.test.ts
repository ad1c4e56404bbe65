// scripts/setup.mjs, the launcher and probe() as users and `fewlabels doctor` meet them.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, utimesSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { cacheDir, removeAbandoned } from "../../scripts/setup/common.mjs";
import { neededNode, nodeProblem } from "../../scripts/setup/node-version.mjs";
import { probe } from "../../scripts/setup/probe.mjs";
import { placeProblem } from "../../scripts/setup/set-up.mjs";
import { cacheFolder } from "../../src/package.js";
import { temporaryFolder } from "./helpers.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

function node(args: string[], { cwd = root, env = {} }: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const result = spawnSync(process.execPath, args, { cwd, env: { ...process.env, ...env }, encoding: "utf8" });
  return { status: result.status, stdout: result.stdout, stderr: result.stderr };
}

describe("setup", () => {
  it("is one line when everything is there", () => {
    const { status, stdout } = node(["scripts/setup.mjs", "--only=engine"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^fewlabels: libtorch [\d.]+\S* \([^)]+\), addon up to date \(\d+\.\d s\)\n$/);
  });

  it("an unknown argument is exit 2 with the usage", () => {
    const { status, stderr } = node(["scripts/setup.mjs", "--wat"]);
    expect(status).toBe(2);
    expect(stderr).toMatch(/unknown argument --wat[\s\S]*usage:/);
  });

  it("a wrong FEWLABELS_LIBTORCH is exit 1, names it, and shows no stack", () => {
    const { status, stderr } = node(["scripts/setup.mjs", "--only=engine"], {
      env: { FEWLABELS_LIBTORCH: "/nowhere" },
    });
    expect(status).toBe(1);
    expect(stderr).toContain("FEWLABELS_LIBTORCH=/nowhere: not there");
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it("without permission to install says what is missing and the command that gets it", () => {
    const env = { CXX: "", PATH: "/nonexistent", FEWLABELS_NO_INSTALL: "1", XDG_CACHE_HOME: "/nonexistent" };
    const { status, stderr } = node(["scripts/setup.mjs", "--only=engine"], { env });
    expect(status).toBe(1);
    expect(stderr).toMatch(/a C\+\+ compiler not found\n {2}- /);
  });
});

describe("launcher", () => {
  it("says what to run when the TypeScript is not built", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "bin"));
    mkdirSync(join(folder, "scripts/setup"), { recursive: true });
    cpSync(join(root, "scripts/setup/node-version.mjs"), join(folder, "scripts/setup/node-version.mjs"));
    cpSync(join(root, "bin/fewlabels.js"), join(folder, "bin/fewlabels.mjs"));
    const { status, stderr } = node([join(folder, "bin/fewlabels.mjs"), "demo"]);
    expect(status).toBe(1);
    expect(stderr).toContain("npm run setup");
  });

  it("sets a clone up before anything is compiled", () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, "bin"));
    cpSync(join(root, "bin/fewlabels.js"), join(folder, "bin/fewlabels.mjs"));
    cpSync(join(root, "scripts/setup"), join(folder, "scripts/setup"), { recursive: true });
    const { status, stderr } = node([join(folder, "bin/fewlabels.mjs"), "setup", "--wat"]);
    expect(status).toBe(2);
    expect(stderr).toContain("fewlabels setup: unknown argument --wat");
  });

  it.each(["bin/fewlabels.js", "scripts/setup.mjs"])(
    "%s on an older Node says which one is needed, and nothing else",
    (file) => {
      const old = 'data:text/javascript,Object.defineProperty(process.versions, "node", { value: "18.20.4" })';
      const { status, stdout, stderr } = node(["--import", old, file, "doctor"]);
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toMatch(/^fewlabels: this is Node 18\.20\.4, and fewlabels needs 20\.19 or newer\..*\n$/);
    },
  );

  it("what runs before that check is text that Node 12 can read", () => {
    for (const file of ["bin/fewlabels.js", "scripts/setup.mjs", "scripts/setup/node-version.mjs"]) {
      const code = readFileSync(join(root, file), "utf8").replace(/^\s*\/\/.*$/gm, "");
      expect(code, file).not.toMatch(/^import[\s{]|\?\.|\?\?|\bawait\b|#\w+\s*[=(]|\|\|=|&&=/m);
    }
  });

  it("asks for the Node that package.json does", () => {
    const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
    expect(engines.node).toBe(`>=${neededNode.join(".")}`);
    expect([nodeProblem("20.19.0"), nodeProblem("22.0.0")]).toEqual([undefined, undefined]);
    expect(nodeProblem("20.18.9")).toContain("20.19");
  });

  it("works through a link, as npm installs it", () => {
    const folder = temporaryFolder();
    symlinkSync(join(root, "bin/fewlabels.js"), join(folder, "fewlabels"));
    const { status, stdout } = node([join(folder, "fewlabels"), "--version"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+/);
  });
});

describe("probe", () => {
  it("reports a working machine as ok, with what was found", () => {
    const report = probe();
    expect(report.ok).toBe(true);
    expect(report.addon).toMatchObject({ built: true, current: true, loads: true });
    expect(report.libtorch?.version).toMatch(/^\d/);
    expect(report.cpu.cores).toBeGreaterThan(0);
    expect(report.memory.availableMB).toBeLessThanOrEqual(report.memory.totalMB);
  });

  it("says of a missing libtorch where it looked and what to do, and throws nothing", () => {
    const report = probe({ env: { ...process.env, FEWLABELS_LIBTORCH: "/nowhere" }, load: false });
    expect(report.ok).toBe(false);
    expect(report.libtorch).toBeNull();
    expect(report.tried).toEqual([{ place: "FEWLABELS_LIBTORCH=/nowhere", problem: "not there" }]);
    expect(report.problems[0]).toMatchObject({ level: "error", what: "libtorch was not found" });
    expect(report.problems[0]?.todo.length).toBeGreaterThan(0);
  });

  it("says of a missing libtorch beside an engine that works that it is needed to build only", () => {
    const report = probe({ env: { ...process.env, FEWLABELS_LIBTORCH: "/nowhere" } });
    expect(report.addon).toMatchObject({ loads: true, current: true });
    expect(report.problems).toContainEqual(
      expect.objectContaining({
        level: "warning",
        what: expect.stringMatching(/^libtorch was not found: the engine works/),
      }),
    );
    expect(report.ok).toBe(true);
  });
});

describe("doctor", () => {
  it("says where libtorch lies, and of a temporary folder that is not there to set TMPDIR", () => {
    const { status, stdout } = node([join(root, "bin/fewlabels.js"), "doctor"], { env: { TMPDIR: "/nowhere" } });
    expect(stdout).toMatch(/^libtorch {3}\d\S*, \S.* \(\/.*\)$/m);
    expect(stdout).toMatch(/^error: training fails: cannot make a temporary folder .*\n {2}- set TMPDIR to a folder/m);
    expect(status).toBe(1);
  }, 60_000);
});

describe("places that cannot be used", () => {
  it("a cache of a user without a home folder lies where nothing can be made, and not in the working folder", () => {
    const before = process.env.HOME;
    try {
      process.env.HOME = "";
      expect([cacheDir({}), cacheFolder({})]).toEqual(["/.cache/fewlabels", "/.cache/fewlabels"]);
    } finally {
      if (before === undefined) delete process.env.HOME;
      else process.env.HOME = before;
    }
  });

  it("are cleared of what killed set-ups had begun, not of what one may still be at", () => {
    const folder = temporaryFolder();
    const names = ["debian.999999999.tmp", `debian.${process.pid}.tmp`, "libtorch.999999998.tmp", "debian", "a.tmp"];
    for (const name of names) mkdirSync(join(folder, name, "usr"), { recursive: true });
    for (const name of names) if (!name.startsWith("libtorch")) utimesSync(join(folder, name), 1e9, 1e9);
    removeAbandoned(folder);
    expect(readdirSync(folder).sort()).toEqual(names.slice(1).sort());
    removeAbandoned(join(folder, "nowhere"));
  });

  it("are named, with what to do", () => {
    const thrown = (work: () => void) => {
      try {
        work();
      } catch (error) {
        return error;
      }
      return undefined;
    };
    const cannot = thrown(() => mkdirSync("/dev/null/cache/fewlabels/obj"));
    expect(placeProblem(cannot, "/dev/null/cache")).toMatchObject({
      message: expect.stringMatching(/^cannot write \/dev\/null\/cache\/fewlabels\/obj: ENOTDIR/),
      hints: [expect.stringContaining("set XDG_CACHE_HOME")],
    });
    expect(placeProblem(cannot, "/home/me")).toMatchObject({
      hints: ["run it as the user to whom that folder belongs"],
    });
    const full = Object.assign(new Error("ENOSPC"), { code: "ENOSPC", path: "a", dest: "/b/c" });
    expect(placeProblem(full, "/home/me")).toMatchObject({
      message: "cannot write /b/c: ENOSPC",
      hints: ["free some space on that disk"],
    });
    expect(placeProblem(new TypeError("a fault"), "/home/me")).toBeUndefined();
  });
});
