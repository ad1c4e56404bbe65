/** `fewlabels data inspect DIR`: what is in a folder of pictures, and what is wrong with it. */
import { resolve } from "node:path";
import { type FolderReport, inspectFolder } from "../../../data/folder/inspect.js";
import { lineName } from "../../../files/names.js";
import { boolean, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, digits, table } from "../../format.js";
import { print } from "../../output.js";

export const dataInspect = defineCommand({
  name: "data inspect",
  summary: "counts, sizes, class balance, duplicates, damaged files",
  description: "Read every picture of a folder and say what is there and what is wrong. Changes nothing.",
  arguments: { dir: argument("folder of pictures, as `train --dataset folder --data DIR` takes it") },
  options: {
    labels: text(undefined, { value: "file", doc: "labels file, for pictures that are in no class folders" }),
    unlabeled: text(undefined, { value: "folder", doc: "folder of unlabeled pictures, in place of DIR/unlabeled" }),
    json: boolean(false, { doc: "print the whole report as one JSON line" }),
  },
  examples: ["fewlabels data inspect pictures", "fewlabels data inspect photos --labels labels.csv --json"],
  async run({ dir, labels, unlabeled, json }) {
    const report = await inspectFolder(resolve(dir), {
      labelsFile: labels,
      unlabeledDir: unlabeled === undefined ? undefined : resolve(unlabeled),
    });
    print(...(json ? [JSON.stringify(report)] : reportLines(report)));
  },
});

const shown = 10;

export function reportLines(report: FolderReport): string[] {
  const { dir, layout, train, unlabeled, test, classes, width, height, formats } = report;
  const sides = ({ min, median, max }: FolderReport["width"]) => `${min} to ${max} (median ${median})`;
  const kinds = Object.entries(formats).map(([name, n]) => `${count(n)} ${name}`);
  return [
    `${dir}: ${layout === "flat" ? "flat folder with a labels file" : `${classes.length} class folders`}`,
    `${count(train)} labeled, ${count(unlabeled)} unlabeled, ${count(test)} test pictures; ${kinds.join(", ") || "none readable"}`,
    `width ${sides(width)}, height ${sides(height)} pixels`,
    "",
    ...table([["class", "labeled", "test"], ...classes.map((c) => [c.name, count(c.train), count(c.test)])]),
    `largest class : smallest = ${Number.isFinite(report.imbalance) ? digits(report.imbalance) : "one is empty"}`,
    ...report.remarks.map((remark) => `note: ${lineName(remark)}`),
    ...section(
      "damaged files, left out of training",
      report.damaged.map(({ file, reason }) => `${file}: ${reason}`),
    ),
    ...section(
      "classes that training refuses: each needs a picture to train on and another to test with",
      report.tooFew,
    ),
    ...section("rows of the labels file that training refuses", report.badRows),
    ...section(
      "one picture with two labels, which training refuses",
      report.conflicts.map(([a, b]) => `${a} = ${b}`),
    ),
    ...section("pictures to train on that are also in the test folder", report.inTest),
    ...section(
      "the same picture more than once",
      report.duplicates.map((group) => group.join(" = ")),
    ),
    ...section("names that promise another format", report.misnamed),
  ];
}

function section(title: string, items: readonly string[]): string[] {
  if (items.length === 0) return [];
  const rest = items.length > shown ? [`  ... and ${count(items.length - shown)} more (--json prints all)`] : [];
  return [
    "",
    `${title} (${count(items.length)}):`,
    ...items.slice(0, shown).map((item) => `  ${lineName(item)}`),
    ...rest,
  ];
}
