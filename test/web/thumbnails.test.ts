// Thumbnails: right, made once, made anew for a changed file, refused for what is no picture.
import { readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, test } from "vitest";
import { thumbnails } from "../../src/web/thumbnails.js";
import { bomb, flat } from "../support/pictures.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const cache = join(folder, "cache");
const thumbnail = thumbnails({ size: 20, cache });
const path = join(folder, "a <b>.png");

test("the long side fits, the rest is black", async () => {
  await flat([200, 30, 60], 40, 20).png().toFile(path);
  const { data, info } = await sharp(await thumbnail(path))
    .raw()
    .toBuffer({ resolveWithObject: true });
  expect([info.width, info.height, info.format]).toEqual([20, 20, "raw"]);
  const pixel = (x: number, y: number) => [...data.subarray(3 * (20 * y + x), 3 * (20 * y + x) + 3)];
  expect(pixel(10, 1).every((v) => v < 8)).toBe(true);
  [200, 30, 60].forEach((v, c) => {
    expect(Math.abs(pixel(10, 10)[c]! - v)).toBeLessThan(6);
  });
});

test("is made once, also when many ask at once, and anew when the file changes", async () => {
  expect(readdirSync(cache)).toHaveLength(1);
  rmSync(cache, { recursive: true });
  const all = await Promise.all(Array.from({ length: 8 }, () => thumbnail(path)));
  expect(new Set(all).size).toBe(1);
  const [name] = readdirSync(cache);
  writeFileSync(join(cache, name!), "kept");
  expect(Buffer.from(await thumbnail(path)).toString()).toBe("kept");
  utimesSync(path, 1, 1);
  expect(Buffer.from(await thumbnail(path)).toString()).not.toBe("kept");
});

test("a bomb, text and nothing are told apart", async () => {
  const [large, text] = [join(folder, "bomb.png"), join(folder, "text.png")];
  writeFileSync(large, await bomb(50_000));
  writeFileSync(text, "no picture");
  await expect(thumbnail(large)).rejects.toThrow(/more than 64 megapixels/);
  await expect(thumbnail(text)).rejects.toThrow(/not a picture/);
  await expect(thumbnail(join(folder, "none.png"))).rejects.toThrow(/no such picture/);
  await expect(thumbnail(folder)).rejects.toThrow(/no such picture/);
});

test("works where the cache cannot be written", async () => {
  const other = thumbnails({ size: 20, cache: join(path, "below a file") });
  expect((await other(path)).length).toBeGreaterThan(100);
});
