// The table of networks in docs/models.md follows from the registry. After a change: UPDATE_DOCS=1 npx vitest run test/models/docs.test.ts
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CIFAR_INPUT, models, sharedModelOptions } from "../../src/models/index.js";
import { namedParameters, withoutValues } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { describeEngine } from "../support/engine.js";

const page = new URL("../../docs/models.md", import.meta.url);

/** A row for each network with its defaults, and for each preset: trainable parameters at the papers' own input. */
function table(): string {
  const rows = models.flatMap(({ name, paper, input = CIFAR_INPUT, options, presets, create }) => {
    const own = Object.keys(options).filter((key) => !(key in sharedModelOptions));
    const entries: [string, Readonly<Record<string, unknown>>][] = [[name, {}], ...Object.entries(presets)];
    return entries.map(([title, preset], i) => {
      const net = withoutValues(() => create(input, parseOptions(options, preset, title)));
      const tensors = namedParameters(net).map((p) => p.tensor);
      const count = tensors.reduce((sum, t) => sum + t.numel, 0).toLocaleString("en-US");
      for (const t of tensors) t.release();
      const first = i === 0 ? [paper, own.map((key) => `\`${key}\``).join(", ")] : ["", ""];
      return `| \`${title}\` | ${count} | ${input.height} px, ${input.numClasses} classes | ${first.join(" | ")} |`;
    });
  });
  return ["| `--model` | parameters | at | paper | options |", "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

describeEngine("docs/models.md", () => {
  test("has every network and preset with its number of parameters and its options", () => {
    const text = readFileSync(page, "utf8");
    const pattern = /(<!-- models -->\n)[\s\S]*?(\n<!-- end -->)/;
    expect(text).toMatch(pattern);
    const wanted = text.replace(pattern, (_, before: string, after: string) => `${before}\n${table()}\n${after}`);
    if (process.env.UPDATE_DOCS) writeFileSync(page, wanted);
    else expect(text).toBe(wanted);
  });
});
