/** What a folder of pictures tells of itself before a run reads it: how large they are, and which have labels. */
import type { RunConfig } from "../../config/resolve.js";
import { type FolderLayout, scanFolder } from "../../data/folder/layout.js";
import { defaultMaxMegapixels, readImages } from "../../images/decode.js";
import { median } from "../../statistics.js";

/** Pictures whose size is looked at. */
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
  const every = Math.max(1, Math.floor(files.length / SAMPLE));
  const sides: number[] = [];
  const tiny = { size: 4, channels: 3, fit: "stretch", maxMegapixels: defaultMaxMegapixels } as const;
  await readImages(
    files.filter((_, i) => i % every === 0).map(({ path }) => path),
    tiny,
    (image) => {
      if ("dimensions" in image && image.dimensions) sides.push(Math.min(...image.dimensions));
    },
    { measure: true },
  );
  return { side: sides.length > 0 ? Math.round(median(sides)) : 32, labels: countLabels(asked, "folder", layout) };
}

function layoutOf({ data, labels, unlabeled }: RunConfig): FolderLayout {
  return scanFolder(data!, {
    labelsFile: /^(all|\d+)$/.test(labels) ? undefined : labels,
    unlabeledDir: unlabeled === "all" || unlabeled === "rest" ? undefined : unlabeled,
  });
}

/** About: pictures held out for tests and validation are no matter here. Of what is not a folder, as asked, or 100. */
export function countLabels(asked: RunConfig, set: string, known?: FolderLayout): number {
  if (/^\d+$/.test(asked.labels)) return Number(asked.labels);
  if (set !== "folder") return 100;
  const { files, table } = known ?? layoutOf(asked);
  return table?.rows.length ?? files.filter(({ part, label }) => part === "train" && label >= 0).length;
}
