/** Reading data files so that a missing, truncated or foreign file says which, what was expected, and what to do. */
import { existsSync, statSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError, UsageError } from "../../errors.js";
import { bytes } from "../../files/packed.js";
import { downloadAdvice, type OfficialData } from "./official-files.js";

/**
 * The folder that holds `marker` (one of several spellings): `--data` itself, its usual subfolder, or one of `others`, where other programs
 * put the files. Throws UsageError if no folder was given, DataError if it does not exist or has none of the files.
 */
export function findFolder(
  dir: string | undefined,
  official: OfficialData,
  markers: readonly string[],
  others: readonly string[] = [],
): string {
  const { name: who, folder: usual } = official;
  if (dir === undefined) {
    throw new UsageError(`${who}: needs --data DIR, the folder that holds ${markers[0]}${downloadAdvice(official)}`);
  }
  const fetchThem = downloadAdvice(official, dir);
  if (!existsSync(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data${fetchThem}`);
  for (const folder of [dir, join(dir, usual), ...others.map((other) => join(dir, other))]) {
    if (markers.some((name) => findFile(folder, name) !== undefined)) return folder;
  }
  throw new DataError(
    `${who}: found no ${markers.join(" or ")} in ${dir} nor in its subfolder ${usual}. Point --data at the folder that holds the official files${fetchThem}`,
  );
}

/** A file of that name, or the one of that name in a folder of that name, as some programs unpack archives. */
export function findFile(folder: string, name: string): string | undefined {
  return [join(folder, name), join(folder, name, name)].find(isFile);
}

function isFile(path: string): boolean {
  try {
    return statSync(path).isFile();
  } catch {
    return false; // not there, or a file where a folder would have to be
  }
}

/** Reads a whole file; `size` is what it must have, if that is known. Throws DataError. */
export async function readDataFile(path: string, official: OfficialData, size?: number): Promise<Buffer> {
  const { name: who } = official;
  const expected = size === undefined ? "" : ` (expected ${bytes(size)})`;
  let found: number;
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new DataError(`${who}: ${path} is not a file${expected}. Check --data`);
    found = info.size;
  } catch (error) {
    if (error instanceof DataError) throw error;
    const advice = downloadAdvice(official, dirname(path), basename(path));
    throw new DataError(`${who}: cannot find ${path}${expected}. Point --data at the folder that holds it${advice}`);
  }
  if (size !== undefined && found !== size) {
    const guess =
      found < size
        ? "The download seems to have been cut short; delete it and fetch it again"
        : "It is not the official file";
    throw new DataError(`${who}: ${path} should have ${bytes(size)}, found ${bytes(found)}. ${guess}, or check --data`);
  }
  try {
    return await readFile(path);
  } catch (error) {
    throw new DataError(`${who}: cannot read ${path} (${bytes(found)}): ${(error as Error).message}`);
  }
}
