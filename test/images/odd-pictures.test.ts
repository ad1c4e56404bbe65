/** Pictures that decoders and people see differently: real numbers, half frames, pixmaps. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { encodePixmap } from "../../src/files/pixmap.js";
import { type DecodedImage, decodeFile, decodeImage, readHeader, readImage } from "../../src/images/decode.js";
import { listImages } from "../../src/images/image-files.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const decoding = { size: 4, channels: 1, fit: "stretch", maxMegapixels: 1 } as const;
const pixelsOf = async (content: Uint8Array) => [...((await decodeImage(content, decoding)) as DecodedImage).pixels];

/** A gray TIFF of 4 x 4 float32 numbers, little-endian. */
function floatTiff(values: readonly number[]): Uint8Array {
  const tags = [
    [256, 4, 4],
    [257, 4, 4],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 0],
    [277, 3, 1],
    [278, 4, 4],
    [279, 4, 64],
    [339, 3, 3],
  ] as const;
  const start = 8 + 2 + tags.length * 12 + 4;
  const file = Buffer.alloc(start + 64);
  file.write("II*\0", "latin1");
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(tags.length, 8);
  tags.forEach(([tag, type, value], i) => {
    file.writeUInt16LE(tag, 10 + 12 * i);
    file.writeUInt16LE(type, 12 + 12 * i);
    file.writeUInt32LE(1, 14 + 12 * i);
    file.writeUInt32LE(tag === 273 ? start : value, 18 + 12 * i);
  });
  for (const [i, value] of values.entries()) file.writeFloatLE(value, start + 4 * i);
  return file;
}

/** A GIF of 4 x 4 whose first frame is 2 x 2 red at the lower right. */
const partialGif = Buffer.from([
  ...Buffer.from("GIF89a"),
  4,
  0,
  4,
  0,
  0x80,
  0,
  0,
  0,
  0,
  0,
  255,
  0,
  0,
  0x2c,
  2,
  0,
  2,
  0,
  2,
  0,
  2,
  0,
  0,
  2,
  3,
  0x4c,
  0x12,
  0x05,
  0,
  0x3b,
]); // prettier-ignore

describe("TIFF files of real numbers", () => {
  const steps = Array.from({ length: 16 }, (_, i) => i);
  it("of 0..1 are not black, of 0..255 are as they are, others are refused", async () => {
    expect(await pixelsOf(floatTiff(steps.map((i) => i / 15)))).toEqual(steps.map((i) => 17 * i));
    expect(await pixelsOf(floatTiff(steps.map((i) => 17 * i)))).toEqual(steps.map((i) => 17 * i));
    const strange = await decodeImage(floatTiff(steps.map((i) => 100 * i)), decoding);
    expect(strange).toEqual({ reason: expect.stringMatching(/from 0 to 1500; expected 0\.\.1 or 0\.\.255/) });
  });
});

it("what the first frame of a GIF does not cover is white, not black", async () => {
  const pixels = await pixelsOf(partialGif);
  const inside = [10, 11, 14, 15];
  expect(pixels.filter((_, i) => !inside.includes(i))).toEqual(new Array(12).fill(255));
  for (const i of inside) expect(pixels[i]).toBeLessThan(130);
  const path = join(folder, "half.png"); // whatever it is called
  writeFileSync(path, partialGif);
  expect([...((await decodeFile(path, decoding)) as DecodedImage).pixels]).toEqual(pixels);
});

describe("pixmaps in a folder", () => {
  it("are pictures as others are: listed, decoded, resized, with comments in their header", async () => {
    const dir = join(folder, "traffic");
    mkdirSync(dir);
    const plain = Buffer.from(encodePixmap({ width: 8, height: 8, channels: 3, pixels: new Uint8Array(192).fill(90) }));
    const commented = Buffer.concat([
      Buffer.from("P6\n# made by a camera\n8 8\n255\n"),
      plain.subarray(plain.length - 192),
    ]);
    writeFileSync(join(dir, "a.ppm"), plain);
    writeFileSync(join(dir, "b.ppm"), commented);
    writeFileSync(join(dir, "no-extension"), plain);
    expect(listImages(dir).files).toEqual(["a.ppm", "b.ppm", "no-extension"]);
    for (const name of listImages(dir).files) {
      const path = join(dir, name);
      for (const read of [readImage, decodeFile]) {
        expect([...((await read(path, decoding)) as DecodedImage).pixels]).toEqual(new Array(16).fill(90));
      }
      expect(await readHeader(path, decoding)).toMatchObject({ format: "ppm" });
    }
  });

  it("pictures that differ in the middle alone have other hashes by their headers too", async () => {
    const [side, dir] = [256, join(folder, "scans")];
    mkdirSync(dir);
    const hashes = await Promise.all(
      [0, 1, 2].map(async (i) => {
        const pixels = new Uint8Array(side * side);
        pixels[(side * side) / 2] = i;
        const [pgm, tiff] = [join(dir, `${i}.pgm`), join(dir, `${i}.tif`)];
        writeFileSync(pgm, Buffer.concat([Buffer.from(`P5\n${side} ${side}\n255\n`), pixels]));
        const raw = { width: side, height: side, channels: 1 as const };
        await sharp(pixels, { raw }).tiff({ compression: "none" }).toFile(tiff);
        const headers = await Promise.all([pgm, tiff].map((path) => readHeader(path, decoding)));
        return headers.map(({ hash }) => hash);
      }),
    );
    expect(new Set(hashes.flat()).size).toBe(6);
  });

  it("a name that ends in brackets has no options in it", async () => {
    const dir = join(folder, "brackets");
    mkdirSync(dir);
    for (const name of ["cat [2]", "cat.png[1]", "a[page=9]"]) {
      const path = join(dir, name);
      await sharp({ create: { width: 4, height: 4, channels: 3, background: "#5a5a5a" } })
        .png()
        .toFile(join(dir, "x.png"));
      renameSync(join(dir, "x.png"), path);
      for (const read of [readImage, decodeFile])
        expect([...((await read(path, decoding)) as DecodedImage).pixels]).toEqual(new Array(16).fill(90));
      expect(await readHeader(path, decoding)).toMatchObject({ format: "png" });
    }
  });

  it("too large or cut ones are damaged", async () => {
    expect(await decodeImage(Buffer.from("P6\n9999 9999\n255\n"), decoding)).toEqual({
      reason: expect.stringMatching(/megapixels/),
    });
    expect(await decodeImage(Buffer.from("P5\n2 2\n255\nabc"), decoding)).toEqual({
      reason: expect.stringMatching(/need \d+ bytes/),
    });
  });
});
