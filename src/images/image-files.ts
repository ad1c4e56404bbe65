/** Picture files in folders: which files are pictures, told by their first bytes, whatever they are called. */
import { closeSync, openSync, readdirSync, readSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../errors.js";

/** Formats that are decoded. */
export const imageFormats = ["jpeg", "png", "webp", "tiff", "gif", "avif"] as const;
export type ImageFormat = (typeof imageFormats)[number];

/** Pictures of another kind, with what to do about them. */
const foreign: Readonly<Record<string, string>> = {
  heic: "HEIC pictures are not supported; convert it to JPEG",
  bmp: "BMP pictures are not supported; convert it to PNG",
  svg: "SVG drawings are not supported; convert it to PNG",
  pdf: "this is a PDF document, not a picture",
  text: "this is text or HTML, not a picture",
};

const extensions: Readonly<Record<string, ImageFormat | "foreign">> = {
  jpg: "jpeg",
  jpeg: "jpeg",
  jpe: "jpeg",
  jfif: "jpeg",
  png: "png",
  webp: "webp",
  tif: "tiff",
  tiff: "tiff",
  gif: "gif",
  avif: "avif",
  heic: "foreign",
  heif: "foreign",
  bmp: "foreign",
  svg: "foreign",
};

/** Bytes that `sniffFormat` looks at. */
export const sniffBytes = 32;

/** The format of a picture by its first bytes, `foreign` with a reason, or undefined for what is no picture. */
export function sniffFormat(head: Uint8Array): ImageFormat | { readonly reason: string } | undefined {
  const word = (from: number, to: number) => String.fromCharCode(...head.subarray(from, to));
  const starts = (...bytes: readonly number[]) => bytes.every((byte, i) => head[i] === byte);
  if (starts(0xff, 0xd8, 0xff)) return "jpeg";
  if (starts(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)) return "png";
  if (word(0, 4) === "RIFF" && word(8, 12) === "WEBP") return "webp";
  if (starts(0x49, 0x49, 42, 0) || starts(0x4d, 0x4d, 0, 42) || starts(0x49, 0x49, 43, 0) || starts(0x4d, 0x4d, 0, 43))
    return "tiff";
  if (word(0, 6) === "GIF87a" || word(0, 6) === "GIF89a") return "gif";
  if (word(4, 8) === "ftyp") {
    if (/avif|avis/.test(word(8, 32))) return "avif";
    if (/heic|heix|hevc|mif1|msf1/.test(word(8, 32))) return { reason: foreign.heic! };
  }
  if (word(0, 2) === "BM") return { reason: foreign.bmp! };
  if (word(0, 5) === "%PDF-") return { reason: foreign.pdf! };
  if (/^\s*<svg/i.test(word(0, 32))) return { reason: foreign.svg! };
  const isText = (byte: number) => byte >= 32 || byte === 9 || byte === 10 || byte === 13;
  if (head.length > 8 && head.every((byte) => byte < 127 && isText(byte))) return { reason: foreign.text! };
  return undefined;
}

/** The format that a file's name promises, if it promises one. */
export function formatOfName(name: string): ImageFormat | "foreign" | undefined {
  const extension = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase();
  return extension !== undefined && Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
}

export interface FolderListing {
  /** Pictures, or files called so, relative to the folder with "/" between names, in the order of their code units. */
  readonly files: readonly string[];
  /** How many other files there are. */
  readonly others: number;
}

/**
 * Everything in `folder` and below that is called like a picture or starts like one. Links are followed, hidden files and
 * folders (and `__MACOSX`) passed over, and so are the folders directly in it that `skip` names. Throws DataError where
 * it cannot be read.
 */
export function listImages(folder: string, skip: readonly string[] = [], deep = true): FolderListing {
  const files: string[] = [];
  let others = 0;
  const visit = (relative: string, above: readonly string[]) => {
    const here = join(folder, relative);
    for (const name of readNames(here)) {
      const child = relative === "" ? name : `${relative}/${name}`;
      const path = join(folder, child);
      if (isHidden(name) || (relative === "" && skip.includes(name))) continue;
      const kind = kindOf(path);
      if (kind === "folder") {
        if (!deep) continue;
        const real = realpathSync(path);
        if (!above.includes(real)) visit(child, [...above, real]); // a link to a folder above would never end
      } else if (formatOfName(name) !== undefined || kind === "missing" || startsLikeImage(path)) files.push(child);
      else others++;
    }
  };
  if (kindOf(folder) !== "folder") throw new DataError(`there is no folder ${folder}`);
  visit("", [realpathSync(folder)]);
  return { files: files.sort(byCodeUnits), others };
}

/** Names of the folders directly in `folder`, hidden ones apart, in the order of their code units. */
export function listFolders(folder: string): string[] {
  return readNames(folder)
    .filter((name) => !isHidden(name) && kindOf(join(folder, name)) === "folder")
    .sort(byCodeUnits);
}

/** Whether `path` leads to a folder. */
export function isFolder(path: string): boolean {
  return kindOf(path) === "folder";
}

/** The same order on every machine and in every language. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function readNames(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    throw new DataError(`cannot read the folder ${folder} (${(error as Error).message})`);
  }
}

function isHidden(name: string): boolean {
  return name.startsWith(".") || name === "__MACOSX";
}

function kindOf(path: string): "folder" | "file" | "missing" {
  try {
    const info = statSync(path);
    return info.isDirectory() ? "folder" : info.isFile() ? "file" : "missing";
  } catch {
    return "missing"; // a link to nothing
  }
}

function startsLikeImage(path: string): boolean {
  const head = readHead(path);
  return head !== undefined && typeof sniffFormat(head) === "string";
}

function readHead(path: string): Uint8Array | undefined {
  try {
    const file = openSync(path, "r");
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
