/** `fewlabels data pack`: pictures into shards. */
import { asFlags, type Given } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { runOptions } from "../../../config/run-options.js";
import { packParts } from "../../../data/shards/manifest.js";
import { type PackResult, packFormats } from "../../../data/shards/pack.js";
import { UsageError } from "../../../errors.js";
import { lineName } from "../../../files/names.js";
import { boolean, choice, integer, type OptionsOf, required, text } from "../../../options.js";
import { packDataSet, packFolder } from "../../../session/pack.js";
import { defineCommand, optionalArgument } from "../../command.js";
import type { Externals } from "../../externals.js";
import { count } from "../../format.js";
import { print, printError } from "../../output.js";

const who = "fewlabels data pack";

const options = {
  out: required(
    text(undefined, {
      value: "prefix",
      doc: "shards are PREFIX-labeled-000000.tar and so on, beside a manifest PREFIX.json",
    }),
  ),
  shardSize: integer(10_000, { min: 1, doc: "pictures in a shard" }),
  format: choice(packFormats, undefined, {
    doc: "copy: files as they are; raw: pixels that need no decoding (default: copy; jpeg with --size; raw for a data set)",
  }),
  size: integer(undefined, {
    min: 1,
    doc: "bring every picture of a folder to this height and width, the middle kept",
  }),
  shuffleSeed: integer(0, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of the order of the pictures" }),
  dataset: { ...runOptions.dataset, doc: "pack this data set in place of a folder, see `fewlabels list datasets`" },
  data: { ...runOptions.data, doc: "folder with the data set's files" },
  labels: { ...runOptions.labels, doc: "data set: how many labels, or a labels file (default: all)" },
  labelSeed: integer(undefined, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "data set: seed of the label draw" }),
  unlabeled: text(undefined, {
    doc: "folder: unlabeled pictures, in place of DIR/unlabeled; data set: `rest` (default) or `all`",
  }),
  json: boolean(false, { doc: "print the manifest and the damaged files as one JSON line" }),
} as const;
type PackFlags = OptionsOf<typeof options>;

export const dataPack = defineCommand({
  name: "data pack",
  summary: "write shards (WebDataset tar files)",
  description:
    "Pack the pictures of a folder, or of any data set (--dataset), into shards: labeled, unlabeled and test pictures apart, in random order.",
  arguments: { dir: optionalArgument("folder of pictures, as `train --dataset folder --data DIR` takes it") },
  options,
  takes: "dataset",
  examples: [
    "fewlabels data pack pictures --out shards/mine --size 64",
    "fewlabels data pack --dataset cifar10 --data cifar-10-batches-bin --labels 4000 --out shards/cifar",
  ],
  async run({ dir, json, ...flags }, { given, externals }) {
    if ((dir === undefined) === (flags.dataset === undefined)) {
      throw new UsageError(`${who}: expected a folder DIR or --dataset NAME, and not both`);
    }
    const result = await (dir === undefined ? packSet(flags, given, externals) : packDir(dir, flags));
    if (json) print(JSON.stringify(result));
    else report(result);
  },
});

function packDir(dir: string, flags: Omit<PackFlags, "json">): Promise<PackResult> {
  const { labels, labelSeed, unlabeled, out, shuffleSeed, shardSize, format, size } = flags;
  if (labels !== undefined || labelSeed !== undefined) {
    throw new UsageError(
      `${who}: the folders in ${dir} say what is labeled; for --labels use --dataset folder --data ${dir}, which packs pictures of one --dataset.size`,
    );
  }
  return packFolder(dir, { prefix: out, seed: shuffleSeed, shardSize, format, size, unlabeledDir: unlabeled });
}

function packSet(flags: Omit<PackFlags, "json">, given: Given, { catalog, named }: Externals): Promise<PackResult> {
  const { out, shuffleSeed, shardSize, format, size, dataset, data, labels, labelSeed, unlabeled } = flags;
  if (format === "copy" || size !== undefined) {
    throw new UsageError(
      `${who}: a data set has no files to copy or resize; use --format jpeg, png or raw${dataset === "folder" ? ", and --dataset.size" : ""}`,
    );
  }
  const asked = Object.entries({ dataset, data, labels: labels ?? "all", labelSeed, unlabeled: unlabeled ?? "rest" });
  const all: Given = new Map([...asked.filter(([, value]) => value !== undefined), ...given]);
  const config = resolveConfig(named(all), catalog, { describe: asFlags(who), idle: "allow" });
  return packDataSet(config, { catalog, prefix: out, seed: shuffleSeed, shardSize, format });
}

function report({ damaged, parts }: PackResult): void {
  for (const { file, reason } of damaged) printError(`${lineName(file)}: ${reason}`);
  for (const part of packParts) {
    const { shards, count: pictures } = parts[part] ?? { shards: [], count: 0 };
    if (shards.length === 0) continue;
    const range = shards.length === 1 ? shards[0]! : `${shards[0]} .. ${shards.at(-1)}`;
    print(`${count(pictures)} ${part} pictures in ${count(shards.length)} shards: ${range}`);
  }
  if (damaged.length > 0) print(`${count(damaged.length)} pictures could not be read and are left out`);
}
