/** Picture files in folders. */
import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../errors.js";
import { fsPath, namesIn, shownName } from "../files/names.js";
import { formatOfName, sniffBytes, sniffFormat } from "./image-formats.js";

export interface FolderListing {
  /** Pictures, or files called so, relative to the folder with "/" between names, in the order of their code units. */
  readonly files: readonly string[];
  /** How many other files there are. */
  readonly others: number;
}

/**
 * Everything in `folder` and below that is called like a picture or starts like one. Links are followed; hidden files and folders, those
 * of file systems, runs of fewlabels and what its labelling studio exported are passed over. `deep` false: only what lies directly in it.
 * Throws DataError where it cannot be read.
 */
export function listImages(folder: string, deep = true): FolderListing {
  const files: string[] = [];
  let others = 0;
  if (!isFolder(folder)) throw new DataError(`there is no folder ${shownName(folder)}`);
  for (const { name, picture } of walk(folder, deep)) {
    if (picture) files.push(name);
    else others++;
  }
  return { files: files.sort(byCodeUnits), others };
}

/** Whether there is a picture in `folder` or below; looks no further than the first. */
export function hasImages(folder: string, deep = true): boolean {
  for (const { picture } of walk(folder, deep)) if (picture) return true;
  return false;
}

function* walk(folder: string, deep: boolean): Generator<{ readonly name: string; readonly picture: boolean }> {
  function* visit(relative: string, above: readonly string[]): ReturnType<typeof walk> {
    for (const last of readNames(join(folder, relative))) {
      if (isHidden(last)) continue;
      const name = relative === "" ? last : `${relative}/${last}`;
      const path = join(folder, name);
      const kind = kindOf(path);
      if (kind === "folder") {
        if (!deep || isOwn(join(folder, relative), last)) continue;
        const own = identity(path);
        if (!above.includes(own)) yield* visit(name, [...above, own]); // a link to a folder above would never end
      } else {
        yield { name, picture: formatOfName(last) !== undefined || kind === "missing" || startsLikeImage(path) };
      }
    }
  }
  yield* visit("", [identity(folder)]);
}

function identity(folder: string): string {
  const { dev, ino } = statSync(fsPath(folder), { bigint: true });
  return `${dev}:${ino}`;
}

/** Names of the folders directly in `folder`, those that are passed over apart, in the order of their code units. */
export function listFolders(folder: string): string[] {
  return readNames(folder)
    .filter((name) => !isHidden(name) && isFolder(join(folder, name)))
    .sort(byCodeUnits);
}

/** Names of folders that file systems and network disks make, and that are passed over, as hidden ones are. */
export function listSystemFolders(folder: string): string[] {
  return readNames(folder).filter((name) => !name.startsWith(".") && isHidden(name) && isFolder(join(folder, name)));
}

/** Whether `path` leads to a folder. */
export function isFolder(path: string): boolean {
  return kindOf(path) === "folder";
}

/** The folders directly in `folder` that may hold somebody's pictures: all but those with nothing in them but what fewlabels wrote. */
export function listPictureFolders(folder: string): string[] {
  return listFolders(folder).filter((name) => !isOwn(folder, name) && !holdsOwnOnly(join(folder, name)));
}

/** Whether `path` is a run folder or one of the labelling studio, or holds nothing but such. */
function holdsOwnOnly(path: string, depth = 3): boolean {
  if (isRunFolder(path)) return true;
  if (isStudio(path)) return !hasImages(path);
  if (depth === 0 || hasImages(path, false)) return false;
  const folders = listFolders(path);
  return folders.length > 0 && folders.every((name) => holdsOwnOnly(join(path, name), depth - 1));
}

/** Whether `name` in `folder` is a run, or what the labelling studio keeps beside its labels: its runs, and what it exported. */
function isOwn(folder: string, name: string): boolean {
  return isRunFolder(join(folder, name)) || ((name === "runs" || name === "export") && isStudio(folder));
}

/** Whether the labelling studio keeps its labels there; the pictures may lie there too. */
function isStudio(path: string): boolean {
  return existsSync(fsPath(join(path, "studio.json"))) && existsSync(fsPath(join(path, "answers.jsonl")));
}

function isRunFolder(path: string): boolean {
  return existsSync(fsPath(join(path, "config.json"))) && isFolder(join(path, "checkpoints"));
}

/** The same order on every machine and in every language. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readNames(folder: string): string[] {
  try {
    return namesIn(folder);
  } catch (error) {
    throw new DataError(`cannot read the folder ${shownName(folder)} (${(error as Error).message})`);
  }
}

/** Thumbnails of Synology and QNAP, trash, archives of macOS, indices of Windows. */
const systemFolders = new Set(
  ["__MACOSX", "@eaDir", "@tmp", "@Recycle", "@Recently-Snapshot", "#recycle", "#snapshot", "$RECYCLE.BIN"]
    .concat(["System Volume Information", "lost+found", "__pycache__", "THMBNL"])
    .map((name) => name.toLowerCase()),
);

function isHidden(name: string): boolean {
  return name.startsWith(".") || systemFolders.has(name.toLowerCase());
}

/** A pipe or a device is "other": it is never opened, which could wait for ever. */
function kindOf(path: string): "folder" | "file" | "other" | "missing" {
  try {
    const info = statSync(fsPath(path));
    return info.isDirectory() ? "folder" : info.isFile() ? "file" : "other";
  } catch {
    return "missing"; // a link to nothing
  }
}

function startsLikeImage(path: string): boolean {
  if (kindOf(path) !== "file") return false;
  const head = readHead(path);
  return head !== undefined && typeof sniffFormat(head) === "string";
}

/** The first bytes of a file, which is no pipe; undefined where it cannot be read. */
export function readHead(path: string): Uint8Array | undefined {
  try {
    const file = openSync(fsPath(path), "r");
    try {
      const head = new Uint8Array(sniffBytes);
      return head.subarray(0, readSync(file, head, 0, sniffBytes, 0));
    } finally {
      closeSync(file);
    }
  } catch {
    return undefined;
  }
}
