import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findManifest, requireFreePrefix } from "../../../src/data/shards/manifest.js";
import { readShards } from "../../../src/data/shards/memory.js";
import { folderItems, packShards, setItems, uniqueKey } from "../../../src/data/shards/pack.js";
import { DataError, UsageError } from "../../../src/errors.js";
import type { ImageSet } from "../../../src/images/image-set.js";
import { noisy, pictureFolder } from "../../support/pictures.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "fewlabels-pack-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

/** 23 gray pictures of 4x4, three classes in turn; picture i has the values 10 i .. 10 i + 15 (mod 256). */
const set: ImageSet = {
  pixels: Uint8Array.from({ length: 23 * 16 }, (_, at) => 10 * Math.floor(at / 16) + (at % 16)),
  count: 23,
  channels: 1,
  height: 4,
  width: 4,
  labels: Int32Array.from({ length: 23 }, (_, i) => i % 3),
};
const rows = Int32Array.from({ length: 23 }, (_, i) => i);
const about = { label: (row: number) => set.labels[row]!, name: (row: number) => `n${row}.old` };
const limits = { onDamaged: "fail", maxDamaged: 0, memoryMB: 10 } as const;

async function readBack(prefix: string, shards: readonly string[], channels: 1 | 3 = 1, size = 4) {
  const decoding = { size, channels, fit: "crop", maxMegapixels: 1 } as const;
  return readShards(
    shards.map((name) => join(prefix, "..", name)),
    { ...limits, decoding },
  );
}

describe("readShards", () => {
  it("takes as many pictures as one array may hold, and says what to do about more", async () => {
    const prefix = join(dir, "large");
    const items = Array.from({ length: 1500 }, (_, i) =>
      setItems(set, rows.subarray(i % 23, (i % 23) + 1), "labeled", "raw", about),
    );
    const { parts } = await packShards(
      items.flat(),
      { classes: ["a", "b", "c"], format: "raw" },
      { prefix, shardSize: 2000, seed: 1 },
    );
    const decoding = { size: 4, channels: 1, fit: "crop", maxMegapixels: 1 } as const;
    const read = (most: number) => readShards([join(dir, parts.labeled!.shards[0]!)], { ...limits, decoding, most });
    expect((await read(1500 * 16)).pixels).toEqual((await read(2 ** 32)).pixels);
    await expect(read(1500 * 16 - 1)).rejects.toThrow(
      /more than 1499 .*Node v\d.* one set\. Use a smaller --dataset\.size/,
    );
  });
});

describe("packShards", () => {
  it.each(["raw", "png"] as const)(
    "%s: every picture comes back with its pixels, label and name, in random order",
    async (format) => {
      const prefix = join(dir, format);
      const items = [
        ...setItems(set, rows.subarray(0, 20), "labeled", format, about),
        ...setItems(set, rows.subarray(20), "unlabeled", format, { ...about, label: () => -1 }),
      ];
      const result = await packShards(items, { classes: ["a", "b", "c"], format }, { prefix, shardSize: 6, seed: 1 });
      expect(result.parts.labeled).toEqual({
        shards: [0, 1, 2, 3].map((n) => `${format}-labeled-00000${n}.tar`),
        count: 20,
      });
      expect(result.parts.unlabeled!.count).toBe(3);
      expect(result.parts.test).toBeUndefined();
      expect(findManifest(join(dir, `${format}-labeled-000002.tar`))).toEqual(
        JSON.parse(readFileSync(`${prefix}.json`, "utf8")),
      );

      const read = await readBack(prefix, result.parts.labeled!.shards);
      const order = read.pictures.map(({ key }) => Number(key.slice(1)));
      expect([...order].sort((a, b) => a - b)).toEqual([...rows.subarray(0, 20)]);
      expect(order).not.toEqual([...rows.subarray(0, 20)]);
      order.forEach((row, at) => {
        expect(read.pictures[at]!.label).toBe(["a", "b", "c"][row % 3]);
        expect([...read.pixels.subarray(16 * at, 16 * at + 16)]).toEqual([
          ...set.pixels.subarray(16 * row, 16 * row + 16),
        ]);
      });
      const hidden = await readBack(prefix, result.parts.unlabeled!.shards);
      expect(hidden.pictures.map(({ label }) => label)).toEqual([undefined, undefined, undefined]);
    },
  );

  it("the same pictures and seed give the same bytes, another seed another order", async () => {
    const bytes = [];
    for (const [name, seed] of [
      ["x", 1],
      ["y", 1],
      ["z", 2],
    ] as const) {
      const items = setItems(set, rows, "labeled", "raw", about);
      await packShards(items, { classes: [], format: "raw" }, { prefix: join(dir, name), shardSize: 100, seed });
      bytes.push(readFileSync(join(dir, `${name}-labeled-000000.tar`)));
    }
    expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
    expect(bytes[0]!.equals(bytes[2]!)).toBe(false);
  });

  it("does not write over an earlier pack, and leaves no half shard when it fails", async () => {
    const items = setItems(set, rows, "labeled", "raw", about);
    const options = { prefix: join(dir, "twice"), shardSize: 8, seed: 0 };
    await packShards(items, { classes: [], format: "raw" }, options);
    await expect(packShards(items, { classes: [], format: "raw" }, options)).rejects.toThrow(UsageError);
    const failing = items.map((item, i) =>
      i === 22 ? { ...item, content: () => Promise.reject(new DataError("gone")) } : item,
    );
    const halfway = { ...options, prefix: join(dir, "half") };
    await expect(packShards(failing, { classes: [], format: "raw" }, halfway)).rejects.toThrow("gone");
    expect(readdirSync(dir).filter((name) => name.startsWith(".tmp-") || name === "half.json")).toEqual([]);
  });

  it("refuses real numbers and pictures that are not square", () => {
    const real = { ...set, pixels: new Float32Array(set.pixels.length) };
    expect(() => setItems(real, rows, "labeled", "raw", about)).toThrow(UsageError);
    expect(() => setItems({ ...set, height: 2, width: 8 }, rows, "labeled", "raw", about)).toThrow(/only square/);
  });
});

describe("folderItems", () => {
  it("copies the very files of a folder, class by class, and names what is no picture", async () => {
    const { dir: pictures, remove } = await pictureFolder({
      "cat/a.b.jpg": noisy(1, [200, 10, 10]),
      "cat/c.png": noisy(2, [10, 200, 10]),
      "dog/a.jpg": noisy(3, [10, 10, 200]),
      "dog/bad.jpg": "no picture",
      "unlabeled/u.webp": noisy(4, [99, 99, 99]),
      "test/cat/t.jpg": noisy(5, [1, 2, 3]),
      "test/dog/t.jpg": noisy(6, [3, 2, 1]),
    });
    execFileSync("mkfifo", [join(pictures, "dog/pipe.jpg")]); // never waited for
    const { items, classes } = folderItems(pictures, { format: "copy" });
    const prefix = join(dir, "copied");
    const result = await packShards(items, { classes, format: "copy" }, { prefix, shardSize: 10, seed: 0 });
    expect(result.classes).toEqual(["cat", "dog"]);
    expect([...result.damaged].sort((a, b) => (a.file < b.file ? -1 : 1))).toEqual([
      { file: "dog/bad.jpg", reason: expect.stringMatching(/text|not a picture/) },
      { file: "dog/pipe.jpg", reason: "not a file" },
    ]);
    expect(Object.fromEntries(Object.entries(result.parts).map(([part, { count }]) => [part, count]))).toEqual({
      labeled: 3,
      unlabeled: 1,
      test: 2,
    });
    const read = await readBack(prefix, result.parts.labeled!.shards, 3, 8);
    const labels = Object.fromEntries(read.pictures.map(({ key, label }) => [key, label]));
    expect(labels).toEqual({ "cat/a_b": "cat", "cat/c": "cat", "dog/a": "dog" });
    const { createHash } = await import("node:crypto");
    const original = createHash("sha256")
      .update(readFileSync(join(pictures, "cat/a.b.jpg")))
      .digest("hex");
    expect(read.pictures.find(({ key }) => key === "cat/a_b")!.hash).toBe(original);
    remove();
  });

  it("resizes where a size is given", async () => {
    const { dir: pictures, remove } = await pictureFolder({
      "cat/a.jpg": noisy(1, [200, 10, 10]),
      "dog/b.png": noisy(2, [10, 200, 10]),
    });
    const decoding = { size: 6, channels: 3, fit: "crop", maxMegapixels: 1 } as const;
    const { items, classes } = folderItems(pictures, { format: "jpeg", decoding });
    const result = await packShards(
      items,
      { classes, format: "jpeg" },
      { prefix: join(dir, "small"), shardSize: 10, seed: 0 },
    );
    copyFileSync(join(dir, result.parts.labeled!.shards[0]!), join(dir, "small.tar"));
    const { TarFile } = await import("../../../src/files/tar.js");
    const tar = await TarFile.open(join(dir, "small.tar"));
    const sizes = [];
    for (let member = await tar.next(); member; member = await tar.next()) {
      if (member.name.endsWith(".jpg"))
        sizes.push((await sharp((await tar.read(member, 1e6)).slice()).metadata()).width);
    }
    expect(sizes).toEqual([6, 6]);
    await tar.close();
    expect(existsSync(join(dir, "small.json"))).toBe(true);
    remove();
  });
});

describe("requireFreePrefix", () => {
  it("refuses a prefix with shards of any part, with or without a manifest; other files are in nobody's way", () => {
    const own = join(dir, "held");
    for (const name of ["held-labeled-x.tar", "held-other-000000.tar", "held-on-labeled-000000.tar", "held.tar"])
      writeFileSync(join(dir, name), "");
    requireFreePrefix(own, "--out");
    requireFreePrefix(join(dir, "no folder", "held"), "--out");
    writeFileSync(`${own}-test-000003.tar`, "");
    expect(() => requireFreePrefix(own, "--out")).toThrow(/held-test-000003\.tar exists: choose another --out/);
  });
});

describe("uniqueKey", () => {
  it("has no hidden part: reading passes over those", () => {
    const taken = new Set<string>();
    const names = ["../.hid/0.png", ".cache/pics/0.png", "a/.b/..c/d.png", ".x.png", "__MACOSX/y.png", "..."];
    const keys = names.map((name) => uniqueKey(name, taken));
    expect(keys).toEqual(["_hid/0", "_cache/pics/0", "a/_b/_c/d", "_x", "___MACOSX/y", "_"]);
  });
  it("has no dot in its last part, leads nowhere, and is never given twice", () => {
    const taken = new Set<string>();
    expect(uniqueKey("cat.d/a.b.jpg", taken)).toBe("cat.d/a_b");
    expect(uniqueKey("cat.d/a_b.png", taken)).toBe("cat.d/a_b_2");
    expect(uniqueKey("../../x/../y.jpg", taken)).toBe("x/y");
    expect(uniqueKey("/abs/z.jpg", taken)).toBe("abs/z");
    expect(uniqueKey(".hidden", taken)).toBe("_hidden");
  });
});
