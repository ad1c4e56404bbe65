/** Small versions of picture files for pages: made once, kept on disk under a name that changes with the file. */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fsPath } from "../files/names.js";
import { decodeFile, defaultMaxMegapixels } from "../images/decode.js";
import { encodeImage } from "../images/encode.js";
import { cacheFolder } from "../package.js";
import { semaphore } from "./semaphore.js";
import { HttpError, type Reply } from "./server.js";

export interface ThumbnailOptions {
  /** Height and width in pixels; the long side fits, the rest is black. */
  readonly size: number;
  /** Default: in the user's cache. */
  readonly cache?: string;
  /** Pictures decoded at once; a training may be running beside. */
  readonly atOnce?: number;
}

/**
 * Gives the thumbnail of the file at `path` as JPEG. The caller has made sure that the page may see that file. Throws HttpError 404 where it
 * is not there, and 422, with the reason, where it is no picture, a damaged one or too large to be decoded.
 */
export function thumbnails({
  size,
  cache = join(cacheFolder(), "thumbnails"),
  atOnce = 2,
}: ThumbnailOptions): (path: string) => Promise<Uint8Array> {
  const slots = semaphore(atOnce);
  const making = new Map<string, Promise<Uint8Array>>();
  const make = async (path: string, kept: string): Promise<Uint8Array> => {
    const image = await decodeFile(path, { size, channels: 3, fit: "pad", maxMegapixels: defaultMaxMegapixels });
    if ("reason" in image) throw new HttpError(422, image.reason);
    const bytes = await encodeImage(image.pixels, { channels: 3, width: size, height: size }, "jpeg");
    const beside = `${kept}-${process.pid}`;
    // A cache that cannot be written costs time, not thumbnails.
    await mkdir(cache, { recursive: true })
      .then(() => writeFile(beside, bytes))
      .then(() => rename(beside, kept))
      .catch(() => undefined);
    return bytes;
  };
  return async (path) => {
    const facts = await stat(fsPath(path)).catch(() => undefined);
    if (!facts?.isFile()) throw new HttpError(404, "there is no such picture");
    const key = createHash("sha256").update(`${path}\0${facts.size}\0${facts.mtimeMs}\0${size}`).digest("hex");
    const kept = join(cache, `${key.slice(0, 40)}.jpg`);
    const before = await readFile(kept).catch(() => undefined);
    if (before) return before;
    const work = making.get(key) ?? slots(() => make(path, kept)).finally(() => making.delete(key));
    making.set(key, work);
    return work;
  };
}

/** A picture as an answer; another may come under its address once its file is another, so it is asked for again. */
export function pictureReply(bytes: Uint8Array, type: "image/jpeg" | "image/png"): Reply {
  return { status: 200, headers: { "content-type": type, "cache-control": "private, no-cache" }, body: bytes };
}
