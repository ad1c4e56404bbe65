/** `fewlabels data split`: writes down which images get a label, for `--labels FILE`. */
import { type Command, Option } from "commander";
import { asFlags, flatten } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { UsageError } from "../../../errors.js";
import { labelDraws } from "../../../labels/draw.js";
import { writeLabelList } from "../../../labels/write-labels.js";
import { loadSplit } from "../../../session/data.js";
import { addFamilyFlags } from "../../flags.js";
import { count, table } from "../../format.js";
import { print } from "../../output.js";
import { registries } from "../../registries.js";

const who = "fewlabels data split";

interface SplitFlags {
  readonly out: string;
  readonly valOut?: string;
  readonly json?: boolean;
  readonly [option: string]: unknown;
}

export function addDataSplit(data: Command): void {
  const command = data
    .command("split")
    .summary("write label lists: balanced, proportional, first-M or random; validation lists")
    .description(
      "Draw which training images get a label, as `train` does with the same options, and write the list `name label` that --labels FILE takes.",
    )
    .requiredOption("--dataset <name>", "data set, see `fewlabels list datasets`")
    .option("--data <dir>", "folder with the data set's files")
    .requiredOption("--labels <n|all>", "how many labels")
    .addOption(new Option("--label-draw <rule>", "which images").choices(labelDraws).default("balanced"))
    .option("--imbalance <ratio>", "long-tailed labels: the first class gets this many times as many as the last", "1")
    .option("--label-seed <n>", "seed of the draw", "1")
    .option("--val <n>", "images held out for validation before labels are drawn", "0")
    .requiredOption("--out <file>", "list of labeled images to write")
    .option("--val-out <file>", "list of validation images to write")
    .option("--json", "print the counts as one JSON line");
  addFamilyFlags(command, registries.dataSets, "dataset", "Data set (--dataset.KEY):");
  command.action(splitCommand);
}

async function splitCommand(flags: SplitFlags): Promise<void> {
  const { out, valOut, json, ...given } = flags;
  if (valOut !== undefined && given.val === "0")
    throw new UsageError(`${who}: --val-out needs --val N, the number of images to hold out`);
  const describe = asFlags(who);
  const config = resolveConfig(flatten(given, describe), registries, { describe });
  const { data, split } = await loadSplit(config);
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
