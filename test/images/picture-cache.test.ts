import { rmSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DataError } from "../../src/errors.js";
import type { PictureFiles } from "../../src/images/image-set.js";
import { PictureCache } from "../../src/images/picture-cache.js";
import { flat, pictureFolder } from "../support/pictures.js";

/** Picture `i` is flat of gray level 10 i; the odd ones are of class 1. */
const COUNT = 12;
let folder: { readonly dir: string; remove(): void };
beforeAll(async () => {
  const files = Array.from({ length: COUNT }, (_, i) => [`${i}.png`, flat([10 * i, 10 * i, 10 * i])] as const);
  folder = await pictureFolder(Object.fromEntries(files));
});
afterAll(() => folder?.remove());

const filesOf = (residents: number, given: Partial<PictureFiles> = {}): PictureFiles => ({
  paths: Array.from({ length: COUNT }, (_, i) => `${folder.dir}/${i}.png`),
  nameOf: (row) => `picture ${row}`,
  labels: Int32Array.from({ length: COUNT }, (_, i) => i % 2),
  decoding: { size: 4, channels: 1, fit: "crop", maxMegapixels: 1 },
  residents,
  maxDamaged: 1,
  levels: async () => [],
  ...given,
});

const rows = (...values: number[]) => Int32Array.from(values);

/** The gray level in the slot of each row. */
function levels(cache: PictureCache, of: Int32Array): number[] {
  return [...cache.places(of)].map((slot) => {
    const own = cache.pixels.subarray(16 * slot, 16 * slot + 16);
    expect(new Set(own).size).toBe(1);
    return own[0]!;
  });
}

describe("PictureCache", () => {
  it("holds any rows, whatever was there before, and never more than its slots", async () => {
    const cache = new PictureCache(filesOf(6), 4);
    expect([cache.capacity, cache.residing, cache.pixels.length]).toEqual([6, 2, 96]);
    for (let round = 0; round < 30; round++) {
      const wanted = rows(round % COUNT, (5 * round + 3) % COUNT, (7 * round + 1) % COUNT, round % COUNT);
      const hold = cache.hold(wanted);
      await hold.ready;
      expect(levels(cache, wanted)).toEqual([...wanted].map((row) => 10 * row));
      hold.release();
    }
  });

  it("decodes what fits once, and the others each time they are needed", async () => {
    const cache = new PictureCache(filesOf(8), 4);
    for (let round = 0; round < 3; round++) {
      for (let row = 0; row < COUNT; row++) {
        const hold = cache.hold(rows(row));
        await hold.ready;
        hold.release();
      }
    }
    expect(cache.decoded).toBe(4 + 3 * (COUNT - 4));
    const all = new PictureCache(filesOf(COUNT), 4);
    for (let round = 0; round < 3; round++) {
      const hold = all.hold(Int32Array.from({ length: COUNT }, (_, i) => i));
      expect(hold.ready === undefined).toBe(round > 0);
      await hold.ready;
      hold.release();
    }
    expect(all.decoded).toBe(COUNT);
  });

  it("takes no larger array than may be, and says what to do where rows do not fit into it", async () => {
    const cache = new PictureCache(filesOf(10), 2, () => {}, 5 * 16 + 15);
    expect([cache.capacity, cache.residing, cache.pixels.length]).toEqual([5, 3, 80]);
    const hold = cache.hold(rows(0, 3, 6, 9, 11));
    await hold.ready;
    expect(levels(cache, rows(0, 3, 6, 9, 11))).toEqual([0, 30, 60, 90, 110]);
    expect(() => cache.hold(rows(1))).toThrow(
      /more than 5 pictures.*smaller --dataset\.size or make the batches smaller/,
    );
  });

  it("keeps a row that somebody else still holds, and gives rows that nobody holds no slot", async () => {
    const cache = new PictureCache(filesOf(3), 3);
    const [first, second] = [cache.hold(rows(1, 2)), cache.hold(rows(2, 3))];
    await Promise.all([first.ready, second.ready]);
    first.release();
    first.release(); // once is enough
    const third = cache.hold(rows(4));
    await third.ready;
    expect(levels(cache, rows(2, 3, 4))).toEqual([20, 30, 40]);
    expect(() => cache.places(rows(1))).toThrow(/row 1 is not there/);
    expect(() => cache.hold(rows(5))).toThrow(DataError);
  });

  it("frees what was released before it was decoded", async () => {
    const cache = new PictureCache(filesOf(2), 2);
    const early = cache.hold(rows(1, 2));
    early.release();
    await early.ready;
    const later = cache.hold(rows(7, 8));
    await later.ready;
    expect(levels(cache, rows(7, 8))).toEqual([70, 80]);
  });

  it("fills in for a damaged file with the next picture of its class, the same in every order, up to a limit", async () => {
    const damaged = `${folder.dir}/damaged.png`;
    writeFileSync(damaged, "no picture");
    try {
      const paths = filesOf(0).paths.map((path, i) => (i === 5 || i === 7 || i === 11 ? damaged : path));
      for (const order of [rows(5, 7, 9, 11), rows(11, 9, 7, 5)]) {
        const cache = new PictureCache(filesOf(4, { paths }), 4);
        await cache.hold(order).ready;
        expect(levels(cache, rows(5, 7, 9, 11))).toEqual([90, 90, 90, 10]);
        expect(cache.remarks().join("\n")).toMatch(/picture 5 cannot be decoded.*stands in/);
        expect(cache.remarks()).toEqual([]);
      }
      const strict = new PictureCache(filesOf(4, { paths, maxDamaged: 0.2 }), 4);
      await expect(strict.hold(rows(5, 7, 9, 11)).ready).rejects.toThrow(/3 of the .* damaged.*maxDamaged 0\.2/);
      const none = new PictureCache(filesOf(4, { paths: paths.map((path, i) => (i % 2 ? damaged : path)) }), 4);
      await expect(none.hold(rows(3)).ready).rejects.toThrow(/picture 3: damaged, and so is every other/);
    } finally {
      rmSync(damaged);
    }
  });
});
