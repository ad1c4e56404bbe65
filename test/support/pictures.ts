/** Small picture files for tests, painted by sharp. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import sharp from "sharp";
import { Rng } from "../../src/rng.js";

type Picture = ReturnType<typeof sharp>;
export type Color = readonly [red: number, green: number, blue: number];

/** One color all over. */
export function flat([r, g, b]: Color, width = 8, height = 8): Picture {
  return sharp({ create: { width, height, channels: 3, background: { r, g, b } } });
}

/** `color` plus uniform noise 0 .. `amount` - 1, different for every seed. */
export function noisy(seed: number, color: Color, { width = 16, height = 16, amount = 40 } = {}): Picture {
  const rng = Rng.fromSeed(seed);
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) =>
    Math.min(255, color[i % 3]! + rng.integer(amount)),
  );
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Writes files below a new temporary folder; nested folders are made. */
export async function pictureFolder(
  files: Readonly<Record<string, Picture | Uint8Array | string>>,
): Promise<{ readonly dir: string; remove(): void }> {
  const dir = mkdtempSync(join(tmpdir(), "fewlabels-pictures-"));
  await addPictures(dir, files);
  return { dir, remove: () => rmSync(dir, { recursive: true }) };
}

/** Pictures are encoded as their names say (`.jpg`: JPEG). */
export async function addPictures(
  dir: string,
  files: Readonly<Record<string, Picture | Uint8Array | string>>,
): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    mkdirSync(dirname(path), { recursive: true });
    const whole = typeof content === "string" || content instanceof Uint8Array;
    writeFileSync(path, whole ? content : await encode(content, name.split(".").at(-1)!));
  }
}

function encode(picture: Picture, extension: string): Promise<Uint8Array> {
  const format = extension === "jpg" ? "jpeg" : extension === "tif" ? "tiff" : extension;
  return picture.toFormat(format as "png").toBuffer();
}

/** A PNG whose header (with a right checksum) announces other sides than its data have. */
export async function bomb(side: number): Promise<Uint8Array> {
  const { crc32 } = await import("node:zlib");
  const png = await flat([1, 2, 3]).png().toBuffer();
  png.writeUInt32BE(side, 16);
  png.writeUInt32BE(side, 20);
  png.writeUInt32BE(crc32(png.subarray(12, 29)), 29);
  return png;
}
