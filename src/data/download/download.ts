/** The official files of a data set, brought to where `--data` expects them. What is there and right is not fetched again. */
import { existsSync, rmSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { DataError } from "../../errors.js";
import { bytes } from "../../files/packed.js";
import { makeFolder, writeWhole } from "../../files/write-whole.js";
import { type FetchControl, fetchFile, md5OfFile, sizeOf } from "./fetch-file.js";
import { inTurn } from "./in-turn.js";
import type { OfficialData, OfficialDownload, OfficialFile } from "./official-files.js";
import { unpackArchive } from "./unpack-archive.js";

export interface DownloadOptions extends Omit<FetchControl, "onBytes"> {
  /** As `train --data` takes it. */
  readonly dir: string;
  /** Also what is fetched only if asked for. */
  readonly extra?: boolean;
  /** Address to take the files from, by their names, in place of the official ones. */
  readonly mirror?: string | undefined;
  /** `have` bytes of a file are on disk. */
  readonly onProgress?: (file: OfficialDownload, have: number) => void;
}

export interface DownloadReport {
  readonly dataset: string;
  /** Where the files are. */
  readonly folder: string;
  readonly files: readonly { readonly file: string; readonly bytes: number; readonly fetched: boolean }[];
  /** That came over the line this time. */
  readonly downloadedBytes: number;
}

/**
 * Fetches what is missing, after another process that is at it. Throws DataError where content is wrong, a file is in the way or a folder cannot be written; DownloadError
 * where the server does not deliver; the signal's reason when it is aborted (what has come is kept).
 */
export async function downloadDataSet(official: OfficialData, options: DownloadOptions): Promise<DownloadReport> {
  const { extra = false, mirror, signal, onNote, onProgress } = options;
  const downloads = official.downloads.filter((download) => extra || !download.extra);
  const folder = folderFor(official, options.dir);
  makeDataFolder(folder);
  const files: { file: string; bytes: number; fetched: boolean }[] = [];
  let downloadedBytes = 0;
  for (const download of downloads) {
    const wanted = download.members ?? [download];
    const file = join(folder, download.name);
    const mark = `${file}.fetched`; // beside an archive that this command has fetched itself
    let missing = await missingOf(wanted, folder, signal);
    if (missing.size === 0 && existsSync(mark)) for (const path of [file, mark]) rmSync(path, { force: true });
    if (missing.size > 0) {
      await inTurn(file, options, async (waited) => {
        if (waited) missing = await missingOf(wanted, folder, signal);
        if (missing.size === 0) return;
        const already = download.members ? await isThere(file, download, signal) : false;
        if (!already) {
          const before = sizeOf(`${file}.part`);
          const rest = before > 0 ? `, ${bytes(before)} of them there already` : "";
          onNote?.(`${download.name}, ${bytes(download.bytes)}${rest}`);
          const url = mirror === undefined ? download.url : `${mirror.replace(/\/+$/, "")}/${download.name}`;
          const onBytes = (have: number, came: number) => {
            downloadedBytes += came;
            onProgress?.(download, have);
          };
          await fetchFile({ url, file, bytes: download.bytes, md5: download.md5 }, { ...options, onBytes });
        }
        if (download.members) {
          if (!already) writeWhole(mark, "");
          onNote?.(`unpacking ${download.name}`);
          await unpackArchive(file, folder, [...missing], signal).catch((error: unknown) => {
            if (error instanceof DataError) rmSync(mark, { force: true }); // what is refused stays, for people to look at
            throw error;
          });
          if (existsSync(mark)) for (const path of [file, mark]) rmSync(path, { force: true });
        }
      });
    }
    for (const member of wanted) files.push({ file: member.name, bytes: member.bytes, fetched: missing.has(member) });
  }
  return { dataset: official.name, folder, files, downloadedBytes };
}

/** `dir` itself where it has the usual name or already holds files of the set, else its usual subfolder: as the data sets look. */
function folderFor({ folder, downloads }: OfficialData, dir: string): string {
  const names = downloads.flatMap((download) => (download.members ?? [download]).map(({ name }) => name));
  const here = basename(resolve(dir)) === folder || names.some((name) => existsSync(join(dir, name)));
  return here ? dir : join(dir, folder);
}

function makeDataFolder(folder: string): void {
  try {
    makeFolder(folder);
  } catch (error) {
    throw new DataError(`cannot make ${folder}: ${(error as Error).message}. Choose another folder with --data`);
  }
}

async function missingOf(
  wanted: readonly OfficialFile[],
  folder: string,
  signal?: AbortSignal,
): Promise<ReadonlySet<OfficialFile>> {
  const missing = new Set<OfficialFile>();
  for (const file of wanted) if (!(await isThere(join(folder, file.name), file, signal))) missing.add(file);
  return missing;
}

/** Whether the file is there. Throws DataError where another one is: it is not ours to overwrite. */
async function isThere(path: string, { bytes: size, md5 }: OfficialFile, signal?: AbortSignal): Promise<boolean> {
  const info = statSync(path, { throwIfNoEntry: false });
  if (!info) return false;
  const wrong = (found: string): never => {
    throw new DataError(
      `${path} is there, but it is not the official file: ${found}. Move it away, or choose another folder with --data`,
    );
  };
  if (!info.isFile() || info.size !== size) wrong(`expected ${bytes(size)}, found ${bytes(info.size)}`);
  const found = md5 === undefined ? undefined : await md5OfFile(path, signal);
  if (found !== md5) wrong(`expected md5 ${md5}, found ${found}`);
  return true;
}
