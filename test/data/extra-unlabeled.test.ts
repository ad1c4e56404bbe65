import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { DataSet } from "../../src/data/dataset.js";
import { namesShards, withUnlabeled } from "../../src/data/extra-unlabeled.js";
import { fingerprint } from "../../src/data/fingerprint.js";
import { flat, pictureFolder } from "../support/pictures.js";
import { numbered, poolFolder, writeShard } from "../support/shards.js";

const shape = { channels: 3, width: 8, height: 8 } as const;
const set = (count: number, first: number) => ({
  ...shape,
  count,
  pixels: Uint8Array.from({ length: count * 192 }, (_, i) => first + Math.floor(i / 192)),
  labels: Int32Array.from({ length: count }, (_, i) => i % 2),
});
/** Four gray training images 0..3, two gray test images 100 and 101. */
const data: DataSet = {
  name: "grays",
  classes: ["a", "b"],
  train: set(4, 0),
  test: set(2, 100),
  flip: true,
  translate: 1,
  normalize: "channel",
  nameOf: (i) => `own-${i}`,
};
let pictures: Awaited<ReturnType<typeof pictureFolder>>;
beforeAll(async () => {
  pictures = await pictureFolder({
    "deep/red.png": flat([200, 0, 0], 20, 12),
    "blue.png": flat([0, 0, 200]),
    "tested.png": sharp(Buffer.alloc(192, 101), { raw: shape }),
    "note.txt": "no picture",
  });
});
afterAll(() => pictures.remove());

it("puts the pictures of a folder after the set's own images, without labels, and leaves test images out", async () => {
  const { train, nameOf, remarks, test } = await withUnlabeled(data, pictures.dir);
  expect([train.count, [...train.labels]]).toEqual([6, [0, 1, 0, 1, -1, -1]]);
  expect([nameOf!(3), nameOf!(4), nameOf!(5)]).toEqual(["own-3", "blue.png", "deep/red.png"]);
  expect([...train.pixels.subarray(3 * 192, 4 * 192)]).toEqual(new Array(192).fill(3));
  const [red, green, blue] = [0, 64, 128].map((at) => train.pixels[5 * 192 + at]);
  expect([red, green, blue]).toEqual([200, 0, 0]);
  expect(train.pixels.length).toBe(6 * 192);
  expect(test).toBe(data.test);
  expect(remarks!.join("\n")).toMatch(
    /2 unlabeled pictures .* after the 4 training images, at 8x8[\s\S]*1 pictures .* are test images/,
  );
});

it("is another data set than without them", async () => {
  expect(fingerprint(await withUnlabeled(data, pictures.dir))).not.toBe(fingerprint(data));
});

it("streams shards in place of the set's own images", async () => {
  const pool = poolFolder([]);
  writeShard(join(pool.dir, "p.tar"), { "1.ppm": numbered(1), "2.ppm": numbered(2) });
  try {
    expect([namesShards(pool.dir), namesShards(join(pool.dir, "p-{0..1}.tar")), namesShards(pictures.dir)]).toEqual([
      true,
      true,
      false,
    ]);
    const streamed = await withUnlabeled(data, pool.dir);
    expect(streamed.train).toBe(data.train);
    expect(streamed.pool).toMatchObject({ count: 2, fixedBuffer: true, decoding: { size: 8, channels: 3 } });
    expect(streamed.fingerprint).not.toBe(fingerprint(data));
  } finally {
    pool.remove();
  }
});

it("says what cannot be: no folder, no pictures, examples that are no pictures", async () => {
  await expect(withUnlabeled(data, join(pictures.dir, "absent"))).rejects.toThrow(/absent: there is no such folder/);
  const empty = await pictureFolder({ "readme.txt": "nothing" });
  await expect(withUnlabeled(data, empty.dir)).rejects.toThrow(/the folder holds no pictures/);
  empty.remove();
  const points = { ...data, train: { ...data.train, pixels: new Float32Array(4 * 192) } };
  await expect(withUnlabeled(points, pictures.dir)).rejects.toThrow(
    /grays has numbers of shape 3x8x8. Use all or rest/,
  );
});
