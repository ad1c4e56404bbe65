import { copyFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { PoolStream } from "../../src/batches/pool-stream.js";
import { indexPool } from "../../src/data/shards/pool.js";
import { DataError, UsageError } from "../../src/errors.js";
import type { PoolOptions, ShardPool } from "../../src/images/image-set.js";
import { Rng } from "../../src/rng.js";
import { numbered, numberOf, poolFolder, side, writeShard } from "../support/shards.js";

const options: PoolOptions = {
  decoding: { size: side, channels: 1, fit: "crop", maxMegapixels: 1 },
  onDamaged: "fail",
  maxDamaged: 0.1,
  shuffleBuffer: 20,
};

let folder: ReturnType<typeof poolFolder>;
let pool: ShardPool;
beforeAll(async () => {
  folder = poolFolder([7, 1, 12, 10]);
  pool = await indexPool(folder.paths, options);
});
afterAll(() => folder.remove());

const stream = (from: ShardPool, chunk: number, seed = 1) => new PoolStream(from, chunk, Rng.fromSeed(seed));

/** The next `batches` batches, as the pool's numbers of their pictures; checks each against what the pixels say. */
async function draw(source: PoolStream, chunk: number, batches: number): Promise<number[][]> {
  const drawn: number[][] = [];
  const pixels = new Uint8Array(chunk * side * side);
  for (let k = 0; k < batches; k++) {
    const index = new Int32Array(chunk);
    await source.ready(chunk);
    source.take(pixels, index);
    index.forEach((number, row) => {
      expect(numberOf(pixels.subarray(row * side * side))).toBe(number);
    });
    drawn.push([...index]);
  }
  return drawn;
}

const sorted = (numbers: readonly number[]) => [...numbers].sort((a, b) => a - b);
const all = Array.from({ length: 30 }, (_, i) => i);

describe("indexPool", () => {
  it("counts pictures in the order of the shards, whatever else lies in them", async () => {
    expect(pool.shards.map(({ count, first }) => [count, first])).toEqual([
      [7, 0],
      [1, 7],
      [12, 8],
      [10, 20],
    ]);
    const path = writeShard(join(folder.dir, "mixed.tar"), {
      "readme.txt": "hello",
      "a/one.pgm": numbered(0),
      "a/one.cls": "3",
      "a/one.seg.png": "ignored",
      "b/one.pgm": numbered(1),
      "c.json": "{}",
    });
    expect((await indexPool([path], options)).count).toBe(2);
  });

  it("refuses one key with two pictures", async () => {
    const path = writeShard(join(folder.dir, "twice.tar"), { "a.pgm": numbered(0), "a.jpg": "x" });
    await expect(indexPool([path], options)).rejects.toThrow(/key "a" has two pictures, "a.pgm" and "a.jpg"/);
  });

  it("has the same fingerprint wherever the shards lie, and another for other keys or another order", async () => {
    const copies = folder.paths.map((path, i) => {
      copyFileSync(path, join(folder.dir, `copy-${i}.tar`));
      return join(folder.dir, `copy-${i}.tar`);
    });
    expect((await indexPool(copies, options)).fingerprint).toBe(pool.fingerprint);
    expect((await indexPool(copies.toReversed(), options)).fingerprint).not.toBe(pool.fingerprint);
    const renamed = writeShard(copies[1]!, { "other.pgm": numbered(7) });
    expect(renamed).toBe(copies[1]);
    expect((await indexPool(copies, options)).fingerprint).not.toBe(pool.fingerprint);
  });

  it("names missing and truncated shards, or leaves them out and lists them", async () => {
    const cut = join(folder.dir, "cut.tar");
    copyFileSync(folder.paths[2]!, cut);
    truncateSync(cut, 5000);
    const missing = join(folder.dir, "missing.tar");
    await expect(indexPool([folder.paths[0]!, missing], options)).rejects.toThrow(DataError);
    await expect(indexPool([missing], options)).rejects.toThrow(/missing.tar: there is no such shard.*onDamaged skip/);
    await expect(indexPool([cut], options)).rejects.toThrow(/cut.tar, byte \d+: .*truncated/);
    const skipping = { ...options, onDamaged: "skip" } as const;
    const rest = await indexPool([folder.paths[0]!, missing, cut, folder.paths[3]!], skipping);
    expect(rest.count).toBe(17);
    expect(rest.damaged.map(({ file }) => file)).toEqual([missing, cut]);
    await expect(indexPool([missing, cut], skipping)).rejects.toThrow(/no picture/);
  });
});

describe("PoolStream", () => {
  it.each([
    ["smaller than the pool", 20],
    ["larger than the pool", 1000],
  ])("gives every picture once a pass, in another order each time, with a buffer %s", async (_, shuffleBuffer) => {
    const source = stream({ ...pool, shuffleBuffer }, 5);
    const passes = [];
    for (let k = 0; k < 4; k++) passes.push((await draw(source, 5, 6)).flat());
    for (const pass of passes) expect(sorted(pass)).toEqual(all);
    expect(new Set(passes.map(String)).size).toBe(4);
    expect(passes.map(String)).not.toContain(String(all));
    await source.close();
  });

  it("decodes a pool that fits into the memory it may take once, and any other again in every pass", async () => {
    const files: Record<string, Uint8Array> = {};
    for (const i of all) {
      const pixels = numbered(i).slice(-side * side);
      const picture = sharp(pixels, { raw: { width: side, height: side, channels: 1 } });
      files[`${String(i).padStart(2, "0")}.png`] = await picture.png().toBuffer();
    }
    const path = writeShard(join(folder.dir, "png.tar"), files);
    const bytes = 30 * side * side;
    for (const [memory, survives] of [
      [bytes, true],
      [bytes - 1, false],
    ] as const) {
      const source = stream(await indexPool([path], { ...options, memory, maxDamaged: 0 }), 10);
      await draw(source, 10, 6); // two passes: all of the first is read, much of the third is ahead
      const spoiled = Object.fromEntries(
        Object.entries(files).map(([name, png]) => [name, new Uint8Array(png.length)]),
      );
      writeShard(path, spoiled);
      const later = draw(source, 10, 30);
      if (survives) expect(sorted((await later).flat().slice(0, 30))).toEqual(all);
      else await expect(later).rejects.toThrow(/damaged/);
      await source.close();
      writeShard(path, files);
    }
  });

  it("mixes within half the buffer: a picture of the first window comes before any of the second", async () => {
    const source = stream(pool, 5);
    const [first, second] = [(await draw(source, 5, 2)).flat(), (await draw(source, 5, 2)).flat()];
    expect(new Set([...first, ...second]).size).toBe(20);
    const order = Rng.fromSeed(1).split("pass:0").permutation(4);
    const read = [...order].flatMap((k) => {
      const { first, count } = pool.shards[k]!;
      return Array.from({ length: count }, (_, i) => first + i);
    });
    expect(sorted(first)).toEqual(sorted(read.slice(0, 10)));
    expect(sorted(second)).toEqual(sorted(read.slice(10, 20)));
    await source.close();
  });

  it("mixes within what one array can hold where that is less, and says so", async () => {
    const image = side * side;
    const source = new PoolStream(pool, 5, Rng.fromSeed(1), undefined, 7 * image + 1);
    expect(source.remarks()).toEqual([
      expect.stringMatching(/^the pool is mixed within 7 pictures and not within 10: .*shuffleBuffer 14 says the same/),
    ]);
    const smaller = stream({ ...pool, shuffleBuffer: 14 }, 5);
    expect(smaller.remarks()).toEqual([]);
    expect(await draw(source, 5, 12)).toEqual(await draw(smaller, 5, 12));
    await Promise.all([source.close(), smaller.close()]);
    const tooSmall = () => new PoolStream(pool, 5, Rng.fromSeed(1), undefined, 5 * image - 1);
    expect(tooSmall).toThrow(UsageError);
    expect(tooSmall).toThrow(/5 unlabeled rows a batch .* 4 rows at the most\. Make the batch/);
  });

  it("mixes every window anew, also where there is one shard in one order", async () => {
    const path = writeShard(
      join(folder.dir, "single.tar"),
      Object.fromEntries(all.map((i) => [`k${i}.pgm`, numbered(i)])),
    );
    const source = stream(await indexPool([path], options), 5);
    const passes = [];
    for (let k = 0; k < 4; k++) passes.push(String(await draw(source, 5, 6)));
    expect(new Set(passes).size).toBe(4);
    await source.close();
  });

  it("another seed draws in another order", async () => {
    const [a, b] = [stream(pool, 5, 1), stream(pool, 5, 2)];
    expect(await draw(a, 5, 6)).not.toEqual(await draw(b, 5, 6));
    await Promise.all([a.close(), b.close()]);
  });

  it("its epoch is the share of pictures drawn, and grows with every batch", async () => {
    const source = stream(pool, 4);
    for (let k = 0; k < 20; k++) {
      expect(source.epoch).toBeCloseTo((4 * k) / 30, 10);
      await draw(source, 4, 1);
    }
    await source.close();
  });

  it.each([3, 4, 7, 10])("continues from any saved place with the same pictures: chunks of %i", async (chunk) => {
    const whole = stream(pool, chunk);
    const states = [];
    const expected: number[][] = [];
    for (let k = 0; k < 25; k++) {
      states.push([JSON.stringify(whole.stateDict().values), whole.epoch] as const);
      expected.push(...(await draw(whole, chunk, 1)));
    }
    await whole.close();
    for (const [k, [state]] of states.entries()) {
      const resumed = stream(pool, chunk);
      resumed.loadStateDict({ tensors: {}, values: JSON.parse(state) });
      const rest = Math.min(8, 25 - k);
      expect(await draw(resumed, chunk, rest), `from batch ${k}`).toEqual(expected.slice(k, k + rest));
      if (k + rest < 25) expect(resumed.epoch).toBe(states[k + rest]![1]);
      await resumed.close();
    }
  });

  it("goes back to a saved place also after it has been read from", async () => {
    const source = stream(pool, 4);
    await draw(source, 4, 5);
    const values = structuredClone(source.stateDict().values);
    const expected = await draw(source, 4, 9);
    source.loadStateDict({ tensors: {}, values });
    expect(await draw(source, 4, 9)).toEqual(expected);
    await source.close();
  });

  it("the same holds where pictures are damaged, which it passes over, counts and names once", async () => {
    const members = Array.from({ length: 40 }, (_, i) => [`k${i}.pgm`, i % 13 === 5 ? "no picture" : numbered(i)]);
    const path = writeShard(join(folder.dir, "holes.tar"), Object.fromEntries(members));
    const holes = await indexPool([path], options);
    const whole = stream(holes, 3);
    const first = await draw(whole, 3, 9);
    const state = JSON.stringify(whole.stateDict().values);
    const rest = await draw(whole, 3, 20);
    expect([...first, ...rest].flat().filter((number) => number % 13 === 5)).toEqual([]);
    expect(whole.damaged).toBeGreaterThanOrEqual(6);
    expect(whole.remarks()).toEqual([expect.stringMatching(/holes.tar: k5.pgm: no binary PPM/)]);
    expect(whole.remarks()).toEqual([]);
    const resumed = stream(holes, 3);
    resumed.loadStateDict({ tensors: {}, values: JSON.parse(state) });
    expect(await draw(resumed, 3, 20)).toEqual(rest);
    await Promise.all([whole.close(), resumed.close()]);
  });

  it("ends where too many pictures are damaged", async () => {
    const members = Array.from({ length: 300 }, (_, i) => [`k${i}.pgm`, i % 5 === 0 ? "no" : numbered(i)]);
    const bad = await indexPool([writeShard(join(folder.dir, "bad.tar"), Object.fromEntries(members))], options);
    const source = stream(bad, 5);
    await expect(draw(source, 5, 60)).rejects.toThrow(/of the 201 pictures read so far are damaged.*maxDamaged 0.1/);
    await source.close();
  });

  it("names a shard that is damaged only when it is read, or goes on with the next", async () => {
    const late = poolFolder([20, 20]);
    const counted = await indexPool(late.paths, options);
    const last = [...Rng.fromSeed(1).split("pass:0").permutation(2)].at(-1)!;
    truncateSync(late.paths[last]!, 8000);
    const failing = stream(counted, 5);
    await expect(draw(failing, 5, 8)).rejects.toThrow(new RegExp(`pool-${last}.tar, byte \\d+.*truncated`));
    const skipping = stream({ ...counted, onDamaged: "skip" }, 5);
    const drawn = (await draw(skipping, 5, 12)).flat();
    expect(drawn.length).toBe(60);
    expect(skipping.remarks()[0]).toMatch(`skipped the rest of ${late.paths[last]}`);
    for (const path of late.paths) rmSync(path);
    const gone = stream({ ...counted, onDamaged: "skip" }, 5);
    await expect(draw(gone, 5, 1)).rejects.toThrow(/a whole pass over the pool found no picture/);
    await Promise.all([failing.close(), skipping.close(), gone.close()]);
    late.remove();
  });

  it("decodes JPEG, in order, to what sharp makes of it", async () => {
    const jpegs = await Promise.all(
      all.map((i) =>
        sharp({ create: { width: 9, height: 9, channels: 3, background: { r: 8 * i, g: 8 * i, b: 8 * i } } })
          .jpeg()
          .toBuffer(),
      ),
    );
    const path = writeShard(
      join(folder.dir, "jpeg.tar"),
      Object.fromEntries(jpegs.map((data, i) => [`k${i}.jpg`, data])),
    );
    const source = stream(await indexPool([path], options), 5);
    const pixels = new Uint8Array(5 * side * side);
    for (let k = 0; k < 6; k++) {
      const index = new Int32Array(5);
      await source.ready(5);
      source.take(pixels, index);
      index.forEach((number, row) => {
        expect(Math.abs(pixels[row * side * side]! - 8 * number)).toBeLessThan(3);
      });
    }
    await source.close();
  });

  it("pictures that are decoded while the next megabyte is read keep their own bytes", async () => {
    const members = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const rng = Rng.fromSeed(i);
        const data = Uint8Array.from({ length: 160 * 160 }, () => 4 * i + rng.integer(32));
        return [
          `k${i}.png`,
          await sharp(data, { raw: { width: 160, height: 160, channels: 1 } })
            .png()
            .toBuffer(),
        ] as const;
      }),
    );
    const path = writeShard(
      join(folder.dir, "long.tar"),
      Object.fromEntries([...members, ...members.map(([name, data]) => [`z${name}`, data] as const)]),
    );
    const large = await indexPool([path], { ...options, maxDamaged: 0 });
    expect(large.count).toBe(100);
    const source = stream(large, 10);
    const pixels = new Uint8Array(10 * side * side);
    for (let k = 0; k < 10; k++) {
      const index = new Int32Array(10);
      await source.ready(10);
      source.take(pixels, index);
      index.forEach((number, row) => {
        const mean =
          pixels.subarray(row * side * side, (row + 1) * side * side).reduce((sum, p) => sum + p, 0) / side ** 2;
        expect(Math.abs(mean - (4 * (number % 50) + 15.5))).toBeLessThan(2);
      });
    }
    expect(source.damaged).toBe(0);
    await source.close();
  });

  it("refuses a buffer of less than two batches, and states that are not its own", () => {
    expect(() => stream(pool, 11)).toThrow(UsageError);
    expect(() => stream(pool, 11)).toThrow(/shuffleBuffer 20 is too small for 11 unlabeled rows a batch: give 22/);
    const fixed = () => stream({ ...pool, fixedBuffer: true }, 11);
    expect(fixed).toThrow(/11 unlabeled rows a batch are too many.*Make the batch smaller: 10 or fewer/);
    expect(fixed).not.toThrow(/--dataset/);
    const load = (values: object) => () => stream(pool, 5).loadStateDict({ tensors: {}, values: values as never });
    expect(load({})).toThrow(/saved place in the pool is damaged/);
    const start = { pass: 0, rank: 0, offset: 0, seen: 0 };
    expect(load({ start: { ...start, offset: -1 }, cursor: 0, size: 10 })).toThrow(DataError);
    expect(load({ start, cursor: 0, size: 12 })).toThrow(/saved window had 12 pictures, this one has 10/);
    expect(load({ start, cursor: 0, size: 10 })).not.toThrow();
  });
});
