/** `fewlabels data split`: writes down which images get a label, for `--labels FILE`. */

import { choose } from "../../../config/catalog.js";
import { asFlags, type Given } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { runOptions } from "../../../config/run-options.js";
import { UsageError } from "../../../errors.js";
import { writeLabelList } from "../../../labels/write-labels.js";
import { boolean, type OptionsOf, required, text } from "../../../options.js";
import { loadSplit } from "../../../session/data.js";
import { defineCommand } from "../../command.js";
import type { Externals } from "../../externals.js";
import { count, table } from "../../format.js";
import { makePlaces, print } from "../../output.js";

const who = "fewlabels data split";

const { dataset, data, labels, labelDraw, imbalance, labelSeed, val } = runOptions;
const drawOptions = {
  dataset: required({ ...dataset, doc: "data set, see `fewlabels list datasets`" }),
  data: { ...data, doc: "folder with the data set's files" },
  labels: required({ ...labels, doc: "how many labels, or `all`" }),
  labelDraw,
  imbalance,
  labelSeed,
  val,
};
const outputOptions = {
  out: required(text(undefined, { value: "file", doc: "list of labeled images to write" })),
  valOut: text(undefined, { value: "file", doc: "list of validation images to write" }),
  json: boolean(false, { doc: "print the counts as one JSON line" }),
};

export const dataSplit = defineCommand({
  name: "data split",
  summary: "write label lists: balanced, proportional, first-M or random; validation lists",
  description:
    "Draw which training images get a label, as `train` does with the same options, and write the list `name label` that --labels FILE takes.",
  options: { ...drawOptions, ...outputOptions },
  takes: "dataset",
  examples: [
    "fewlabels data split --dataset cifar10 --data cifar-10-batches-bin --labels 4000 --out labels.txt",
    "fewlabels data split --dataset folder --data pictures --labels 100 --val 50 --out labels.txt --val-out val.txt",
  ],
  run: ({ out, valOut, json, ...draw }, { given, externals }) =>
    splitCommand({ out, valOut, json }, draw, given, externals),
});

async function splitCommand(
  { out, valOut, json }: OptionsOf<typeof outputOptions>,
  draw: OptionsOf<typeof drawOptions>,
  given: Given,
  { catalog, named }: Externals,
): Promise<void> {
  if (valOut !== undefined && draw.val === 0)
    throw new UsageError(`${who}: --val-out needs --val N, the number of images to hold out`);
  const all: Given = new Map([...Object.entries(draw).filter(([, value]) => value !== undefined), ...given]);
  const config = resolveConfig(named(all), catalog, { describe: asFlags(who), idle: "allow" });
  makePlaces(who, { out, "val-out": valOut });
  const { data, split } = await loadSplit(config, choose(config, catalog).dataSet);
  const listOf = (rows: Int32Array) =>
    [...rows].map((i) => [nameOf(data, i), data.classes[data.train.labels[i]!]!] as const);
  const labeled = listOf(split.labeled);
  writeLabelList(out, labeled);
  const val = listOf(split.validation);
  if (valOut !== undefined) writeLabelList(valOut, val);
  const byClass = Object.fromEntries(
    data.classes.map((name) => [name, labeled.filter(([, label]) => label === name).length]),
  );
  if (json) {
    print(JSON.stringify({ out, labeled: labeled.length, val: val.length, byClass }));
    return;
  }
  print(
    `${count(labeled.length)} labels in ${out}${valOut === undefined ? "" : `, ${count(val.length)} validation images in ${valOut}`}`,
    ...table([["class", "labels"], ...Object.entries(byClass).map(([name, n]) => [name, count(n)])]),
  );
}

function nameOf(data: { nameOf?(index: number): string }, index: number): string {
  return data.nameOf?.(index) ?? String(index);
}
