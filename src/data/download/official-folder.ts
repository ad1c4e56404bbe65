/** Reading data files so that a missing, truncated or foreign file says which, what was expected, and what to do. */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { DataError, UsageError } from "../../errors.js";
import { bytes } from "../../files/packed.js";
import { downloadAdvice, type OfficialData } from "./official-files.js";

/**
 * The folder that holds `marker` (one of several spellings): `--data` itself or its usual subfolder. Throws UsageError
 * if no folder was given, DataError if it does not exist or has none of the files.
 */
export function findFolder(dir: string | undefined, official: OfficialData, markers: readonly string[]): string {
  const { name: who, folder: usual } = official;
  if (dir === undefined) {
    throw new UsageError(`${who}: needs --data DIR, the folder that holds ${markers[0]}${downloadAdvice(official)}`);
  }
  const fetchThem = downloadAdvice(official, dir);
  if (!existsSync(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data${fetchThem}`);
  for (const folder of [dir, join(dir, usual)]) {
    if (markers.some((name) => existsSync(join(folder, name)))) return folder;
  }
  throw new DataError(
    `${who}: found no ${markers.join(" or ")} in ${dir} nor in its subfolder ${usual}. Point --data at the folder that holds the official files${fetchThem}`,
  );
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
