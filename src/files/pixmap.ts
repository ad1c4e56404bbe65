/**
 * PPM and PGM: pictures without compression, a header of a dozen bytes before them. What `data pack --format raw`
 * writes, as small pictures need no decoder then; other WebDataset readers know them too.
 * @see https://netpbm.sourceforge.net/doc/ppm.html (P6), pgm.html (P5)
 */

export interface Pixmap {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** uint8 `[channels, height, width]`. */
  readonly pixels: Uint8Array;
}

/** Extension of a picture with so many channels. */
export function pixmapExtension(channels: number): "pgm" | "ppm" {
  return channels === 1 ? "pgm" : "ppm";
}

/** `[channels, height, width]` bytes -> a PPM (3 channels) or PGM (1) file. */
export function encodePixmap({ width, height, channels, pixels }: Pixmap): Uint8Array {
  const head = Buffer.from(`P${channels === 3 ? 6 : 5}\n${width} ${height}\n255\n`, "latin1");
  const out = new Uint8Array(head.length + pixels.length);
  out.set(head);
  const area = width * height;
  for (let c = 0; c < channels; c++) {
    for (let at = 0, to = head.length + c; at < area; at++, to += channels) out[to] = pixels[c * area + at]!;
  }
  return out;
}

/** Bytes in which a header, its comments (`# made by ...`) included, has to end. */
const headBytes = 1024;
const gap = "(?:\\s+(?:#[^\\n]*\\n)?)+";
const headPattern = new RegExp(`^P([56])${gap}(\\d{1,6})${gap}(\\d{1,6})${gap}(\\d{1,5})\\s`);

/** Width and height that a header announces. Throws where it is none. */
export function pixmapSides(head: Uint8Array): { readonly width: number; readonly height: number } {
  const match = headPattern.exec(Buffer.from(head.subarray(0, headBytes)).toString("latin1"));
  if (!match || !isDepth(Number(match[4]))) throw new Error("no binary PPM or PGM header");
  return { width: Number(match[2]), height: Number(match[3]) };
}

function isDepth(levels: number): boolean {
  return levels >= 1 && levels <= 65535;
}

/** Reads a binary PPM or PGM of 8 or 16 bits with at most `limit` pixels, its levels brought to 0..255; `{ reason }` where it is none. */
export function decodePixmap(
  content: Uint8Array,
  limit = Number.MAX_SAFE_INTEGER,
): Pixmap | { readonly reason: string } {
  const head = Buffer.from(content.buffer, content.byteOffset, Math.min(headBytes, content.length)).toString("latin1");
  const match = headPattern.exec(head);
  if (!match) return { reason: "no binary PPM or PGM header" };
  const [width, height, levels] = [Number(match[2]), Number(match[3]), Number(match[4])];
  if (!isDepth(levels)) return { reason: `its header announces ${levels} gray levels; 1..65535 may be` };
  const depth = levels > 255 ? 2 : 1; // bytes of a value, the high one first
  const channels = match[1] === "6" ? 3 : 1;
  const area = width * height;
  if (area > limit) return { reason: `its header announces more than ${limit / 1e6} megapixels` };
  const expected = match[0].length + depth * channels * area;
  if (area === 0 || content.length !== expected) {
    return { reason: `${width}x${height} pixels need ${expected} bytes, found ${content.length}` };
  }
  const pixels = new Uint8Array(channels * area);
  for (let c = 0; c < channels; c++) {
    for (let at = 0, from = match[0].length + depth * c; at < area; at++, from += depth * channels) {
      const value = depth === 1 ? content[from]! : 256 * content[from]! + content[from + 1]!;
      pixels[c * area + at] = levels === 255 ? value : Math.min(255, Math.round((255 * value) / levels));
    }
  }
  return { width, height, channels, pixels };
}
