import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { catalog, extend } from "../../src/config/catalog.js";
import { flatten } from "../../src/config/given.js";
import { findPluginFile, loadPlugin } from "../../src/config/plugin.js";
import { checkMethod } from "../../src/config/plugin-check.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";
import type { Method, Views } from "../../src/methods/index.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();

/** Writes a file below the test's folder and returns its path. */
function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

const fields = {
  name: '"mine"',
  paper: '"none"',
  summary: '"a method for a test"',
  options: '{ strength: { type: "number", default: 2, min: 0, doc: "how strongly it does it" } }',
  usesUnlabeled: "true",
  views: "() => ({ labeled: {}, unlabeled: {} })",
  create: "() => ({})",
};
const source = (changes: Partial<Record<keyof typeof fields, string>> = {}, how = "export const method =") => {
  const all = Object.entries({ ...fields, ...changes }).map(([key, value]) => `${key}: ${value}`);
  return `${how} { ${all.join(", ")} };\n`;
};
let count = 0;
const fails = async (text: string, message: RegExp) => {
  const path = write(`bad-${++count}.mjs`, text);
  await expect(loadPlugin("method", path)).rejects.toThrow(UsageError);
  await expect(loadPlugin("method", path)).rejects.toThrow(message);
  await expect(loadPlugin("method", path)).rejects.toThrow(path); // says which file
};

describe("loadPlugin", () => {
  test("takes the export named method, or the default one", async () => {
    const named = await loadPlugin("method", write("named.mjs", source()));
    expect(named).toMatchObject({ module: join(folder, "named.mjs"), name: "mine" });
    const byDefault = await loadPlugin("method", write("default.mjs", source({}, "export default")));
    expect(byDefault.name).toBe("mine");
  });

  test("refuses a file that exports no method, or something else", async () => {
    await fails("export const other = 1;", /exports no method; expected `export const method = defineMethod/);
    await fails("export default 3;", /not a method made with defineMethod.*name \(a string; got undefined\)/);
    await fails(source({ create: "5", paper: "undefined" }), /paper \(a string; got undefined\), create \(a function/);
    await fails(source({ options: "null" }), /options \(a object/);
  });

  test("refuses a name that cannot be, or that a method of the package has", async () => {
    await fails(source({ name: '"My Method"' }), /small letters, digits and dashes, got "My Method"/);
    await fails(source({ name: '"mean-teacher"' }), /is called "mean-teacher" already; give it another name/);
  });

  test("refuses options that are not declared as such", async () => {
    await fails(
      source({ options: "{ strength: 2 }" }),
      /option strength: expected a declaration such as option\.number\(/,
    );
    await fails(
      source({ options: '{ name: { type: "string", default: "x", doc: "text" } }' }),
      /option name: .*other than "name"/,
    );
  });

  test("says what is wrong with a file that Node cannot load", async () => {
    await fails("export const = 1", /cannot be loaded: .*/);
    await fails('throw new Error("on purpose");', /cannot be loaded: on purpose/);
    await fails('import "fewlabels"; export default 1;', /npm install fewlabels/);
  });
});

describe("findPluginFile", () => {
  test("sees a path from the folder it is given in", () => {
    const path = write("sub/x.mjs", source());
    expect(findPluginFile("method", "./x.mjs", join(folder, "sub"))).toBe(path);
    expect(findPluginFile("method", "sub/x.mjs", folder)).toBe(path);
    expect(findPluginFile("method", path, "/")).toBe(path);
  });

  test("names the file that is not there, and sends TypeScript to the compiler", () => {
    expect(() => findPluginFile("method", "./y.mjs", folder)).toThrow(UsageError);
    expect(() => findPluginFile("method", "./y.mjs", folder)).toThrow(join(folder, "y.mjs"));
    write("typed.ts", "");
    expect(() => findPluginFile("method", "./typed.ts", folder)).toThrow(/compile the file first/);
  });

  test("finds an installed package by name, from folders below it too, and leaves our own names alone", () => {
    const entries: Record<string, string> = {
      "my-method": '{ "exports": "./lib/index.js" }',
      "@me/method": '{ "exports": { ".": { "types": "./x.d.ts", "import": "./lib/index.js" } } }',
      "old-method": '{ "main": "lib/index.js" }',
    };
    for (const [name, manifest] of Object.entries(entries)) {
      write(`node_modules/${name}/package.json`, manifest);
      const path = write(`node_modules/${name}/lib/index.js`, source());
      expect(findPluginFile("method", name, join(folder, "sub"))).toBe(path);
    }
    write("node_modules/vat/package.json", '{ "main": "index.js" }');
    expect(findPluginFile("method", "vat", folder)).toBeUndefined();
    expect(findPluginFile("method", "mean-techer", folder)).toBeUndefined();
  });
});

describe("a configuration with a method from outside", () => {
  test("knows its options, and stores the name and the file's absolute path", async () => {
    const loaded = await loadPlugin("method", write("config.mjs", source()));
    const extended = extend(catalog, { methods: [loaded] });
    const config = resolveConfig(flatten({ dataset: "digits", method: "mine", "method.strength": 3 }), extended);
    expect(config).toMatchObject({
      method: "mine",
      modules: { method: loaded.module },
      methodOptions: { strength: 3 },
    });
    expect(() =>
      resolveConfig(flatten({ dataset: "digits", method: "mine", "method.strength": -1 }), extended),
    ).toThrow(/at least 0 for method.strength/);
    expect("modules" in resolveConfig({ dataset: "digits" }, extended)).toBe(false);
  });
});

describe("checkMethod", () => {
  const model = {};
  const sound = { predictor: "student", models: { student: model }, state: { student: model }, step: () => ({}) };
  const check = (changes: object) => () =>
    checkMethod({ ...sound, ...changes } as unknown as Method<Views, Views>, "m");

  test("accepts what can be trained, and names what is missing", () => {
    expect(check({})).not.toThrow();
    expect(check({ step: undefined })).toThrow(/m: create\(\) must return a function step/);
    expect(check({ predictor: "teacher" })).toThrow(/got predictor "teacher" and models student/);
    expect(check({ state: {} })).toThrow(/every model in state.*missing: student/);
    expect(() => checkMethod(undefined as never, "m")).toThrow(UsageError);
  });
});
