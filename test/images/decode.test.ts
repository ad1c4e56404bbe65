import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type DecodedImage, decodeImage, readHeader, readImage, readImages } from "../../src/images/decode.js";
import type { Decoding } from "../../src/images/image-set.js";
import { bomb, flat, noisy } from "../support/pictures.js";

const color: Decoding = { size: 8, channels: 3, fit: "crop", maxMegapixels: 64 };

async function decode(content: Uint8Array, decoding: Partial<Decoding> = {}): Promise<DecodedImage> {
  const image = await decodeImage(content, { ...color, ...decoding });
  if ("reason" in image) throw new Error(image.reason);
  return image;
}

/** Channel values at a row and column of `[3, size, size]`. */
const at = ({ pixels }: DecodedImage, y: number, x: number, size = 8) =>
  [0, 1, 2].map((c) => pixels[(c * size + y) * size + x]!);

/** Two colors side by side, `width` x `height`. */
async function halves(left: string, right: string, width: number, height: number): Promise<ReturnType<typeof sharp>> {
  const half = { width: width / 2, height, channels: 3 as const };
  const input = await sharp({ create: { ...half, background: right } })
    .png()
    .toBuffer();
  const base = sharp({ create: { width, height, channels: 3, background: left } });
  return sharp(
    await base
      .composite([{ input, left: width / 2, top: 0 }])
      .png()
      .toBuffer(),
  );
}

describe("decodeImage", () => {
  it("gives the pixels of a lossless picture of the right size unchanged, plane by plane", async () => {
    const picture = noisy(1, [10, 100, 200], { width: 8, height: 8 });
    const raw = await picture.clone().raw().toBuffer();
    const { pixels, format } = await decode(await picture.png().toBuffer());
    expect(format).toBe("png");
    for (let c = 0; c < 3; c++) for (let i = 0; i < 64; i++) expect(pixels[c * 64 + i]).toBe(raw[i * 3 + c]);
  });

  it.each(["jpeg", "png", "webp", "tiff", "gif", "avif"] as const)("reads %s", async (format) => {
    const { pixels, format: found } = await decode(await flat([200, 100, 50], 20, 20).toFormat(format).toBuffer());
    expect(found).toBe(format);
    [200, 100, 50].forEach((value, c) => {
      for (let i = 0; i < 64; i++) expect(Math.abs(pixels[c * 64 + i]! - value)).toBeLessThan(6);
    });
  });

  it("turns a picture upright by its EXIF orientation", async () => {
    // Orientation 6: the file lies on its left side, so its left half is the upper half of the picture.
    const lying = await (await halves("#ff0000", "#0000ff", 16, 16)).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const image = await decode(lying);
    for (const x of [1, 6]) {
      expect(at(image, 1, x)[0]).toBeGreaterThan(200);
      expect(at(image, 6, x)[2]).toBeGreaterThan(200);
    }
  });

  it("puts transparent pictures on white", async () => {
    const clear = sharp({ create: { width: 9, height: 9, channels: 4, background: { r: 9, g: 9, b: 9, alpha: 0 } } });
    for (const format of ["png", "webp"] as const) {
      expect(at(await decode(await clear.clone().toFormat(format).toBuffer()), 4, 4)).toEqual([255, 255, 255]);
    }
  });

  it("reads CMYK, gray and 16-bit pictures as 8-bit sRGB", async () => {
    const cmyk = await flat([200, 100, 50], 20, 20).toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(cmyk).metadata()).space).toBe("cmyk");
    const [r, g, b] = at(await decode(cmyk), 4, 4);
    expect(r).toBeGreaterThan(g! + 50);
    expect(g).toBeGreaterThan(b! + 20);
    const gray = await flat([90, 90, 90]).toColourspace("b-w").png().toBuffer();
    expect(at(await decode(gray), 4, 4)).toEqual([90, 90, 90]);
    const deep = await flat([200, 100, 50]).toColourspace("rgb16").png().toBuffer();
    expect((await sharp(deep).metadata()).depth).toBe("ushort");
    const shallow = at(await decode(deep), 4, 4);
    [200, 100, 50].forEach((value, c) => {
      expect(Math.abs(shallow[c]! - value)).toBeLessThanOrEqual(1);
    });
  });

  it("makes gray of colors where one channel is wanted", async () => {
    const { pixels } = await decode(await flat([60, 60, 60]).png().toBuffer(), { channels: 1 });
    expect([...pixels]).toEqual(new Array(64).fill(60));
  });

  it("takes the first frame of an animation", async () => {
    const frames = [await flat([250, 0, 0]).png().toBuffer(), await flat([0, 0, 250]).png().toBuffer()];
    const animation = await sharp(frames, { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(animation).metadata()).pages).toBe(2);
    expect(at(await decode(animation), 4, 4)[0]).toBeGreaterThan(240);
  });

  it("crops to the middle, pads with black, or stretches", async () => {
    const wide = await (await halves("#ff0000", "#00ff00", 32, 8)).png().toBuffer();
    const [crop, pad, stretch] = [
      await decode(wide, { fit: "crop" }),
      await decode(wide, { fit: "pad" }),
      await decode(wide, { fit: "stretch" }),
    ];
    expect([at(crop, 0, 0)[0], at(crop, 0, 7)[1]].every((v) => v! > 240)).toBe(true);
    expect(at(pad, 0, 0)).toEqual([0, 0, 0]);
    expect(at(pad, 7, 7)).toEqual([0, 0, 0]);
    expect(at(pad, 4, 0)[0]).toBeGreaterThan(240);
    expect(at(stretch, 0, 0)[0]).toBeGreaterThan(240);
    expect(at(stretch, 7, 7)[1]).toBeGreaterThan(240);
  });

  it("names what is wrong with a file, and never throws", async () => {
    const jpeg = await noisy(2, [9, 9, 9], { width: 64, height: 64 }).jpeg().toBuffer();
    const reason = async (content: Uint8Array) => {
      const image = await decodeImage(content, color);
      return "reason" in image ? image.reason : "read";
    };
    expect(await reason(jpeg)).toBe("read");
    expect(await reason(jpeg.subarray(0, jpeg.length - 200))).toMatch(/cut short or damaged.*JPEG/);
    expect(await reason(new Uint8Array(0))).toMatch(/empty/);
    expect(await reason(Buffer.from("<!DOCTYPE html><html><body>404</body>"))).toMatch(/HTML/);
    expect(await reason(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"></svg>'))).toMatch(/SVG/);
    expect(await reason(Buffer.from([0, 0, 0, 24, ...Buffer.from("ftypheic"), 0, 0, 0, 0]))).toMatch(/HEIC.*convert/);
    expect(await reason(Buffer.from([0, 1, 2, 3, 200, 5, 6, 7, 8, 9]))).toMatch(/not a picture/);
  });

  it("refuses a header of 60,000 x 60,000 pixels without taking memory for it", async () => {
    const before = process.memoryUsage.rss();
    const png = await bomb(60_000);
    const gif = Buffer.from(await flat([1, 2, 3]).gif().toBuffer());
    gif.writeUInt16LE(60_000, 6);
    gif.writeUInt16LE(60_000, 8);
    const frame = gif.indexOf(0x2c, 13); // its image descriptor: the frame is as large as the screen
    gif.writeUInt16LE(60_000, frame + 5);
    gif.writeUInt16LE(60_000, frame + 7);
    const reasons = [];
    for (const content of [png, gif]) {
      const image = await decodeImage(content, color);
      reasons.push("reason" in image && image.reason);
    }
    expect(reasons).toEqual(new Array(2).fill(expect.stringMatching(/announces more than 64 megapixels/)));
    expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
  });

  it("gives pixels or a reason for any bytes", async () => {
    const formats = ["jpeg", "png", "webp", "tiff", "gif", "avif"] as const;
    const samples = await Promise.all(
      formats.map((format) => noisy(3, [50, 90, 120], { width: 24, height: 24 }).toFormat(format).toBuffer()),
    );
    const check = async (content: Uint8Array) => {
      const image = await decodeImage(content, { ...color, maxMegapixels: 1 });
      if ("reason" in image) expect(image.reason.length).toBeGreaterThan(5);
      else expect(image.pixels.length).toBe(192);
    };
    const damaged = fc
      .tuple(
        fc.constantFrom(...samples),
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(255)), { maxLength: 6 }),
      )
      .map(([sample, keep, changes]) => {
        const bytes = Uint8Array.from(sample.subarray(0, Math.ceil(sample.length * keep)));
        for (const [where, value] of changes) bytes[Math.floor(where * bytes.length)] = value;
        return bytes;
      });
    await fc.assert(fc.asyncProperty(damaged, check), { numRuns: 200 });
    await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 100 });
  }, 60_000);
});

describe("readImage", () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), "fewlabels-decode-"));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  it("goes by the content, and says where the name promises another format", async () => {
    const png = await flat([1, 2, 3]).png().toBuffer();
    for (const [name, wrong] of [
      ["a.png", false],
      ["a.PNG", false],
      ["a.jpg", true],
      ["a.dat", true],
      ["noext", false],
    ] as const) {
      writeFileSync(join(dir, name), png);
      const said = { format: "png", wrongExtension: wrong };
      expect(await readImage(join(dir, name), color)).toMatchObject(said);
      expect(await readHeader(join(dir, name), color)).toMatchObject(said);
    }
  });

  it("has a reason for files that are not there and folders", async () => {
    expect(await readImage(join(dir, "none.png"), color)).toEqual({ reason: "there is no such file" });
    expect(await readImage(dir, color)).toEqual({ reason: "not a file" });
  });

  it("hands every file over once, with its position", async () => {
    const paths = await Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        const path = join(dir, `n${i}.png`);
        writeFileSync(path, await flat([i, i, i]).png().toBuffer());
        return path;
      }),
    );
    const seen = new Map<number, number>();
    await readImages(paths, color, (image, i) => {
      expect(seen.has(i)).toBe(false);
      seen.set(i, "pixels" in image ? image.pixels[0]! : -1);
    });
    expect([...seen].sort(([a], [b]) => a - b)).toEqual(paths.map((_, i) => [i, i]));
  });
});
