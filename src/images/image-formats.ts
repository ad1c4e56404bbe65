/** Which files are pictures, told by their first bytes, whatever they are called. */
import { notTheFile } from "../files/packed.js";

/** Formats that are decoded. */
export const imageFormats = ["jpeg", "png", "webp", "tiff", "gif", "avif", "ppm"] as const;
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
  ppm: "ppm",
  pgm: "ppm",
  heic: "foreign",
  heif: "foreign",
  bmp: "foreign",
  svg: "foreign",
};

/** What a file of a format is called. */
export const formatExtensions: Readonly<Record<ImageFormat, string>> = {
  jpeg: "jpg",
  png: "png",
  webp: "webp",
  tiff: "tif",
  gif: "gif",
  avif: "avif",
  ppm: "ppm",
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
  if (/^P[56]\s/.test(word(0, 3))) return "ppm";
  if (word(4, 8) === "ftyp") {
    if (/avif|avis/.test(word(8, 32))) return "avif";
    if (/heic|heix|hevc|mif1|msf1/.test(word(8, 32))) return { reason: foreign.heic! };
  }
  if (word(0, 2) === "BM") return { reason: foreign.bmp! };
  if (word(0, 5) === "%PDF-") return { reason: foreign.pdf! };
  if (/^\s*<svg/i.test(word(0, 32))) return { reason: foreign.svg! };
  const other = notTheFile(head);
  if (other === undefined) return undefined;
  return { reason: other.includes("Git LFS") ? other : foreign.text! };
}

function extensionOf(name: string): string | undefined {
  return /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase();
}

/** Whether a file's name promises something else than the format that it has; a name without an extension promises nothing. */
export function promisesOther(name: string, format: ImageFormat): boolean {
  return extensionOf(name) !== undefined && formatOfName(name) !== format;
}

/** The format that a file's name promises, if it promises one. */
export function formatOfName(name: string): ImageFormat | "foreign" | undefined {
  const extension = extensionOf(name);
  return extension !== undefined && Object.hasOwn(extensions, extension) ? extensions[extension] : undefined;
}
