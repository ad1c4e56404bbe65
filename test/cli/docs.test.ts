// Tables of the pages follow from the declarations. After changing one: node scripts/docs-tables.mjs
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { optionTable, renewed, wantedPages } from "../../scripts/docs-tables.mjs";
import { usageOf } from "../../src/cli/command.js";
import { commandRows, commands } from "../../src/cli/commands/index.js";
import { flagOf } from "../../src/config/given.js";
import { neutralOptions, runOptions } from "../../src/config/run-options.js";
import { inspectFolder } from "../../src/data/folder/inspect.js";
import { dataSets } from "../../src/data/index.js";
import { methods } from "../../src/methods/index.js";
import { models } from "../../src/models/index.js";
import { optimizerOptions } from "../../src/optim/index.js";
import { flat, pictureFolder } from "../support/pictures.js";

const root = new URL("../../", import.meta.url);
const plain = flat([1, 2, 3], 8, 8);
const page = (name: string) => fileURLToPath(new URL(`docs/commands/${name}.md`, root));

describe("docs/commands", () => {
  it.each(commands)("$name has a page that shows how it is called", (command) => {
    const path = page(command.name.split(" ")[0]!);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, "utf8")).toContain(
      `    fewlabels ${[command.name, usageOf(command)].filter(Boolean).join(" ")} [options]`,
    );
    expect(command.examples[0]).toMatch(new RegExp(`^fewlabels ${command.name}\\b`));
  });
});

it("docs/commands/train.md names what may change where a run is resumed", () => {
  const [, said = ""] =
    /Only what the result does not depend on can be\nchanged then: ([^;]+);/.exec(
      readFileSync(page("train"), "utf8"),
    ) ?? [];
  expect(said.split(/,\s+/)).toEqual(neutralOptions.map((key) => `\`${flagOf(key)}\``));
});

describe("tables that follow from declarations", () => {
  const pages = wantedPages({ methods, models, dataSets, commands, commandRows, runOptions, optimizerOptions });

  it.each([...pages])("%s is as they say", (name, wanted) => {
    expect(readFileSync(new URL(name, root), "utf8")).toBe(wanted);
  });

  it("an option that is not on its page, or says something else there, is found", () => {
    const option = { type: "number", default: 3, doc: "one | two", min: 0 } as const;
    expect(optionTable({ size: option }, "method.")).toContain(
      "| `--method.size` | number of at least 0 | `3` | one \\| two |",
    );
    expect(renewed("a <!-- x -->old<!-- end --> b", "x", "new")).toBe("a <!-- x -->new<!-- end --> b");
    expect(() => renewed("nothing", "x", "new")).toThrow("<!-- x -->");
  });
});

describe("docs/data.md and docs/commands/data.md", () => {
  const read = (path: string) => readFileSync(new URL(path, root), "utf8");
  const rows = read("docs/data.md").split("\n");

  it.each(dataSets)("$name: its row names its options, or says where they are", ({ name, options }) => {
    const cells = rows.find((line) => line.startsWith(`| \`${name}\` | `))!.split(" | ");
    if (cells[3] === "see below") return;
    for (const option of Object.keys(options)) expect(cells[3]).toContain(`\`${option}\``);
  });

  it("names every field of `data inspect --json`", async () => {
    const { dir, remove } = await pictureFolder({ "a/1.png": plain, "b/2.png": plain });
    const report = await inspectFolder(dir).finally(remove);
    const fields = /`--json` prints the whole report, with every list in full: `\{ ([^}]+) \}`/.exec(
      read("docs/commands/data.md"),
    )![1]!;
    expect(fields.split(/,\s+/)).toEqual(Object.keys(report));
  });
});

describe("a method's page, its file and its slow version", () => {
  const read = (path: string) => readFileSync(new URL(path, root), "utf8");

  it.each(methods.map(({ name }) => name))("%s: each names the others", (name) => {
    const test = read(`src/methods/${name}.ts`).match(
      /@see the paper, .+?; docs\/methods\/[\w-]+\.md; (test\/methods\/[\w.-]+\.ts)/,
    )?.[1];
    expect(read(`src/methods/${name}.ts`)).toContain(`; docs/methods/${name}.md; `);
    expect(test && existsSync(new URL(test, root))).toBe(true);
    expect(read(`docs/methods/${name}.md`)).toContain(`](../../src/methods/${name}.ts)`);
    expect(read(`docs/methods/${name}.md`)).toContain(`](../../${test})`);
  });

  it("src/methods lists the literature: a method a file, but for the interface and the registry", () => {
    const files = readdirSync(new URL("src/methods", root), { withFileTypes: true }).filter((entry) => entry.isFile());
    const names = files
      .map(({ name }) => name.replace(".ts", ""))
      .filter((name) => !["index", "method"].includes(name));
    expect(names.sort()).toEqual(methods.map(({ name }) => name).sort());
  });
});
