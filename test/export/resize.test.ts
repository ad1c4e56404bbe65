// The exported page resizes as libvips does: the same picture from our decoder, pixel by pixel.
import sharp from "sharp";
import { expect, test } from "vitest";
import { decodeImage } from "../../src/images/decode.js";

interface Resize {
  toNetwork(
    picture: { readonly data: Uint8ClampedArray; readonly width: number; readonly height: number },
    size: number,
    fit: "crop" | "pad" | "stretch",
    jpeg: boolean,
  ): Float32Array;
}
// Written for browsers, and not part of what is compiled here.
const script = new URL("../../web/classify/resize.js", import.meta.url).href;
const { toNetwork } = (await import(script)) as Resize;

const sizes = [
  [60, 60, 32],
  [100, 80, 32],
  [130, 97, 32],
  [300, 420, 32],
  [640, 480, 32],
  [24, 24, 32],
  [20, 31, 32],
  [640, 480, 224],
  [33, 40, 32],
  [517, 90, 28],
  // Stretched, one side grows and the other does not.
  [31, 33, 32],
  [33, 31, 32],
  [32, 20, 32],
  [20, 32, 32],
  [200, 3, 32],
  [1000, 10, 32],
  [33, 32, 33],
] as const;

async function picture(width: number, height: number, format: "png" | "jpeg"): Promise<Buffer> {
  const pixels = Buffer.alloc(width * height * 3);
  for (let i = 0; i < pixels.length; i++) {
    const [c, x, y] = [i % 3, Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    pixels[i] = 128 + 80 * Math.sin((x + 2 * y) / (6 + 2 * c)) + (((i * 2654435761) >>> 24) - 128) / 6;
  }
  const raw = sharp(pixels, { raw: { width, height, channels: 3 } });
  return format === "png" ? raw.png().toBuffer() : raw.jpeg({ quality: 90 }).toBuffer();
}

test.each(["crop", "pad", "stretch"] as const)(
  "%s: less than a level off on the average from PNG, three from JPEG",
  async (fit) => {
    for (const [width, height, size] of sizes) {
      for (const format of ["png", "jpeg"] as const) {
        // libjpeg averages by one factor for both axes, so very flat stretched pictures differ more.
        if (fit === "stretch" && format === "jpeg" && width / height > 2) continue;
        const bytes = await picture(width, height, format);
        const expected = await decodeImage(bytes, { size, channels: 3, fit, maxMegapixels: 64 });
        if ("reason" in expected) throw new Error(expected.reason);
        const data = new Uint8ClampedArray(await sharp(bytes).raw().toBuffer());
        const got = toNetwork({ data, width, height }, size, fit, format === "jpeg");
        const off = expected.pixels.map((value, i) => Math.abs(value - got[i]!));
        const mean = off.reduce((a, b) => a + b, 0) / off.length;
        // JPEG: colors are stored at half the size, and libjpeg shrinks them in its own way.
        const [meanLimit, limit] = format === "png" ? [1, 8] : [3, 24];
        const who = `${width}x${height} to ${size}, ${format}`;
        expect(mean, who).toBeLessThan(meanLimit);
        expect(
          off.reduce((a, b) => Math.max(a, b), 0),
          who,
        ).toBeLessThanOrEqual(limit);
      }
    }
  },
);
