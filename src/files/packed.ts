/** What bytes are by their beginning, and packed data whose announced size is checked before anything is allocated. */
import { gunzipSync, inflateSync, constants as zlib } from "node:zlib";
import { DataError } from "../errors.js";

/** Packed data may announce at most this many times its own size, plus a little: what pictures never exceed. */
const maxPackingRatio = 64;
const packingSlack = 1 << 16;

/** `1,234 bytes`. */
export function bytes(n: number): string {
  return `${n.toLocaleString("en-US")} bytes`;
}

/** Whether this is gzip data, whatever the file is called. */
export function isGzip(data: Uint8Array): boolean {
  return data.length >= 2 && data[0] === 0x1f && data[1] === 0x8b;
}

/** Bytes that `notTheFile` looks at. */
const looked = 64;

/** Says what a file is that holds text in place of data: a pointer of Git LFS, a web page; undefined for anything else. */
export function notTheFile(content: Uint8Array): string | undefined {
  const head = content.subarray(0, looked);
  const start = String.fromCharCode(...head);
  if (start.startsWith("version https://git-lfs")) {
    return "this is a pointer of Git LFS, not the file itself: fetch it with `git lfs pull`";
  }
  const isText = (byte: number) => (byte >= 32 && byte < 127) || byte === 9 || byte === 10 || byte === 13;
  if (head.length <= 8 || !head.every(isText)) return undefined;
  return /^\s*</.test(start) ? "this is a web page, not the file itself: download it again" : "this is text";
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
