/** The files of a folder, each read once before the run: into memory, or, where they do not fit, for what has to be known of them. */
import { DataError } from "../../errors.js";
import { atOnce, type Damage, decodeFile, type ReadImage, readHeader, readImages } from "../../images/decode.js";
import type { DamagedFile, Decoding } from "../../images/image-set.js";
import { countLevels, type Levels, noLevels } from "../../images/normalize.js";
import { andMore } from "../../labels/by-content.js";
import type { FolderLayout, PictureFile } from "./layout.js";

/** `decode` finds all damage before the run; `header` looks at the beginning and the end of a file. */
export type Check = "decode" | "header";

export interface Contents {
  /** `[files, C, H, W]`, rows of damaged files are not set; undefined where no picture was kept. */
  readonly pixels: Uint8Array | undefined;
  /** Gray levels of all readable files, where all were decoded and none was kept. */
  readonly levels: readonly Levels[] | undefined;
  /** By file, undefined where it is damaged. */
  readonly hashes: readonly (string | undefined)[];
  readonly damaged: readonly DamagedFile[];
  readonly remarks: readonly string[];
}

/** Looks at every file; `keep` (with `decode`): and holds its picture. */
export async function readFiles(
  { files }: FolderLayout,
  decoding: Decoding,
  { keep, check }: { readonly keep: boolean; readonly check: Check },
): Promise<Contents> {
  const area = decoding.size ** 2;
  const rowBytes = decoding.channels * area;
  const pixels = keep ? new Uint8Array(files.length * rowBytes) : undefined;
  const levels = keep || check === "header" ? undefined : noLevels(decoding.channels);
  const hashes = new Array<string | undefined>(files.length);
  const reasons = new Map<number, string>();
  const misnamed: number[] = [];
  const note = (image: Omit<ReadImage, "pixels"> | Damage, i: number) => {
    if ("reason" in image) {
      reasons.set(i, image.reason);
      return;
    }
    hashes[i] = image.hash;
    if (image.wrongExtension) misnamed.push(i);
  };
  if (check === "header") {
    await atOnce(files.length, async (i) => note(await readHeader(files[i]!.path, decoding), i));
  } else {
    const paths = files.map(({ path }) => path);
    await readImages(paths, decoding, (image, i) => {
      note(image, i);
      if ("reason" in image) return;
      pixels?.set(image.pixels, i * rowBytes);
      if (levels) countLevels(levels, image.pixels, area);
    });
  }
  const damaged = [...reasons].sort(([a], [b]) => a - b).map(([i, reason]) => ({ file: files[i]!.name, reason }));
  return { pixels, levels, hashes, damaged, remarks: misnamedRemark(files, misnamed) };
}

function misnamedRemark(files: readonly PictureFile[], misnamed: number[]): string[] {
  const [first] = misnamed.sort((a, b) => a - b);
  if (first === undefined) return [];
  return [
    `files of another format than their name says, read all the same: ${misnamed.length}, the first ${files[first]!.name}`,
  ];
}

/**
 * Gray levels of the pictures `trains`: those of all files less the `others`, which are fewer, where all were counted. Pictures
 * that turn out to be damaged are not counted.
 */
export async function levelsOf(
  counted: readonly Levels[] | undefined,
  trains: readonly PictureFile[],
  others: readonly PictureFile[],
  decoding: Decoding,
): Promise<readonly Levels[]> {
  const levels = counted ? counted.map((own) => own.slice()) : noLevels(decoding.channels);
  const [files, sign] = counted ? ([others, -1] as const) : ([trains, 1] as const);
  await atOnce(files.length, async (i) => {
    const image = await decodeFile(files[i]!.path, decoding);
    if (!("reason" in image)) countLevels(levels, image.pixels, decoding.size ** 2, sign);
  });
  return levels;
}

export function damagedRemark(damaged: readonly DamagedFile[], count: number): string[] {
  if (damaged.length === 0) return [];
  return [
    `${damaged.length} of ${count} files are damaged and left out: ${examplesOf(damaged)}; damaged.json in the run folder lists them${sizeAdvice(damaged)}`,
  ];
}

function sizeAdvice(damaged: readonly DamagedFile[]): string {
  const large = damaged.filter(({ reason }) => /more than \d+ megapixels/.test(reason)).length;
  return large === 0 ? "" : `; a higher --dataset.maxMegapixels takes the ${large} that are too large`;
}

/** The first three, with their reasons. */
export function examplesOf(damaged: readonly DamagedFile[]): string {
  const shown = damaged.slice(0, 3).map(({ file, reason }) => `${file} (${reason})`);
  return `${shown.join("; ")}${andMore(damaged.length - shown.length)}`;
}

export function checkDamaged(who: string, damaged: readonly DamagedFile[], count: number, maxDamaged: number): void {
  if (damaged.length <= maxDamaged * count) return;
  throw new DataError(
    `${who}: ${damaged.length} of ${count} files are damaged, more than the share of --dataset.maxDamaged ${maxDamaged}: ${examplesOf(damaged)}. ` +
      `Remove or replace them (\`fewlabels data inspect DIR\` lists all), or raise the limit${sizeAdvice(damaged)}`,
  );
}
