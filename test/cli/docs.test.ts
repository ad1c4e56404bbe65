// The option tables in docs/commands follow from the declarations. After changing one: UPDATE_DOCS=1 npx vitest run test/cli/docs.test.ts
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { benchOptions } from "../../src/cli/commands/bench.js";
import { buildProgram } from "../../src/cli/program.js";
import { runOptions } from "../../src/config/run-options.js";
import { optimizerOptions } from "../../src/optim/index.js";
import { optionTable } from "../support/option-table.js";

const page = (name: string) => fileURLToPath(new URL(`../../docs/commands/${name}.md`, import.meta.url));

describe("docs/commands", () => {
  it("has a page for each command, and names all its own flags", () => {
    for (const command of buildProgram().commands) {
      expect(existsSync(page(command.name())), command.name()).toBe(true);
      const text = readFileSync(page(command.name()), "utf8");
      const own = [command, ...command.commands]
        .flatMap(({ options }) => options)
        .filter((option) => !option.helpGroupHeading && !option.hidden);
      for (const option of own) expect(text, command.name()).toContain(`\`${option.long}`);
    }
  });

  it.each([
    ["train", "run", optionTable(runOptions)],
    ["train", "optimizer", optionTable(optimizerOptions, "optimizer.")],
    ["bench", "bench", optionTable(benchOptions)],
  ])("%s.md has the declared %s options", (name, block, expected) => {
    const text = readFileSync(page(name), "utf8");
    const pattern = new RegExp(`(<!-- options: ${block} -->\n)[^]*?(\n<!-- end -->)`);
    expect(text).toMatch(pattern);
    const wanted = text.replace(pattern, (_, before: string, after: string) => `${before}\n${expected}\n${after}`);
    if (process.env.UPDATE_DOCS) writeFileSync(page(name), wanted);
    else expect(text).toBe(wanted);
  });
});
