import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LoadContext } from "../../src/data/dataset.js";
import { expandBraces, listShards } from "../../src/data/shards/list.js";
import { shards } from "../../src/data/shards.js";
import { DataError, FewlabelsError, UsageError } from "../../src/errors.js";
import { decodePixmap, encodePixmap } from "../../src/files/pixmap.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { bomb } from "../support/pictures.js";
import { type Members, numbered, numberOf, writeShard } from "../support/shards.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "fewlabels-shards-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

describe("listShards", () => {
  it.each([
    ["a.tar", ["a.tar"]],
    ["p-{08..11}.tar", ["p-08.tar", "p-09.tar", "p-10.tar", "p-11.tar"]],
    ["{a,b}-{0..1}.tar", ["a-0.tar", "a-1.tar", "b-0.tar", "b-1.tar"]],
    ["p-{9..11}", ["p-9", "p-10", "p-11"]],
  ])("%s is %j", (pattern, expected) => {
    expect(expandBraces(pattern)).toEqual(expected);
  });

  it("splits at commas outside braces, and lists a folder's tar files by name", () => {
    expect(listShards("x{a,b}.tar, y.tar")).toEqual(["xa.tar", "xb.tar", "y.tar"]);
    const folder = join(dir, "folder");
    mkdirSync(folder);
    expect(() => listShards(folder)).toThrow(/no .tar files in the folder/);
    for (const name of ["b.tar", "a.tar", "c.txt", ".d.tar"]) writeFileSync(join(folder, name), "");
    expect(listShards(folder)).toEqual([join(folder, "a.tar"), join(folder, "b.tar")]);
  });

  it.each(["p-{3..1}.tar", "p-{a..c}.tar", "p-{0..9999999}.tar", "p-{1..2", "p-}.tar", "", "{0..999}{0..999}{0..9}"])(
    "refuses %j",
    (pattern) => {
      expect(() => listShards(pattern)).toThrow(UsageError);
    },
  );
});

describe("pixmaps", () => {
  it("come back as they were, and are what sharp calls the same pixels", async () => {
    await fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom(1 as const, 3 as const),
        (width, height, channels) => {
          const pixels = Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 37) % 256);
          const image = { width, height, channels, pixels };
          expect(decodePixmap(encodePixmap(image))).toEqual(image);
        },
      ),
    );
    const ppm = Buffer.from(
      encodePixmap({ width: 2, height: 1, channels: 3, pixels: Uint8Array.of(1, 2, 3, 4, 5, 6) }),
    );
    expect(ppm.toString("latin1")).toBe("P6\n2 1\n255\n\x01\x03\x05\x02\x04\x06"); // red, green, blue of each pixel in turn
  });

  it("of 16 bits, or of few levels, are brought to 0..255", () => {
    const wide = Buffer.concat([Buffer.from("P6\n1 2\n65535\n"), Buffer.from("000080ffffff010001010080", "hex")]);
    expect(decodePixmap(wide)).toMatchObject({ channels: 3, pixels: Uint8Array.of(0, 1, 128, 1, 255, 0) });
    expect(decodePixmap(Buffer.from("P5\n4 1\n3\n\0\x01\x02\x03"))).toMatchObject({
      pixels: Uint8Array.of(0, 85, 170, 255),
    });
  });

  it("random and cut bytes are refused with a reason", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.nat(30), (bytes, length) => {
        expect(decodePixmap(bytes)).toHaveProperty("reason");
        const whole = encodePixmap({ width: 3, height: 3, channels: 3, pixels: new Uint8Array(27) });
        expect(decodePixmap(whole.subarray(0, length))).toHaveProperty("reason");
      }),
    );
    expect(decodePixmap(Buffer.from("P6\n999999 999999\n255\n"))).toHaveProperty("reason");
    expect(decodePixmap(Buffer.from("P6\n1 1\n65535\n12345"))).toHaveProperty("reason");
    expect(decodePixmap(Buffer.from("P6\n1 1\n65536\n123456"))).toHaveProperty("reason");
    expect(decodePixmap(Buffer.from("P5\n1 1\n0\n1"))).toHaveProperty("reason");
  });
});

const shard = (name: string, members: Members) => writeShard(join(dir, name), members);

function load(data: string, given: Record<string, unknown> = {}, unlabeledDir?: string, labelsFile?: string) {
  const options = parseOptions(shards.options, { size: 4, channels: "gray", ...given }, "test");
  const context = { dir: data, rng: Rng.fromSeed(0), options, unlabeledDir, labelsFile };
  return shards.load(context as LoadContext<typeof shards.options>);
}

/** Ten pictures, labels 0 and 1 in turn, as `cls` says them. */
function labeled(from = 0, labels: (i: number) => Members = (i) => ({ cls: String(i % 2) })): Members {
  return Object.fromEntries(
    Array.from({ length: 10 }, (_, i) => i).flatMap((i) => {
      const label = Object.entries(labels(i)).map(([kind, content]) => [`s/k${from + i}.${kind}`, content]);
      return [[`s/k${from + i}.pgm`, numbered(from + i)], ...label];
    }),
  );
}

const numbers = ({ pixels, count }: { pixels: Uint8Array | Float32Array; count: number }) =>
  Array.from({ length: count }, (_, i) => numberOf((pixels as Uint8Array).subarray(16 * i)));

describe("data set shards", () => {
  it("reads pictures, labels and keys in the order of the shards, and a test part of its own", async () => {
    const train = [shard("l-0.tar", labeled()), shard("l-1.tar", labeled(10))];
    const test = shard("t.tar", labeled(50));
    const data = await load(train.join(","), { testShards: test });
    expect(data.classes).toEqual(["0", "1"]);
    expect(numbers(data.train)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect([...data.train.labels]).toEqual(Array.from({ length: 20 }, (_, i) => i % 2));
    expect(numbers(data.test)).toEqual(Array.from({ length: 10 }, (_, i) => 50 + i));
    expect(data.nameOf!(13)).toBe("s/k13");
    expect(data.pool).toBeUndefined();
  });

  it.each<[string, (i: number) => Members]>([
    ["numbers in JSON", (i) => ({ json: JSON.stringify({ label: i % 2 }) })],
    ["names in JSON", (i) => ({ json: JSON.stringify({ label: i % 2 ? "dog" : "cat", confidence: 1 }) })],
    ["names in cls", (i) => ({ cls: i % 2 ? "dog\n" : "cat\n" })],
  ])("takes labels as %s", async (_, labels) => {
    const data = await load(shard("kinds.tar", labeled(0, labels)), { testShare: 0.1 });
    expect(data.classes).toEqual(_.startsWith("names") ? ["cat", "dog"] : ["0", "1"]);
    const { train } = data;
    expect([...train.labels]).toEqual(numbers(train).map((number) => number % 2));
  });

  it("numbers without a manifest are names: those that come, in their order", async () => {
    const data = await load(
      shard(
        "gap.tar",
        labeled(0, (i) => ({ cls: i % 2 ? "10" : "9" })),
      ),
    );
    expect(data.classes).toEqual(["9", "10"]);
  });

  it("without test shards holds out a share of each class, the same for every run", async () => {
    const path = shard("share.tar", labeled());
    const [a, b] = [await load(path, { testShare: 0.4 }), await load(path, { testShare: 0.4 })];
    expect(numbers(a.test)).toEqual(numbers(b.test));
    expect([...a.test.labels].sort()).toEqual([0, 0, 1, 1]);
    expect([...numbers(a.train), ...numbers(a.test)].sort((x, y) => x - y)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const other = await load(path, { testShare: 0.4, testSeed: 5 });
    expect(numbers(other.test)).not.toEqual(numbers(a.test));
  });

  it("takes class names from the manifest beside its shards", async () => {
    const path = shard("own-labeled-000000.tar", labeled());
    writeFileSync(join(dir, "own.json"), JSON.stringify({ classes: ["cat", "dog"], parts: {}, format: "raw" }));
    expect((await load(path)).classes).toEqual(["cat", "dog"]);
    writeFileSync(join(dir, "own.json"), JSON.stringify({ classes: ["cat"], parts: {}, format: "raw" }));
    await expect(load(path)).rejects.toThrow(/"s\/k1" has the label "1", which is none of the 1 classes: cat/);
    writeFileSync(join(dir, "own.json"), "{");
    await expect(load(path)).rejects.toThrow(DataError);
  });

  it("decodes compressed pictures next to raw ones", async () => {
    const png = await sharp({ create: { width: 8, height: 8, channels: 3, background: "#404040" } })
      .png()
      .toBuffer();
    const data = await load(shard("both.tar", { ...labeled(), "z.png": png, "z.cls": "1" }), { testShare: 0.1 });
    const pixels = [...(data.train.pixels as Uint8Array), ...(data.test.pixels as Uint8Array)];
    expect(pixels.filter((value) => value === 0x40)).toHaveLength(16);
  });

  it("streams what --unlabeled names, and counts it", async () => {
    const pool = shard(
      "pool.tar",
      Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}.pgm`, numbered(i)])),
    );
    const data = await load(shard("few.tar", labeled()), { testShare: 0.2 }, pool);
    expect(data.pool!.count).toBe(30);
    expect(data.train.count).toBe(8);
    const without = await load(join(dir, "few.tar"), { testShare: 0.2 });
    expect(without.fingerprint).not.toBe(data.fingerprint);
  });

  it.each<[string, () => Members, RegExp]>([
    ["no labels", () => labeled(0, () => ({})), /none of the 10 pictures of --data has a label.*--unlabeled/],
    ["one class", () => labeled(0, () => ({ cls: "cat" })), /know one class only, "cat"/],
    [
      "one picture with two labels",
      () => ({ ...labeled(), "again.pgm": numbered(3), "again.cls": "0" }),
      /labeled twice differently/,
    ],
    ["JSON that is none", () => labeled(0, () => ({ json: "{" })), /byte \d+: the JSON of "s\/k0" cannot be read/],
    [
      "a label that is an object",
      () => labeled(0, () => ({ json: '{"label":{}}' })),
      /neither text nor a whole number/,
    ],
    [
      "one key twice",
      () => ({ "a.pgm": numbered(1), "b.pgm": numbered(2), "a.cls": "1", "a.png": "x" }),
      /key "a" is also in/,
    ],
  ])("refuses %s", async (_, members, message) => {
    const failed = load(shard("mistake.tar", members()));
    await expect(failed).rejects.toThrow(DataError);
    await expect(failed).rejects.toThrow(message);
  });

  it("refuses copies with two labels in its own name, without the advice to inspect a folder", async () => {
    const copies = { ...labeled(), "y.pgm": numbered(3), "y.cls": "0", "z.pgm": numbered(3), "z.cls": "1" };
    const failed = load(shard("copies.tar", copies));
    await expect(failed).rejects.toThrow(/^shards: the same picture is labeled twice differently.*Keep one of each$/);
  });

  it("refuses a label of a file for a copy of a test picture, and knows which training pictures are copies", async () => {
    const data = shard("with-copy.tar", { ...labeled(), "s/u.pgm": numbered(50), "s/v.pgm": numbered(3) });
    const testShards = shard("tests.tar", labeled(50));
    const file = join(dir, "copy.txt");
    writeFileSync(file, "s/u 1\ns/k1 1\n");
    await expect(load(data, { testShards }, undefined, file)).rejects.toThrow(
      /1 labeled pictures are also in the test shards, the first "s\/u"/,
    );
    writeFileSync(file, "s/v 1\ns/k1 1\n");
    const { contents, train } = await load(data, { testShards }, undefined, file);
    expect(contents).toHaveLength(train.count);
    expect(contents!.indexOf(contents!.at(-1)!)).toBe(3);
  });

  it("refuses test pictures that are trained on, and raw pictures of another size, with what to do", async () => {
    const path = shard("same.tar", labeled());
    await expect(load(path, { testShards: path })).rejects.toThrow(/10 labeled pictures are also in the test shards/);
    await expect(load(path, { size: 8 })).rejects.toThrow(
      /raw pixels of 4x4 with 1 channels are not resized: give --dataset.size 4/,
    );
    await expect(load(path, { channels: "color" })).rejects.toThrow(/give --dataset.size 4 --dataset.channels gray/);
    const large = shard(
      "large.tar",
      Object.fromEntries(Array.from({ length: 70_000 }, (_, i) => [`k${i}.pgm`, numbered(i)])),
    );
    await expect(load(large, { memoryMB: 1 })).rejects.toThrow(/memoryMB 1\. .*--unlabeled, where they are streamed/);
  }, 30_000);

  it("a picture whose header claims 60,000 x 60,000 pixels is damaged, and costs no memory", async () => {
    const members = { ...labeled(), "z.png": await bomb(60_000), "z.cls": "1" };
    const data = await load(shard("bomb.tar", members));
    expect(data.train.count + data.test.count).toBe(10);
    expect(data.damaged).toEqual([
      { file: expect.stringMatching(/bomb.tar: z$/), reason: expect.stringMatching(/megapixels/) },
    ]);
    await expect(load(join(dir, "bomb.tar"), { maxDamaged: 0.05 })).rejects.toThrow(/1 of 11 pictures are damaged/);
  });

  it("bytes changed at random are read or refused with a reason, never a crash", async () => {
    const whole = readFileSync(
      shard(
        "fuzz.tar",
        labeled(0, (i): Members => (i % 2 ? { cls: "1" } : { json: '{"label":0}' })),
      ),
    );
    const edits = fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(edits, async (changes) => {
        const copy = Uint8Array.from(whole);
        for (const [at, value] of changes) copy[at] = value;
        writeFileSync(join(dir, "fuzz.tar"), copy);
        const outcome = await load(join(dir, "fuzz.tar"), { maxDamaged: 0.9 }).catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toBeInstanceOf(FewlabelsError);
        else expect(outcome).toMatchObject({ name: "shards" });
      }),
      { numRuns: 150 },
    );
  });

  it("names damaged shards, or leaves them out whole and lists them", async () => {
    const [good, bad] = [shard("good.tar", labeled()), join(dir, "bad.tar")];
    // More pictures than are decoded at the same time, so that some are in memory when the damage is found.
    const many = Array.from({ length: 10 }, (_, i) => labeled(10 * (i + 1)));
    copyFileSync(shard("whole.tar", Object.assign({}, ...many)), bad);
    truncateSync(bad, 190_000);
    await expect(load(`${good},${bad}`)).rejects.toThrow(/bad.tar, byte \d+: .*truncated/);
    const data = await load(`${good},${bad},${join(dir, "nowhere.tar")}`, { onDamaged: "skip" });
    expect(data.train.count + data.test.count).toBe(10);
    expect(data.damaged!.map(({ file }) => file)).toEqual([bad, join(dir, "nowhere.tar")]);
    expect(data.remarks![0]).toMatch(/2 shards or pictures are damaged and left out: .*bad.tar/);
  });
});
