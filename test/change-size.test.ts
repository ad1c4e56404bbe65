/**
 * How many files a change touches: what is added is named in its own file and in one list, and nowhere else under src/. Checked on everything
 * there is of a kind, so that the next of its kind costs no more.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { recipes } from "../src/augment/recipes.js";
import { commands } from "../src/cli/commands/index.js";
import { dataSets } from "../src/data/index.js";
import { methods } from "../src/methods/index.js";
import { evaluationMetrics } from "../src/metrics/index.js";
import { models } from "../src/models/index.js";
import { optimizers } from "../src/optim/index.js";

const src = fileURLToPath(new URL("../src/", import.meta.url));
const texts = new Map(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .map((name) => name.replaceAll("\\", "/"))
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, readFileSync(join(src, name), "utf8").replace(/\/\*[\s\S]*?\*\//g, "")] as const),
);

/** Files that import `file`. */
function importers(file: string): string[] {
  return [...texts].flatMap(([from, text]) =>
    [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)].some(
      ([, to]) => posix.join(posix.dirname(from), to!).replace(/\.js$/, ".ts") === file,
    )
      ? [from]
      : [],
  );
}

/** Files in which it says `name: "NAME"`, among those below `folder`. */
const definedIn = (folder: string, name: string) =>
  [...texts].flatMap(([file, text]) =>
    file.startsWith(`${folder}/`) && new RegExp(`\\bname: "${name}"`).test(text) ? [file] : [],
  );

/** What one file may have of another for its own sake: the teacher of Meta Pseudo Labels is trained by UDA's loss. */
const borrowed: Readonly<Record<string, readonly string[]>> = {
  "methods/uda.ts": ["methods/meta-pseudo-labels.ts"],
  "cli/commands/predict.ts": ["cli/commands/embed.ts"],
};

describe("a change touches", () => {
  test.each([
    ["a method", "methods", methods.map(({ name }) => name)],
    ["a network", "models", models.map(({ name }) => name)],
    ["a data set", "data", dataSets.map(({ name }) => name)],
    ["a command", "cli/commands", commands.map(({ name }) => name)],
  ] as const)("two files for %s: its own and the list", (_, folder, names) => {
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      const found = definedIn(folder, name);
      expect(found, name).toHaveLength(1);
      const users = importers(found[0]!).filter((file) => !(borrowed[found[0]!] ?? []).includes(file));
      expect(users, name).toEqual([`${folder}/index.ts`]);
    }
  });

  test("three files for an optimizer: its own, the list, the door", () => {
    for (const { name } of optimizers) {
      const [found, ...others] = definedIn("optim", name);
      expect(others, name).toEqual([]);
      expect(importers(found!), name).toEqual(["optim/build.ts", "optim/index.ts"]);
    }
  });

  test("two files for a metric of evaluations", () => {
    const metrics = evaluationMetrics({ numClasses: 100, topK: 5 });
    expect(metrics.length).toBe(3);
    for (const file of ["metrics/loss.ts", "metrics/top-error.ts", "metrics/confusion.ts"]) {
      expect(importers(file), file).toEqual(["metrics/index.ts"]);
    }
  });

  test("one file for a strong recipe", () => {
    expect(recipes.length).toBeGreaterThanOrEqual(5);
    for (const { name } of recipes) expect(definedIn("augment", name)).toEqual(["augment/recipes.ts"]);
    expect(importers("augment/recipes.ts").every((file) => file.startsWith("augment/"))).toBe(true);
  });
});
