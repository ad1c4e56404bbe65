// The package as people install it: packed, installed into an empty folder, set up there, and used.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeTraining } from "../cli/run-cli.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

function run(command: string, args: readonly string[], cwd: string) {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return { status, stdout, stderr };
}

describeTraining("the installed package", () => {
  let folder: string;
  let app: string;
  const fewlabels = (...args: string[]) => run("npx", ["--no-install", "fewlabels", ...args], app);

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "fewlabels-package-"));
    const packed = run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder], root);
    expect(packed.stderr + packed.stdout).toContain(".tgz");
    const [{ filename, files }] = JSON.parse(packed.stdout) as [{ filename: string; files: { path: string }[] }];
    // What is shipped: nothing to build the TypeScript from, everything to build the engine from.
    const paths = files.map(({ path }) => path);
    expect(paths.filter((path) => /^(src|test|node_modules|build|runs)\//.test(path))).toEqual([]);
    for (const path of ["dist/index.js", "dist/index.d.ts", "native/addon.cc", "scripts/setup/set-up.mjs", "LICENSE"])
      expect(paths).toContain(path);
    app = join(folder, "app");
    mkdirSync(app);
    writeFileSync(join(app, "package.json"), '{ "name": "app", "private": true, "type": "module" }');
    const installed = run(
      "npm",
      ["install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, filename)],
      app,
    );
    expect(installed.status, installed.stderr).toBe(0);
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("before its set-up says what to run here, and after it trains", () => {
    const early = fewlabels("train", "--dataset", "two-moons", "--model", "mlp", "--steps", "2", "--out", "early");
    expect(early.status).toBe(1);
    expect(early.stderr).toContain("Run `npx fewlabels setup` to find or install libtorch");
    expect(early.stderr).not.toContain("npm run setup");
    expect(existsSync(join(app, "early/result.json"))).toBe(false);

    const doctor = fewlabels("doctor");
    expect(doctor.status).toBe(1);
    expect(doctor.stdout).toMatch(/error: the addon is not built\n {2}- npx fewlabels setup/);
    expect(doctor.stdout).not.toContain("npm run");

    // The engine that the suite itself runs on is kept by content, so nothing is compiled here.
    const setup = fewlabels("setup", "--no-install");
    expect(setup.status, setup.stderr).toBe(0);
    expect(setup.stdout).toMatch(/libtorch [\d.]+\S* \(.+\), addon (taken from the cache|built) \(/);
    expect(existsSync(join(app, "node_modules/fewlabels/build/fewlabels.node"))).toBe(true);
    expect(fewlabels("setup").stdout).toMatch(/addon up to date/);

    const train = fewlabels(
      ..."train --dataset two-moons --labels 8 --model mlp --steps 20 --batch 20 --threads 1 --out run --json".split(
        " ",
      ),
    );
    expect(train.status, train.stderr).toBe(0);
    expect(JSON.parse(train.stdout)).toMatchObject({ dataset: "two-moons", steps: 20 });
  }, 300_000);

  it("is a library with types there", () => {
    const code = 'import { train, methods } from "fewlabels"; console.log(typeof train, methods.length > 10)';
    expect(run(process.execPath, ["--input-type=module", "-e", code], app).stdout).toBe("function true\n");
    const { types } = JSON.parse(readFileSync(join(app, "node_modules/fewlabels/package.json"), "utf8")).exports["."];
    expect(existsSync(join(app, "node_modules/fewlabels", types))).toBe(true);
  });

  it("has types that hold under the strictest settings, those that `tsc --init` writes among them", () => {
    const code = [
      'import { catalog, defineDataSet, extend, option, resolveConfig } from "fewlabels";',
      'const load = () => Promise.reject(new Error("none"));',
      'const options = { side: option.integer(3, { min: 1, doc: "pixels" }) };',
      'const mine = defineDataSet({ name: "mine", summary: "s", source: "here", needsDir: false, options, load });',
      'resolveConfig({ dataset: { name: "mine", side: 4 } }, extend(catalog, { dataSets: [mine] }));',
    ];
    writeFileSync(join(app, "use.ts"), code.join("\n"));
    const strict = { strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true };
    const place = { module: "nodenext", noEmit: true, types: ["node"], typeRoots: [join(root, "node_modules/@types")] };
    const settings = { ...strict, ...place, noImplicitOverride: true, verbatimModuleSyntax: true };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions: settings, files: ["use.ts"] }));
    const { status, stdout } = run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", "."], app);
    expect([stdout, status]).toEqual(["", 0]);
  }, 120_000);
});
