import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { readConfigFile } from "../../src/config/config-file.js";
import { findDefinition, readProfile } from "../../src/experiments/catalog.js";
import { readDefinition } from "../../src/experiments/definition/read.js";
import { armsOf } from "../../src/experiments/plan.js";
import { writeTiny } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-definition-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const read = (change: (text: string) => string) => readDefinition("tiny", writeTiny(folder, change));
const columnsOf = (name: string) => findDefinition(name).columns.map((column) => column.name);

it("keeps rows and columns in the order of the file, numbers too", () => {
  const columns = 'columns: { "10": { labels: 10 }, all: {}, "0.1": { labels: 8 }, "1": { labels: 6 } }';
  expect(read((text) => `${text}${columns}\n`).columns.map(({ name }) => name)).toEqual(["10", "all", "0.1", "1"]);
});

it.each([
  ["mean-teacher/figure-4c", ["0", "0.9", "0.97", "0.99", "0.997", "0.999", "0.9997", "0.9999", "0.99 then 0.999"]],
  ["mean-teacher/figure-4d", ["0", "0.1", "0.3", "1", "3", "10", "30"]],
  ["mean-teacher/figure-4e", ["one head", "0", "0.001", "0.01", "0.1", "1.0"]],
  ["mean-teacher/figure-4f", ["0", "0.01", "0.1", "0.3", "0.5", "0.7", "0.9", "0.99", "1"]],
  ["temporal-ensembling/noisy-labels", ["0", "20", "50", "80", "90"]],
])("%s has the grid of the released scripts", (name, grid) => {
  expect(columnsOf(name)).toEqual(grid);
});

it("Figure 4a switches three kinds of noise, 4b takes the script's pairs of dropout", () => {
  expect(columnsOf("mean-teacher/figure-4a")).toHaveLength(8);
  const pairs = findDefinition("mean-teacher/figure-4b").columns.map(({ label }) => label);
  expect(pairs).toEqual(["0, 0", "0.25, 0.25", "0.5, 0", "0.5, 0.25", "0.5, 0.5", "0.5, 0.75", "0.75, 0.75"]);
});

it.each<[string, (text: string) => string, RegExp]>([
  ["an unknown key", (text) => `${text}rowz: {}\n`, /tiny\.yaml: .*rowz/],
  [
    "a value that is no number",
    (text) => text.replace("12.5 +- 0.5", "about 12"),
    /expected "12\.31 \+- 0\.28", got "about 12"/,
  ],
  ["a claim about a row that is not there", (text) => text.replace("better: pi-model", "better: pi"), /claims.*"pi"/],
  [
    "two rows with one folder",
    (text) => text.replace("rows:", "rows:\n  a b: { method: vat }\n  a_b: { method: vat }"),
    /tiny\.yaml: rows: .* got "a b" and "a_b", both a_b\. Rename one/,
  ],
  [
    "predictions of an arm that is skipped",
    (text) =>
      `${text.replace("{ method: pi-model }", "{ method: pi-model, predictionsOf: supervised }")}skip: [supervised/all]\n`,
    /rows\.pi-model\.predictionsOf: pi-model\/all starts from the predictions of supervised\/all, which is skipped/,
  ],
  [
    "predictions of an arm of another scale",
    (text) =>
      text
        .replace("{ method: pi-model }", "{ method: pi-model, predictionsOf: supervised }")
        .replace("{ method: supervised }", "{ method: supervised, onlyAt: paper }"),
    /which exists at scale paper only/,
  ],
  ["a seed that is no number", (text) => text.replace("[1, 2]", "[1, a]"), /tiny\.yaml: seeds\.small\[1\]: .*got "a"/],
  [
    "a seed that is there twice",
    (text) => text.replace("[1, 2]", "[1, 1]"),
    /seeds that differ, one at least, got \[1,1\]/,
  ],
  ["no seed at all", (text) => text.replace("[1, 2]", "[]"), /seeds\.small: expected seeds that differ, one at least/],
  [
    "a place on the axis that is no number",
    (text) => text.replace("{ method: pi-model }", "{ method: pi-model, x: far }"),
    /tiny\.yaml: rows\.pi-model\.x: expected a number, got "far"/,
  ],
  [
    "part of a run",
    (text) => text.replace("{ method: pi-model }", "{ method: pi-model, runs: 0.5 }"),
    /rows\.pi-model\.runs: expected a whole number of at least 1, got 0\.5/,
  ],
  ["YAML that is none", (text) => `${text}rows: [`, /not valid YAML/],
])("%s is named with its file", (_, change, message) => {
  expect(() => read(change)).toThrow(message);
});

it("the presets' experiment runs the presets", () => {
  const arms = armsOf(findDefinition("fewlabels/presets"), "small", readProfile("as-is"));
  for (const { row, column, given } of arms) {
    const { evalEvery, ...own } = Object.fromEntries(given);
    const labels = { digits: "digits/100", mnist: "mnist/100", cifar10: "cifar10/1000" }[column.name];
    expect(own, column.name).toEqual(Object.fromEntries(readConfigFile(`${labels}-${row.name}`).given));
  }
});
