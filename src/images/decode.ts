/**
 * Pictures from files, with sharp (libvips), which decodes on threads of its own. A file that cannot be read is an answer, not
 * an exception: in every large folder some are damaged.
 */
import { createHash } from "node:crypto";
import { open, readFile, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { EngineError } from "../errors.js";
import { fsPath, shownName } from "../files/names.js";
import { bytes } from "../files/packed.js";
import { pixmapSides } from "../files/pixmap.js";
import { readHead } from "./image-files.js";
import { type ImageFormat, promisesOther, sniffBytes, sniffFormat } from "./image-formats.js";
import type { Decoding } from "./image-set.js";
import { openSource } from "./plain-source.js";

/** Longer files are no photos. */
const maxFileBytes = 512 * 2 ** 20;

export const defaultMaxMegapixels = 64;

export interface DecodedImage {
  /** uint8 `[channels, size, size]`, 0..255. */
  readonly pixels: Uint8Array;
  readonly format: ImageFormat;
  /** Width and height of the picture in the file, before its EXIF orientation, where they were asked for. */
  readonly dimensions?: readonly [width: number, height: number];
}

export interface ReadImage extends DecodedImage {
  /** SHA-256 of the file, hex. */
  readonly hash: string;
  /** The name promises another format. */
  readonly wrongExtension: boolean;
}

export interface Damage {
  readonly reason: string;
  /** SHA-256 of the file, hex, where it could be read at all. */
  readonly hash?: string;
}

export interface Measure {
  /** Whether to report the picture's own dimensions; it costs a second look at the header. Default false. */
  readonly measure?: boolean;
}

type Sharp = typeof import("sharp").default;
let loading: Promise<Sharp> | undefined;

/** Loads sharp when the first picture is read: most commands need none. */
function loadSharp(): Promise<Sharp> {
  loading ??= import("sharp").then(
    ({ default: sharp }) => {
      sharp.cache(false); // every picture is read once
      // Several pictures at a time, each on one thread; Node lends four threads in all, unless UV_THREADPOOL_SIZE says more.
      sharp.concurrency(1);
      return sharp;
    },
    (error: Error) => {
      throw new EngineError(
        `cannot load sharp, which reads pictures: ${error.message.split("\n")[0]}. Run \`npm ci\` (with optional packages: its binary is one)`,
      );
    },
  );
  return loading;
}

/**
 * Decodes the first frame: EXIF orientation applied, transparency on white, any color space to sRGB (or gray), 8 bits a channel,
 * resized (Lanczos) as `fit` says. The kind of picture is told by its bytes. Never throws for what the bytes hold.
 */
export async function decodeImage(
  content: Uint8Array,
  decoding: Decoding,
  { measure = false }: Measure = {},
): Promise<DecodedImage | Damage> {
  if (content.length === 0) return { reason: "the file is empty" };
  const format = sniffFormat(content.subarray(0, sniffBytes));
  if (format === undefined) return { reason: "not a picture, or its beginning is damaged" };
  if (typeof format !== "string") return { reason: format.reason };
  return decodeInput(content, format, decoding, measure);
}

/** As `decodeImage`; one piece of work for sharp's threads, whatever `input` is. */
async function decodeInput(
  input: Uint8Array | string,
  format: ImageFormat,
  decoding: Decoding,
  measure: boolean,
): Promise<DecodedImage | Damage> {
  const sharp = await loadSharp();
  const { size, channels, fit, maxMegapixels } = decoding;
  try {
    const options = { limitInputPixels: maxMegapixels * 1e6, failOn: "error", pages: 1 } as const;
    const picture = await openSource(sharp, input, format, options);
    if ("reason" in picture) return picture;
    const { width = 0, height = 0 } = measure ? await picture.metadata() : {};
    const { data, info } = await picture
      .autoOrient()
      .flatten({ background: "#ffffff" })
      .toColourspace(channels === 3 ? "srgb" : "b-w")
      .resize(size, size, { fit: sharpFits[fit], background: "#000000" })
      .raw({ depth: "uchar" })
      .toBuffer({ resolveWithObject: true });
    if (info.width !== size || info.height !== size || info.channels !== channels) {
      return { reason: `decoded to ${info.width}x${info.height} with ${info.channels} channels` };
    }
    return { pixels: toPlanes(data, channels), format, ...(measure ? { dimensions: [width, height] as const } : {}) };
  } catch (error) {
    if (error instanceof EngineError) throw error;
    // libvips keeps one list of complaints for all threads, so only this much of a message is certain to be about this file.
    const large = /pixel limit/.test((error as Error).message);
    return {
      reason: large
        ? `its header announces more than ${maxMegapixels} megapixels`
        : `cut short or damaged: its ${format.toUpperCase()} data cannot be decoded`,
    };
  }
}

const sharpFits = { crop: "cover", pad: "contain", stretch: "fill" } as const;

/** `[H, W, C]` -> `[C, H, W]`. */
function toPlanes(data: Uint8Array, channels: number): Uint8Array {
  if (channels === 1) return data;
  const area = data.length / channels;
  const planes = new Uint8Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let at = 0, from = c; at < area; at++, from += channels) planes[c * area + at] = data[from]!;
  }
  return planes;
}

/** What is in the file of a picture. Pipes and devices are never opened: that could wait for ever. */
export async function readContent(path: string): Promise<Buffer | Damage> {
  try {
    const info = await stat(fsPath(path));
    if (!info.isFile()) return { reason: "not a file" };
    if (info.size > maxFileBytes) return { reason: `${bytes(info.size)} are too long for a picture` };
    return await readFile(fsPath(path));
  } catch (error) {
    return unreadable(error as NodeJS.ErrnoException);
  }
}

/** Reads and decodes one file. */
export async function readImage(path: string, decoding: Decoding, measure: Measure = {}): Promise<ReadImage | Damage> {
  const content = await readContent(path);
  if ("reason" in content) return content;
  const hash = createHash("sha256").update(content).digest("hex");
  const image = await decodeImage(content, decoding, measure);
  if ("reason" in image) return { ...image, hash };
  return { ...image, hash, wrongExtension: promisesOther(shownName(path), image.format) };
}

/**
 * The picture of a file that has been looked at before: nothing is hashed, and reading and decoding are one piece of work on
 * sharp's threads, which goes on while this thread is busy.
 */
export async function decodeFile(path: string, decoding: Decoding): Promise<DecodedImage | Damage> {
  const head = readHead(path);
  const format = head && sniffFormat(head);
  const plain = typeof format === "string" && format !== "ppm" && format !== "gif" && isPlainPath(path);
  return plain ? decodeInput(path, format, decoding, false) : readImage(path, decoding);
}

/** Whether sharp may be given the path itself: to libvips a name that ends in brackets has options in them. */
function isPlainPath(path: string): boolean {
  return fsPath(path) === path && !path.endsWith("]");
}

/** Bytes at the beginning and at the end of a file that `readHeader` reads. */
const endBytes = 16 * 1024;

/**
 * Reads the header of a picture and both ends of its file, nothing else. `hash` is the SHA-256 of its size and of the two ends: the
 * same for copies, and as good as never for different pictures; of formats that may lie there uncompressed, where pictures with the same
 * border have the same ends, of the whole file. Damage behind the header is not noticed.
 */
export async function readHeader(
  path: string,
  { maxMegapixels }: Pick<Decoding, "maxMegapixels">,
): Promise<Omit<ReadImage, "pixels"> | Damage> {
  let ends: Uint8Array[];
  try {
    // Before it is opened: opening a pipe waits for somebody to write.
    if (!(await stat(fsPath(path))).isFile()) return { reason: "not a file" };
    const file = await open(fsPath(path), "r");
    try {
      const info = await file.stat();
      if (info.size === 0) return { reason: "the file is empty" };
      if (info.size > maxFileBytes) return { reason: `${bytes(info.size)} are too long for a picture` };
      const read = async (from: number) => {
        const { buffer, bytesRead } = await file.read(Buffer.alloc(endBytes), 0, endBytes, from);
        return buffer.subarray(0, bytesRead);
      };
      ends = [Buffer.from(`${info.size}\n`), await read(0), await read(Math.max(0, info.size - endBytes))];
      const format = sniffFormat(ends[1]!.subarray(0, sniffBytes));
      if (format === "ppm" || format === "tiff") ends.push(await file.readFile());
    } finally {
      await file.close();
    }
  } catch (error) {
    return unreadable(error as NodeJS.ErrnoException);
  }
  const hash = ends.reduce((sum, part) => sum.update(part), createHash("sha256")).digest("hex");
  const format = sniffFormat(ends[1]!.subarray(0, sniffBytes));
  if (format === undefined) return { reason: "not a picture, or its beginning is damaged", hash };
  if (typeof format !== "string") return { reason: format.reason, hash };
  const sharp = await loadSharp();
  try {
    const { width = 0, height = 0 } = await dimensionsOf(sharp, path, format, ends[1]!);
    if (width * height > maxMegapixels * 1e6) {
      return { reason: `its header announces more than ${maxMegapixels} megapixels`, hash };
    }
    return { hash, format, wrongExtension: promisesOther(shownName(path), format) };
  } catch {
    return { reason: `cut short or damaged: its ${format.toUpperCase()} header cannot be read`, hash };
  }
}

/** By the header alone. Throws where it cannot be read. */
async function dimensionsOf(sharp: Sharp, path: string, format: ImageFormat, head: Uint8Array) {
  if (format === "ppm") return pixmapSides(head);
  return sharp(isPlainPath(path) ? path : await readFile(fsPath(path)), { limitInputPixels: false }).metadata();
}

function unreadable({ code, message }: NodeJS.ErrnoException): Damage {
  return { reason: code === "ENOENT" ? "there is no such file" : `cannot be read: ${message}` };
}

/**
 * Reads files, as many at a time as there are cores, and hands each to `use` with its position, in no particular order. The
 * pixels are not kept.
 */
export async function readImages(
  paths: readonly string[],
  decoding: Decoding,
  use: (image: ReadImage | Damage, position: number) => void,
  measure: Measure = {},
): Promise<void> {
  await atOnce(paths.length, async (i) => use(await readImage(paths[i]!, decoding, measure), i));
}

/** Work on 0 .. count - 1, as many at a time as there are cores, in no particular order. */
export async function atOnce(count: number, work: (i: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(count, availableParallelism()) }, worker));
}
