/** Reading data files so that a missing, truncated or foreign file says which, what was expected, and what to do. */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { gunzipSync, inflateSync, constants as zlib } from "node:zlib";
import { DataError, UsageError } from "../errors.js";
import { downloadAdvice } from "./download/official-files.js";

/** Packed data may announce at most this many times its own size, plus a little: what pictures never exceed. */
const maxPackingRatio = 64;
const packingSlack = 1 << 16;

/**
 * The folder that holds `marker` (one of several spellings): `--data` itself or its subfolder `usual`. Throws UsageError
 * if no folder was given, DataError if it does not exist or has none of the files.
 */
export function findFolder(dir: string | undefined, who: string, usual: string, markers: readonly string[]): string {
  if (dir === undefined) {
    throw new UsageError(`${who}: needs --data DIR, the folder that holds ${markers[0]}${downloadAdvice(who)}`);
  }
  const fetchThem = downloadAdvice(who, dir);
  if (!existsSync(dir)) throw new DataError(`${who}: there is no folder ${dir}. Check --data${fetchThem}`);
  for (const folder of [dir, join(dir, usual)]) {
    if (markers.some((name) => existsSync(join(folder, name)))) return folder;
  }
  throw new DataError(
    `${who}: found no ${markers.join(" or ")} in ${dir} nor in its subfolder ${usual}. Point --data at the folder that holds the official files${fetchThem}`,
  );
}

/** Reads a whole file; `size` is what it must have, if that is known. Throws DataError. */
export async function readDataFile(path: string, who: string, size?: number): Promise<Buffer> {
  const expected = size === undefined ? "" : ` (expected ${bytes(size)})`;
  let found: number;
  try {
    const info = await stat(path);
    if (!info.isFile()) throw new DataError(`${who}: ${path} is not a file${expected}. Check --data`);
    found = info.size;
  } catch (error) {
    if (error instanceof DataError) throw error;
    const advice = downloadAdvice(who, dirname(path), basename(path));
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

/** `1,234 bytes`. */
export function bytes(n: number): string {
  return `${n.toLocaleString("en-US")} bytes`;
}

/** Whether this is gzip data, whatever the file is called. */
export function isGzip(data: Uint8Array): boolean {
  return data.length >= 2 && data[0] === 0x1f && data[1] === 0x8b;
}

/**
 * Unpacks gzip or zlib data whose own first bytes announce the whole size: `announced(head)` reads it from at least
 * `headSize` bytes. The announcement is checked against the packed size before anything is allocated, and no more than
 * announced is ever unpacked, so a bomb costs nothing. Throws DataError naming `file`.
 */
export function unpack(
  packed: Uint8Array,
  format: "gzip" | "zlib",
  headSize: number,
  announced: (head: Uint8Array) => number,
  file: string,
): Uint8Array {
  const inflate = format === "gzip" ? gunzipSync : inflateSync;
  const fail = (what: string): never => {
    throw new DataError(`${file}: ${what}. The file is damaged or not what it seems; fetch it again`);
  };
  let head: Uint8Array;
  try {
    // 1 KiB of deflate data unpacks to at most about 1 MiB.
    head = inflate(packed.subarray(0, 1024), { finishFlush: zlib.Z_SYNC_FLUSH });
  } catch (error) {
    return fail(`cannot unpack its ${format} data (${(error as Error).message})`);
  }
  if (head.length < headSize)
    return fail(`${bytes(packed.length)} of ${format} data end before the header is complete`);
  const size = announced(head);
  if (size > packed.length * maxPackingRatio + packingSlack) {
    return fail(`its header announces ${bytes(size)}, which ${bytes(packed.length)} of ${format} data cannot hold`);
  }
  let data: Uint8Array;
  try {
    data = inflate(packed, { maxOutputLength: size + 1, chunkSize: Math.min(1 << 20, size + 64) });
  } catch (error) {
    const long = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    const reason = long ? `its data are longer than the ${bytes(size)} its header announces` : (error as Error).message;
    return fail(`cannot unpack: ${reason} (packed size ${bytes(packed.length)})`);
  }
  if (data.length !== size) fail(`should unpack to ${bytes(size)}, found ${bytes(data.length)}`);
  return data;
}
