// Tables of the pages follow from the declarations. After changing one: node scripts/docs-tables.mjs
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { optionTable, renewed, wantedPages } from "../../scripts/docs-tables.mjs";
import { usageOf } from "../../src/cli/command.js";
import { commandRows, commands } from "../../src/cli/commands/index.js";
import { runOptions } from "../../src/config/run-options.js";
import { dataSets } from "../../src/data/index.js";
import { methods } from "../../src/methods/index.js";
import { models } from "../../src/models/index.js";
import { optimizerOptions } from "../../src/optim/index.js";

const root = new URL("../../", import.meta.url);
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
