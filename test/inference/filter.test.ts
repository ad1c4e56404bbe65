import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readShards } from "../../src/data/shards/memory.js";
import { openPicturePool } from "../../src/data/shards/picture-pool.js";
import { DataError } from "../../src/errors.js";
import { encodePixmap } from "../../src/files/pixmap.js";
import { besidePath } from "../../src/files/write-whole.js";
import { encodeImage } from "../../src/images/encode.js";
import { BestOf } from "../../src/inference/best-of.js";
import { filterPool } from "../../src/inference/filter.js";
import { openPredictor } from "../../src/inference/predict.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";
import { writeShard } from "../support/shards.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

describe("BestOf", () => {
  it("keeps what sorting everything would put first, the earlier of equals", () => {
    const stream = fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 60 });
    fc.assert(
      fc.property(stream, fc.integer({ min: 0, max: 20 }), (values, limit) => {
        const [best, everything] = [new BestOf(limit), new BestOf()];
        values.forEach((value, i) => {
          best.add(i, value / 8);
          everything.add(i, value / 8);
        });
        const sorted = values.map((value, i) => ({ i, value })).sort((a, b) => b.value - a.value || a.i - b.i);
        expect([...best.ranked().index]).toEqual(sorted.slice(0, limit).map(({ i }) => i));
        expect([...everything.ranked().index]).toEqual(sorted.map(({ i }) => i));
        expect([...best.ranked().confidence]).toEqual(sorted.slice(0, limit).map(({ value }) => value / 8));
        expect(best.size).toBe(Math.min(limit, values.length));
      }),
    );
  });
});

describe("openPicturePool", () => {
  it("names what is no file of a folder, and never waits for it", async () => {
    const dir = temporaryFolder();
    execFileSync("mkfifo", [join(dir, "pipe.png")]);
    const contents = (await openPicturePool(dir, "fail")).contents([0]);
    await expect(contents.next()).rejects.toThrow(/cannot read .*pipe\.png: not a file/);
    removeFolder(dir);
  });
});

describeEngine("filterPool", () => {
  let folder: string;
  let run: string;
  let pictures: string;
  let pattern: string;
  /** What `predict` says of every good picture, in the order of the pool. */
  let truth: { file: string; class: string; probability: number }[];
  beforeAll(async () => {
    folder = temporaryFolder();
    run = join(folder, "run");
    await trainToEnd(configure(run, { steps: 30, labels: 100 }));
    pictures = join(folder, "pictures");
    mkdirSync(pictures);
    const members: [string, Uint8Array][] = [];
    for (let i = 0; i < 60; i++) {
      const rng = Rng.fromSeed(i);
      const pixels = Uint8Array.from({ length: 3072 }, (_, at) => (rng.integer(60) + i * 3 + (at % 32) * 2) % 256);
      const content =
        i === 7 ? Buffer.from("no picture") : await encodeImage(pixels, { channels: 3, width: 32, height: 32 }, "png");
      const name = `p${String(i).padStart(2, "0")}.png`;
      writeFileSync(join(pictures, name), content);
      members.push([name, content]);
    }
    writeShard(join(folder, "pool-0.tar"), Object.fromEntries(members.slice(0, 25)));
    writeShard(join(folder, "pool-1.tar"), Object.fromEntries(members.slice(25)));
    pattern = join(folder, "pool-{0..1}.tar");
    truth = [];
    for await (const one of (await openPredictor(run)).predict(
      readdirSync(pictures).map((name) => join(pictures, name)),
    )) {
      if (!("error" in one)) truth.push({ ...one, file: one.file.slice(pictures.length + 1) });
    }
    expect(truth).toHaveLength(59);
  });
  afterAll(() => removeFolder(folder));

  const rowsOf = (path: string) =>
    readFileSync(path, "utf8")
      .trim()
      .split("\n")
      .slice(1)
      .map((line) => line.split(","));
  /** The rows that a slow sort of all predictions keeps, in the order of the pool. */
  const expected = (perClass: number, minConfidence: number) =>
    truth
      .filter(({ probability }) => probability >= minConfidence)
      .filter((one, _, good) => {
        const better = good.filter((other) => other.class === one.class && other.probability > one.probability);
        return better.length < perClass;
      })
      .map((one) => [one.file, one.class, one.probability.toFixed(6)]);

  it("keeps the best n of each class above a confidence, of shards and of a folder alike", async () => {
    const median = truth.map(({ probability }) => probability).sort()[20]!;
    for (const [perClass, minConfidence] of [
      [2, 0],
      [5, median],
    ] as const) {
      const [a, b] = [join(folder, "a.csv"), join(folder, "b.csv")];
      const common = { perClass, minConfidence, batch: 16, threads: 1 };
      const result = await filterPool(run, { ...common, data: pattern, out: a });
      await filterPool(run, { ...common, data: pictures, out: b });
      const wanted = expected(perClass, minConfidence);
      expect(rowsOf(b)).toEqual(wanted);
      expect(rowsOf(a).map(([name, ...rest]) => [`${name}.png`, ...rest])).toEqual(wanted);
      expect(result).toMatchObject({ pictures: 60, kept: wanted.length, damaged: 1, rows: wanted.length });
      expect(result.rejected).toBe(59 - wanted.length);
      expect(existsSync(besidePath(a))).toBe(false);
    }
  });

  it("repeats small classes until all have the rows of the largest, or n", async () => {
    const out = join(folder, "balanced.csv");
    const sizes = new Map<string, number>();
    for (const one of truth) sizes.set(one.class, (sizes.get(one.class) ?? 0) + 1);
    const largest = Math.max(...sizes.values());
    expect(Math.min(...sizes.values())).toBeLessThan(largest);
    const result = await filterPool(run, { data: pattern, out, balance: true, threads: 1 });
    for (const [name, size] of sizes) expect(result.byClass[name]).toEqual({ kept: size, rows: largest });
    expect(rowsOf(out)).toHaveLength(sizes.size * largest);
    const [rare] = [...sizes].sort((x, y) => x[1] - y[1])[0]!;
    const copies = new Map<string, number>();
    for (const [name, label] of rowsOf(out)) if (label === rare) copies.set(name!, (copies.get(name!) ?? 0) + 1);
    const counts = [...copies.values()];
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    const more = await filterPool(run, { data: pattern, out, balance: true, perClass: largest + 3, threads: 1 });
    for (const name of sizes.keys()) expect(more.byClass[name]!.rows).toBe(largest + 3);
  });

  it("writes shards with the very bytes of the kept pictures, their labels, and keys that are never the same", async () => {
    const shards = join(folder, "kept");
    const out = join(folder, "kept.csv");
    await filterPool(run, { data: pattern, out, shards, shardSize: 7, perClass: 4, balance: true, threads: 1 });
    const { classes, parts } = JSON.parse(readFileSync(`${shards}.json`, "utf8"));
    expect(classes).toEqual((await openPredictor(run)).classes);
    const names = parts.unlabeled.shards as string[];
    expect(names[0]).toBe("kept-unlabeled-000000.tar");
    const limits = { onDamaged: "fail", maxDamaged: 0, memoryMB: 10 } as const;
    const decoding = { size: 32, channels: 3, fit: "crop", maxMegapixels: 1 } as const;
    const read = await readShards(
      names.map((name) => join(folder, name)),
      { ...limits, decoding },
    );
    const rows = rowsOf(out);
    expect(read.pictures.map(({ label }) => label)).toEqual(rows.map(([, label]) => label));
    expect(read.pictures.map(({ key }) => key.slice(0, 3))).toEqual(rows.map(([name]) => name));
    expect(new Set(read.pictures.map(({ key }) => key)).size).toBe(rows.length);
    const { createHash } = await import("node:crypto");
    for (const { key, hash } of read.pictures) {
      const bytes = readFileSync(join(pictures, `${key.slice(0, 3)}.png`));
      expect(hash).toBe(createHash("sha256").update(bytes).digest("hex"));
    }
  });

  it("never replaces shards, its own input least of all, and says so before it reads the run", async () => {
    const own = join(folder, "pack");
    const shard = `${own}-unlabeled-000000.tar`;
    writeFileSync(shard, readFileSync(join(folder, "pool-0.tar")));
    const filtered = () => filterPool(join(folder, "no run"), { data: shard, shards: own, threads: 1 });
    await expect(filtered()).rejects.toThrow(/pack-unlabeled-000000\.tar exists: choose another --shards/);
    writeFileSync(`${own}.json`, "{}");
    await expect(filtered()).rejects.toThrow(/pack\.json exists: choose another --shards/);
    expect(readFileSync(shard)).toEqual(readFileSync(join(folder, "pool-0.tar")));
    expect(readFileSync(`${own}.json`, "utf8")).toBe("{}");
  });

  it("says why pictures cannot be judged, and ends where none can", async () => {
    const raw = (size: number) =>
      encodePixmap({ width: size, height: size, channels: 3, pixels: new Uint8Array(3 * size ** 2) });
    const [data, out] = [join(folder, "raw.tar"), join(folder, "raw.csv")];
    writeShard(data, { "a.ppm": raw(16), "b.ppm": raw(16) });
    const failed = filterPool(run, { data, out, threads: 1 });
    await expect(failed).rejects.toThrow(
      /none of the 2 pictures .*32x32 .*the first: raw pixels of 16x16 .* not resized/,
    );
    await expect(failed).rejects.toThrow(DataError);
    expect(existsSync(out)).toBe(false);
    writeShard(data, { "a.ppm": raw(16), "b.ppm": raw(32) });
    const result = await filterPool(run, { data, out, threads: 1 });
    expect(result).toMatchObject({ kept: 1, damaged: 1, damagedReason: expect.stringMatching(/^raw pixels of 16x16/) });
  });

  it("names missing shards, or goes on without them; leaves no file where it fails", async () => {
    const data = `${pattern},${join(folder, "none.tar")}`;
    const out = join(folder, "none.csv");
    await expect(filterPool(run, { data, out, threads: 1 })).rejects.toThrow(/none.tar: there is no such shard/);
    expect(existsSync(out)).toBe(false);
    const result = await filterPool(run, { data, out, onDamaged: "skip", threads: 1 });
    expect(result.pictures).toBe(60);
    expect(result.damagedShards).toHaveLength(1);
    const nowhere = join(out, "x.csv"); // below a file
    await expect(filterPool(run, { data: pattern, out: nowhere, threads: 1 })).rejects.toThrow(
      /cannot write .*none.csv/,
    );
  });
});

describe("openPicturePool", () => {
  it("finds shards and pictures, and says what it did not find", async () => {
    const empty = temporaryFolder();
    await expect(openPicturePool(empty, "fail")).rejects.toThrow(/no .tar files in the folder/);
    removeFolder(empty);
  });
});
