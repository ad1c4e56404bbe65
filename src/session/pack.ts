/** Packs a folder of pictures, or any data set, into shards: labeled, unlabeled and test pictures apart. */
import { resolve } from "node:path";
import { catalog as builtIn, type Catalog, choose } from "../config/catalog.js";
import { withModules } from "../config/plugin.js";
import type { RunConfig } from "../config/resolve.js";
import {
  folderItems,
  type PackFormat,
  type PackItem,
  type PackOptions,
  type PackResult,
  packShards,
  setItems,
} from "../data/shards/pack.js";
import { UsageError } from "../errors.js";
import { defaultMaxMegapixels } from "../images/decode.js";
import { loadSplit } from "./data.js";

const who = "data pack";

export interface PackFolderOptions extends PackOptions {
  /** Default: `copy`, or `jpeg` with `size`. */
  readonly format?: PackFormat | undefined;
  /** Height and width that every picture is brought to, the middle kept. Default: files as they are. */
  readonly size?: number | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
}

/** The pictures of `dir`, as the data set `folder` reads it. Throws UsageError and DataError. */
export function packFolder(
  dir: string,
  { size, format = size ? "jpeg" : "copy", unlabeledDir, ...options }: PackFolderOptions,
): Promise<PackResult> {
  if (format !== "copy" && size === undefined) {
    throw new UsageError(`${who}: --format ${format} needs --size, the height and width of the pictures`);
  }
  if (format === "copy" && size !== undefined) {
    throw new UsageError(`${who}: --format copy leaves files as they are; --size needs jpeg, png or raw`);
  }
  const decoding =
    size === undefined ? undefined : ({ size, channels: 3, fit: "crop", maxMegapixels: defaultMaxMegapixels } as const);
  const { items, classes } = folderItems(resolve(dir), {
    unlabeledDir: unlabeledDir === undefined ? undefined : resolve(unlabeledDir),
    format,
    decoding,
  });
  return packShards(items, { classes, format, ...(size ? { size } : {}) }, options);
}

export interface PackDataSetOptions extends PackOptions {
  /** Default `raw`. */
  readonly format?: Exclude<PackFormat, "copy"> | undefined;
  /** What the names in the configuration mean; default what comes with the package. */
  readonly catalog?: Catalog;
}

/** The images of a run's data set, split as the run would. Throws UsageError and DataError. */
export async function packDataSet(
  config: RunConfig,
  { format = "raw", catalog = builtIn, ...options }: PackDataSetOptions,
): Promise<PackResult> {
  const { data, split } = await loadSplit(config, choose(config, await withModules(catalog, config.modules)).dataSet);
  if (data.train.files) {
    throw new UsageError(
      `${who}: its pictures do not fit into --dataset.memoryMB (or are not decoded before they are needed). Pack their folder: \`fewlabels data pack DIR --size ${data.train.width}\``,
    );
  }
  if (data.pool) throw new UsageError(`${who}: the pool of --unlabeled is in shards already`);
  const { train, test, classes } = data;
  const hidden = new Set(split.labeled);
  const name = (row: number) => data.nameOf?.(row) ?? String(row).padStart(8, "0");
  const items: PackItem[] = [
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
  return packShards(items, { classes, format, size: train.width }, options);
}
