/** Pictures that libvips cannot read, or reads as something else than people see: pixmaps, a first GIF frame smaller than its canvas, TIFF files of real numbers. */
import { decodePixmap } from "../files/pixmap.js";
import type { ImageFormat } from "./image-formats.js";

type SharpModule = typeof import("sharp").default;
type Picture = ReturnType<SharpModule>;
type Options = NonNullable<Parameters<SharpModule>[1]>;

/** A picture to go on with, or why there is none. */
export type Source = Picture | { readonly reason: string };

/** The picture of a file's content, or of the file itself. Throws what sharp says. */
export async function openSource(
  sharp: SharpModule,
  input: Uint8Array | string,
  format: ImageFormat,
  options: Options & { readonly limitInputPixels: number },
): Promise<Source> {
  if (format === "tiff") return tiffSource(sharp, input, options);
  if (typeof input === "string") return sharp(input, options);
  if (format === "ppm") return pixmapSource(sharp, input, options.limitInputPixels);
  const frame = format === "gif" ? partialFrame(input) : undefined;
  return frame === undefined ? sharp(input, options) : paintAround(sharp, sharp(input, options), frame);
}

function pixmapSource(sharp: SharpModule, content: Uint8Array, limit: number): Source {
  const image = decodePixmap(content, limit);
  if ("reason" in image) return image;
  const { width, height, channels, pixels } = image;
  const area = width * height;
  const data = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) for (let i = 0; i < area; i++) data[i * channels + c] = pixels[c * area + i]!;
  return sharp(data, { raw: { width, height, channels } });
}

/** libvips takes numbers for levels of 0..255, but programs that compute write 0..1, which would be black. */
async function tiffSource(sharp: SharpModule, input: Uint8Array | string, options: Options): Promise<Source> {
  const { depth, space } = await sharp(input, options).metadata();
  if (depth === "uchar" || depth === "ushort" || depth === undefined) return sharp(input, options);
  const { channels } = await sharp(input, options).stats();
  const [min, max] = [Math.min(...channels.map((c) => c.min)), Math.max(...channels.map((c) => c.max))];
  const real = depth === "float" || depth === "double";
  const top = space === "scrgb" ? 1 : 255;
  if (real && min >= 0 && max <= 1) return top === 1 ? sharp(input, options) : sharp(input, options).linear(255, 0);
  if (min >= 0 && max <= 255) return top === 1 ? sharp(input, options).linear(1 / 255, 0) : sharp(input, options);
  return {
    reason: `TIFF data of type ${depth} from ${min} to ${max}; expected 0..1 or 0..255. Convert it to 8 or 16 bits`,
  };
}

interface Frame {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Where the first frame of a GIF lies, where it does not cover the canvas. */
function partialFrame(content: Uint8Array): Frame | undefined {
  const view = new DataView(content.buffer, content.byteOffset, content.byteLength);
  const word = (at: number) => (at + 1 < content.length ? view.getUint16(at, true) : 0);
  const [width, height, flags] = [word(6), word(8), content[10] ?? 0];
  let at = 13 + (flags & 0x80 ? 3 * 2 ** ((flags & 7) + 1) : 0);
  // Extensions before the frame: 0x21, a label, then blocks with their length until one of length 0.
  while (content[at] === 0x21) {
    at += 2;
    while (at < content.length && content[at] !== 0) at += content[at]! + 1;
    at++;
  }
  if (content[at] !== 0x2c) return undefined;
  const [left, top] = [word(at + 1), word(at + 3)];
  const [right, bottom] = [Math.min(width, left + word(at + 5)), Math.min(height, top + word(at + 7))];
  const whole = left === 0 && top === 0 && right === width && bottom === height;
  return whole ? undefined : { left, top, right, bottom };
}

/** What the frame does not cover is white, as transparency is; libvips has black there. */
async function paintAround(sharp: SharpModule, picture: Picture, frame: Frame): Promise<Source> {
  const { data, info } = await picture
    .flatten({ background: "#ffffff" })
    .toColourspace("srgb")
    .raw({ depth: "uchar" })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (x >= frame.left && x < frame.right && y >= frame.top && y < frame.bottom) continue;
      data.fill(255, (y * width + x) * channels, (y * width + x + 1) * channels);
    }
  }
  return sharp(data, { raw: { width, height, channels } });
}
