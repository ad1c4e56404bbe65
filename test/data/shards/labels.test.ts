/** Labels in shards: names stay names whatever they are, packs with other lists meet by name, and nothing is lost or moved without a word. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { DataSet, LoadContext } from "../../../src/data/dataset.js";
import { folder } from "../../../src/data/folder.js";
import { folderItems, packShards } from "../../../src/data/shards/pack.js";
import { shards } from "../../../src/data/shards.js";
import { DataError } from "../../../src/errors.js";
import { parseLabelFile } from "../../../src/labels/label-file.js";
import { readLabelTable } from "../../../src/labels/label-rows.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { addPictures, flat } from "../../support/pictures.js";
import { type Members, numbered, numberOf, writeShard } from "../../support/shards.js";
import { folderOfThisFile } from "../../support/train-run.js";

const root = folderOfThisFile();
let made = 0;
const fresh = () => join(root, `p${made++}`);

function load(data: string, given: Record<string, unknown> = {}): Promise<DataSet> {
  const options = parseOptions(shards.options, { size: 4, channels: "gray", ...given }, "test");
  return shards.load({ dir: data, rng: Rng.fromSeed(0), options } as LoadContext<typeof shards.options>);
}

/** Packs class folders whose pictures have the gray level that `level` says; returns the folder and the prefix. */
async function pack(classes: Readonly<Record<string, number>>, count = 6): Promise<{ dir: string; prefix: string }> {
  const [dir, prefix] = [fresh(), fresh()];
  for (const [name, level] of Object.entries(classes)) {
    const files = Array.from(
      { length: count },
      (_, i) => [`${name}/${i}.png`, flat([level + i, level + i, level + i])] as const,
    );
    await addPictures(dir, Object.fromEntries(files));
  }
  const { items, classes: names } = folderItems(dir, { format: "copy" });
  await packShards(items, { classes: names, format: "copy" }, { prefix, shardSize: 100, seed: 0 });
  return { dir, prefix };
}

/** Class by the gray level (in tens) of every picture of a set. */
function classByLevel({ classes, train, test }: DataSet): Record<string, string[]> {
  const found: Record<string, Set<string>> = {};
  for (const set of [train, test]) {
    for (let i = 0; i < set.count; i++) {
      const level = Math.floor((set.pixels as Uint8Array)[i * 16]! / 10);
      found[level] ??= new Set();
      found[level].add(classes[set.labels[i]!] ?? "none");
    }
  }
  return Object.fromEntries(Object.entries(found).map(([level, names]) => [level, [...names]]));
}

describe("class names in shards", () => {
  it("folders called 0 .. 11, packed, have the classes they have as folders", async () => {
    const names = Array.from({ length: 12 }, (_, k) => String(k));
    const { dir, prefix } = await pack(Object.fromEntries(names.map((name, k) => [name, 10 * k])));
    const packed = await load(`${prefix}-labeled-000000.tar`);
    const options = parseOptions(folder.options, { size: 4, channels: "gray" }, "test");
    const plain = await folder.load({ dir, rng: Rng.fromSeed(0), options });
    expect(packed.classes).toEqual(plain.classes);
    expect(classByLevel(packed)).toEqual(classByLevel(plain));
    expect(classByLevel(packed)["11"]).toEqual(["11"]);
  });

  it("folders called 1 and 2, or c1, c2 and c10, can be trained on from their own shards", async () => {
    const { prefix } = await pack({ 1: 10, 2: 20 });
    expect(classByLevel(await load(`${prefix}-labeled-000000.tar`))).toEqual({ 1: ["1"], 2: ["2"] });
    const other = await pack({ c1: 10, c2: 20, c10: 100 });
    const data = await load(`${other.prefix}-labeled-000000.tar`);
    expect(data.classes).toEqual(["c1", "c2", "c10"]);
    expect(classByLevel(data)).toEqual({ 1: ["c1"], 2: ["c2"], 10: ["c10"] });
  });

  it("test shards of another pack, which lacks a class, are understood by its own list", async () => {
    const train = await pack({ ape: 10, bee: 20, cat: 30 });
    const test = await pack({ bee: 127, cat: 137 }, 3);
    const data = await load(`${train.prefix}-labeled-000000.tar`, { testShards: `${test.prefix}-labeled-000000.tar` });
    expect(classByLevel(data)).toMatchObject({ 12: ["bee"], 13: ["cat"] });
  });

  it("two packs with other lists meet by name", async () => {
    const [a, b] = [await pack({ cat: 10, dog: 20 }), await pack({ dog: 120, eel: 130 })];
    // Their keys are the same; give the second others.
    const files = [`${a.prefix}-labeled-000000.tar`, `${b.prefix}-labeled-000000.tar`];
    await expect(load(files.join())).rejects.toThrow(/is also in/);
    const { items, classes } = folderItems(b.dir, { format: "copy" });
    const prefix = fresh();
    const renamed = items.map((item) => ({ ...item, name: `b/${item.name}` }));
    await packShards(renamed, { classes, format: "copy" }, { prefix, shardSize: 100, seed: 0 });
    const data = await load([files[0], `${prefix}-labeled-000000.tar`].join());
    expect(data.classes).toEqual(["cat", "dog", "eel"]);
    expect(classByLevel(data)).toEqual({ 1: ["cat"], 2: ["dog"], 12: ["dog"], 13: ["eel"] });
  });
});

const shard = (members: Members) => writeShard(`${fresh()}.tar`, members);
const labelOf = (data: DataSet) =>
  new Map(
    [data.train, data.test].flatMap((set) =>
      Array.from(
        { length: set.count },
        (_, i) => [numberOf((set.pixels as Uint8Array).subarray(16 * i)), data.classes[set.labels[i]!]] as const,
      ),
    ),
  );
const ten = Array.from({ length: 10 }, (_, i) => i);
const name = (i: number) => (i % 2 ? "dog" : "cat");

describe("members of a shard", () => {
  it("labels that do not lie beside their picture count", async () => {
    const members: Members = {
      ...Object.fromEntries(ten.map((i) => [`k${i}.cls`, name(i)])),
      ...Object.fromEntries(ten.map((i) => [`k${i}.pgm`, numbered(i)])),
    };
    const labels = labelOf(await load(shard(members)));
    for (const i of ten) expect(labels.get(i)).toBe(name(i));
  });

  it("pictures with a dot in their name are there, with their labels", async () => {
    const members = ten.flatMap((i): [string, Uint8Array | string][] => [
      [`img.00${i}.pgm`, numbered(i)],
      [`img.00${i}.cls`, name(i)],
    ]);
    const data = await load(shard(Object.fromEntries(members)));
    expect(data.train.count + data.test.count).toBe(10);
    const labels = labelOf(data);
    for (const i of ten) expect(labels.get(i)).toBe(name(i));
    expect(data.nameOf!(0)).toMatch(/^img\.00\d$/);
  });

  it("what WebDataset keeps beside a picture is none, and what macOS does is passed over", async () => {
    const members = ten.flatMap((i): [string, Uint8Array | string][] => [
      [`._k${i}.pgm`, "resource fork"],
      [`__MACOSX/k${i}.pgm`, "resource fork"],
      [`k${i}.pgm`, numbered(i)],
      [`k${i}.mask.pgm`, numbered(99)],
      [`k${i}.cls`, name(i)],
    ]);
    const data = await load(shard(Object.fromEntries(members)));
    expect([...labelOf(data).keys()].sort((a, b) => a - b)).toEqual(ten);
    expect(data.damaged).toEqual([]);
  });

  it("an empty label, nan and -1 are none", async () => {
    const none = ["", " \n", "nan", "-1"];
    const members = ten.flatMap((i): [string, Uint8Array | string][] => [
      [`k${i}.pgm`, numbered(i)],
      [`k${i}.cls`, i < 4 ? none[i]! : name(i)],
    ]);
    const data = await load(shard(Object.fromEntries(members)));
    expect(data.classes).toEqual(["cat", "dog"]);
    expect([...data.train.labels].filter((label) => label < 0)).toHaveLength(4);
  });

  it("a labels file names keys, never places: a row about a held-out key labels nobody else", async () => {
    const key = (i: number) => String(i).padStart(6, "0");
    const members = ten.flatMap((i): [string, Uint8Array | string][] => [
      [`${key(i)}.pgm`, numbered(i)],
      [`${key(i)}.cls`, name(i)],
    ]);
    const data = await load(shard(Object.fromEntries(members)));
    const file = fresh();
    writeFileSync(file, ["file,label", ...ten.map((i) => `${key(i)},${name(i)}`)].join("\n"));
    const { index, y, leftOut } = parseLabelFile(readLabelTable(file), data, file);
    expect([index.length, leftOut]).toEqual([data.train.count, data.test.count]);
    expect([...y]).toEqual([...data.train.labels]);
    writeFileSync(file, "file,label\n3,cat\n");
    expect(() => parseLabelFile(readLabelTable(file), data, file)).toThrow(DataError);
  });
});
