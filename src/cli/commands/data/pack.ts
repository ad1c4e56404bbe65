/** `fewlabels data pack`: pictures into shards. */
import { mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import { asFlags, flatten } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { packParts } from "../../../data/shards/manifest.js";
import {
  folderItems,
  type PackFormat,
  type PackItem,
  packFormats,
  packShards,
  setItems,
} from "../../../data/shards/pack.js";
import { DataError, UsageError } from "../../../errors.js";
import { defaultMaxMegapixels } from "../../../images/decode.js";
import { loadSplit } from "../../../session/data.js";
import { addFamilyFlags } from "../../flags.js";
import { count } from "../../format.js";
import { print, printError } from "../../output.js";
import { registries } from "../../registries.js";

const who = "fewlabels data pack";

interface PackFlags {
  readonly out: string;
  readonly shardSize: number;
  readonly format?: PackFormat;
  readonly size?: number;
  readonly shuffleSeed: number;
  readonly json?: boolean;
  readonly dataset?: string;
  readonly labels?: string;
  readonly unlabeled?: string;
  readonly [option: string]: unknown;
}

export function addDataPack(data: Command): void {
  const command = data
    .command("pack")
    .argument("[dir]", "folder of pictures, as `train --dataset folder --data DIR` takes it")
    .summary("write shards (WebDataset tar files)")
    .description(
      "Pack the pictures of a folder, or of any data set (--dataset), into shards: labeled, unlabeled and test pictures apart, in random order.",
    )
    .requiredOption("--out <prefix>", "shards are PREFIX-labeled-000000.tar and so on, beside a manifest PREFIX.json")
    .option("--shard-size <n>", "pictures in a shard", atLeastOne, 10_000)
    .addOption(
      new Option(
        "--format <format>",
        "copy: files as they are; raw: pixels that need no decoding (default: copy; jpeg with --size; raw for a data set)",
      ).choices(packFormats),
    )
    .option("--size <px>", "bring every picture of a folder to this height and width", atLeastOne)
    .option("--shuffle-seed <n>", "seed of the order of the pictures", wholeNumber, 0)
    .option("--dataset <name>", "pack this data set in place of a folder, see `fewlabels list datasets`")
    .option("--data <dir>", "folder with the data set's files")
    .option("--labels <n|all|file>", "data set: how many labels, or a labels file (default: all)")
    .option("--label-seed <n>", "data set: seed of the label draw")
    .option(
      "--unlabeled <dir|all|rest>",
      "folder: unlabeled pictures, in place of DIR/unlabeled; data set: as in train",
    )
    .option("--json", "print the manifest as one JSON line");
  addFamilyFlags(command, registries.dataSets, "dataset", "Data set (--dataset.KEY):");
  command.action(packCommand);
}

async function packCommand(dir: string | undefined, flags: PackFlags): Promise<void> {
  if ((dir === undefined) === (flags.dataset === undefined)) {
    throw new UsageError(`${who}: expected a folder DIR or --dataset NAME, and not both`);
  }
  const packed = dir === undefined ? await setOf(flags) : folderOf(dir, flags);
  const { out, shardSize, shuffleSeed: seed, json } = flags;
  makeFolder(dirname(out));
  const { items, classes, format, size } = packed;
  const result = await packShards(
    items,
    { classes, format, ...(size ? { size } : {}) },
    { prefix: out, shardSize, seed },
  );
  if (json) {
    print(JSON.stringify(result));
    return;
  }
  for (const { file, reason } of result.damaged) printError(`${file}: ${reason}`);
  for (const part of packParts) {
    const { shards, count: pictures } = result.parts[part] ?? { shards: [], count: 0 };
    if (shards.length === 0) continue;
    const range = shards.length === 1 ? shards[0]! : `${shards[0]} .. ${shards.at(-1)}`;
    print(`${count(pictures)} ${part} pictures in ${count(shards.length)} shards: ${range}`);
  }
  if (result.damaged.length > 0) print(`${count(result.damaged.length)} pictures could not be read and are left out`);
}

interface Packed {
  readonly items: readonly PackItem[];
  readonly classes: readonly string[];
  readonly format: PackFormat;
  readonly size?: number | undefined;
}

function folderOf(
  dir: string,
  { labels, labelSeed, unlabeled, size, format = size ? "jpeg" : "copy" }: PackFlags,
): Packed {
  if (labels !== undefined || labelSeed !== undefined) {
    throw new UsageError(
      `${who}: the folders in ${dir} say what is labeled; for --labels use --dataset folder --data ${dir}, which packs pictures of one --dataset.size`,
    );
  }
  if (format !== "copy" && size === undefined) {
    throw new UsageError(`${who}: --format ${format} needs --size, the height and width of the pictures`);
  }
  if (format === "copy" && size !== undefined) {
    throw new UsageError(`${who}: --format copy leaves files as they are; --size needs jpeg, png or raw`);
  }
  const decoding =
    size === undefined ? undefined : ({ size, channels: 3, fit: "crop", maxMegapixels: defaultMaxMegapixels } as const);
  const unlabeledDir = unlabeled === undefined ? undefined : resolve(unlabeled);
  return { ...folderItems(resolve(dir), { unlabeledDir, format, decoding }), format, size };
}

async function setOf(flags: PackFlags): Promise<Packed> {
  const { out, shardSize, format = "raw", size, shuffleSeed, json, ...given } = flags;
  if (format === "copy" || size !== undefined) {
    throw new UsageError(
      `${who}: a data set has no files to copy or resize; use --format jpeg, png or raw${given.dataset === "folder" ? ", and --dataset.size" : ""}`,
    );
  }
  const describe = asFlags(who);
  const config = resolveConfig(flatten({ labels: "all", unlabeled: "rest", ...given }, describe), registries, {
    describe,
  });
  const { data, split } = await loadSplit(config);
  if (data.train.files) {
    throw new UsageError(
      `${who}: its pictures do not fit into --dataset.memoryMB (or are not decoded before they are needed). Pack their folder: \`fewlabels data pack DIR --size ${data.train.width}\``,
    );
  }
  if (data.pool) throw new UsageError(`${who}: the pool of --unlabeled is in shards already`);
  const { train, test, classes } = data;
  const hidden = new Set(split.labeled);
  const name = (row: number) => data.nameOf?.(row) ?? String(row).padStart(8, "0");
  const items = [
    ...setItems(train, split.labeled, "labeled", format, { label: (row) => split.y[row]!, name }),
    // A labeled image that is in the unlabeled part too has another key there.
    ...setItems(train, split.unlabeled, "unlabeled", format, {
      label: () => -1,
      name: (row) => (hidden.has(row) ? `unlabeled/${name(row)}` : name(row)),
    }),
    ...setItems(
      test,
      Int32Array.from(test.labels, (_, row) => row),
      "test",
      format,
      {
        label: (row) => test.labels[row]!,
        name: (row) => `test/${String(row).padStart(8, "0")}`,
      },
    ),
  ];
  return { items, classes, format, size: train.width };
}

export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw new DataError(`cannot make the folder ${path}: ${(error as Error).message}`);
  }
}

export function wholeNumber(raw: string): number {
  const value = Number(raw);
  if (raw.trim() === "" || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError(`Expected a whole number, got "${raw}".`);
  }
  return value;
}

export function atLeastOne(raw: string): number {
  const value = wholeNumber(raw);
  if (value < 1) throw new InvalidArgumentError(`Expected a whole number of at least 1, got "${raw}".`);
  return value;
}
