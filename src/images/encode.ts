/** Bytes of an image as a picture file, with sharp. */
import { EngineError } from "../errors.js";

/** Fine enough that pixels of small pictures stay what they are by a few gray levels. */
const jpegQuality = 95;

/** uint8 `[channels, height, width]` -> a JPEG (quality 95, no chroma subsampling) or PNG file. */
export async function encodeImage(
  pixels: Uint8Array,
  { channels, width, height }: { readonly channels: 1 | 3; readonly width: number; readonly height: number },
  format: "jpeg" | "png",
): Promise<Uint8Array> {
  const { default: sharp } = await import("sharp").catch((error: Error) => {
    throw new EngineError(`cannot load sharp, which writes pictures: ${error.message.split("\n")[0]}. Run \`npm ci\``);
  });
  const area = width * height;
  const rows = new Uint8Array(pixels.length);
  for (let c = 0; c < channels; c++) {
    for (let at = 0, to = c; at < area; at++, to += channels) rows[to] = pixels[c * area + at]!;
  }
  const picture = sharp(rows, { raw: { width, height, channels } });
  return format === "png"
    ? picture.png().toBuffer()
    : picture.jpeg({ quality: jpegQuality, chromaSubsampling: "4:4:4" }).toBuffer();
}
