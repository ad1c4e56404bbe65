/**
 * Files and folders that are there whole or not at all: written beside as `.tmp-NAME`, flushed to the disk, renamed. A kill or a power
 * cut leaves what was there before, and at most a `.tmp-` that the next write of the same name replaces.
 */
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError, DiskError } from "../errors.js";

const mark = ".tmp-";
/** More at a time than some systems write in one call. */
const pieceBytes = 1 << 28;

/** Where `path` is written until it is whole. */
export function besidePath(path: string): string {
  return join(dirname(path), `${mark}${basename(path)}`);
}

/** Whether a name is that of something unfinished. */
export function isUnfinished(name: string): boolean {
  return name.startsWith(mark);
}

/**
 * A file that grows beside its place: `write` as often as needed, then `finish`; `abandon` at the end in any case, which does nothing
 * after `finish`. Throws DiskError naming `path` where it cannot be written.
 */
export class WholeFile {
  readonly path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.path = path;
    this.#file = writing(path, () => openSync(besidePath(path), "w"));
  }

  write(content: Uint8Array | string): void {
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    const file = this.#file;
    if (file === undefined) throw new Error(`${this.path}: written to after its end`);
    writing(this.path, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at, Math.min(bytes.length - at, pieceBytes));
    });
  }

  /** Gives the file its name. */
  finish(): void {
    const file = this.#file;
    if (file === undefined) throw new Error(`${this.path}: finished twice`);
    writing(this.path, () => {
      fsyncSync(file);
      this.#file = undefined;
      closeSync(file);
      renameSync(besidePath(this.path), this.path);
    });
    flush(dirname(this.path));
  }

  /** Leaves nothing behind of a file that was not finished. */
  abandon(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
    rmSync(besidePath(this.path), { force: true });
  }
}

/** Writes a file: its content, or piece by piece in `work`. Throws DiskError where it cannot be written, and what `work` throws. */
export function writeWhole(path: string, content: string | Uint8Array | ((file: WholeFile) => void)): void {
  const file = new WholeFile(path);
  try {
    if (typeof content === "function") content(file);
    else file.write(content);
    file.finish();
  } finally {
    file.abandon();
  }
}

/** Makes the folder `path` by `fill`, which is given where to write; replaces the one that is there. Throws as `writeWhole` does. */
export function writeWholeFolder(path: string, fill: (folder: string) => void): void {
  const [beside, replaced] = [besidePath(path), `${besidePath(path)}-replaced`];
  writing(path, () => {
    // A kill may have come when the old folder had been set aside: it is the one that counts until there is another.
    if (!existsSync(path) && existsSync(replaced)) renameSync(replaced, path);
    for (const left of [beside, replaced]) rmSync(left, { recursive: true, force: true });
    makeFolders(beside);
  });
  try {
    fill(beside);
    flush(beside);
    writing(path, () => {
      const before = existsSync(path);
      if (before) renameSync(path, replaced);
      try {
        renameSync(beside, path);
      } catch (error) {
        if (before) renameSync(replaced, path);
        throw error;
      }
    });
  } finally {
    rmSync(beside, { recursive: true, force: true });
  }
  flush(dirname(path));
  rmSync(replaced, { recursive: true, force: true });
}

/** Gives a file that others have written whole (a download, an unpacked member) its name. Throws as `writeWhole` does. */
export function putInPlace(beside: string, path: string): void {
  writing(path, () => {
    flush(beside);
    renameSync(beside, path);
  });
  flush(dirname(path));
}

/** Makes a folder and those above it, for what is to be written. Throws as `writeWhole` does. */
export function makeFolder(path: string): void {
  writing(path, () => makeFolders(path));
}

/**
 * What `mkdirSync` with `recursive` does, which never ends where the system says ENOENT though the folder above is there (nothing can be
 * made in /proc, nor where a mount has gone).
 */
function makeFolders(path: string): void {
  if (isFolder(path)) return;
  const above = dirname(path);
  if (above !== path && !existsSync(above)) makeFolders(above); // where it is a file, the system says so (ENOTDIR)
  try {
    mkdirSync(path);
  } catch (error) {
    if (!isFolder(path)) throw error; // another process may have made it meanwhile
  }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Does what writes to `path`. Throws DiskError where the system refuses it. */
export function writing<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw cannotWrite(path, error);
  }
}

/** What to say where the system refuses to write, and why (its error is the cause); errors of other kinds stay as they are. */
export function cannotWrite(path: string, error: unknown): unknown {
  if (error instanceof DiskError || error instanceof DataError) return error;
  if (!(error instanceof Error) || !("code" in error)) return error;
  const said = typeof error.code === "string" && Object.hasOwn(remedies, error.code) ? remedies[error.code] : undefined;
  const left = error.code === "ENOSPC" ? freeBytes(path) : undefined;
  const free = left === undefined ? "" : ` (${(left / 1e6).toFixed(1)} MB are free)`;
  return new DiskError(`cannot write ${path}: ${error.message}${free}${said === undefined ? "" : `. ${said}`}`, {
    cause: error,
  });
}

/** Bytes that may still be written where `path` is, if the system tells. */
function freeBytes(path: string): number | undefined {
  for (let at = dirname(path); ; at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize;
    } catch {
      if (dirname(at) === at) return undefined;
    }
  }
}

const remedies: Readonly<Record<string, string>> = {
  ENOSPC: "The disk is full: free some space or choose another place",
  EDQUOT: "Your disk quota is used up: free some space or choose another place",
  EACCES: "You may not write there: choose another place or change its permissions",
  EPERM: "You may not write there: choose another place or change its permissions",
  EROFS: "That file system is read-only: choose another place",
  EMFILE: "Too many files are open: raise the limit (ulimit -n) or close other programs",
  ENFILE: "Too many files are open on this machine: close other programs",
  ENOENT: "There is no such folder",
  EEXIST: "A file is in its place: choose another place",
  EISDIR: "A folder is in its place: choose another place",
  ENOTDIR: "A part of that path is a file: choose another place",
  ENAMETOOLONG: "Choose a shorter name",
};

/** Flushes a file or a folder's list of names; some systems cannot open folders, and need not. */
function flush(path: string): void {
  try {
    const file = openSync(path, "r");
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== "EISDIR" && code !== "EPERM" && code !== "EINVAL" && code !== "EACCES") throw error;
  }
}
