/** What a folder of pictures tells of itself before a run reads it: how large they are, and which have labels. */
import type { RunConfig } from "../../config/resolve.js";
import { type FolderLayout, scanFolder } from "../../data/folder/layout.js";
import { countShardLabels } from "../../data/shards/count-labels.js";
import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import { readLabelTable } from "../../labels/label-rows.js";
import { median } from "../../statistics.js";

/** Pictures whose size is looked at, at the most. */
const SAMPLE = 64;

export interface PictureFacts {
  /** Median of the shorter sides of a sample, in pixels; 32 where none could be read. */
  readonly side: number;
  readonly labels: number;
}

/** Throws DataError where the folder is none. */
export async function lookAt(asked: RunConfig): Promise<PictureFacts> {
  const layout = layoutOf(asked);
  const { files } = layout;
  const sides: number[] = [];
  const tiny = { size: 4, channels: 3, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
  await readImages(
    evenly(files, SAMPLE).map(({ path }) => path),
    tiny,
    (image) => {
      if ("dimensions" in image && image.dimensions) sides.push(Math.min(...image.dimensions));
    },
    { measure: true },
  );
  return {
    side: sides.length > 0 ? Math.round(median(sides)) : 32,
    labels: await countLabels(asked, "folder", layout),
  };
}

/** At most so many of the items, at equal distances. */
export function evenly<T>(items: readonly T[], most: number): T[] {
  const count = Math.min(items.length, most);
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]!);
}

function layoutOf({ data, labels, unlabeled, datasetOptions }: RunConfig): FolderLayout {
  return scanFolder(data!, {
    labelsFile: /^(all|\d+)$/.test(labels) ? undefined : labels,
    looseTests: String(datasetOptions.testLabels ?? "") !== "",
    unlabeledDir: unlabeled === "all" || unlabeled === "rest" ? undefined : unlabeled,
  });
}

/** Of more labels than these nothing depends on how many they are (photo-defaults.ts), and shards may hold millions. */
const MOST_OF_SHARDS = 1000;

/** About: pictures held out for tests and validation are no matter here. Of folders and shards; as asked, where a number is. */
export async function countLabels(asked: RunConfig, set: "folder" | "shards", known?: FolderLayout): Promise<number> {
  if (/^\d+$/.test(asked.labels)) return Number(asked.labels);
  if (set === "shards" && asked.labels === "all") return countShardLabels(asked.data!, MOST_OF_SHARDS);
  if (set === "shards") return readLabelTable(asked.labels).rows.length;
  const { files, table } = known ?? layoutOf(asked);
  const inFolders = files.filter(({ part, label }) => part === "train" && label >= 0).length;
  if (!table) return inFolders;
  return table.rows.length + (asked.datasetOptions.keepLabels === true ? inFolders : 0);
}
