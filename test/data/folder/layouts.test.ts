/** Folders as people have them: what is a class, what a test set, what neither; and every decision said in a line. */
import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { DataSet } from "../../../src/data/dataset.js";
import { pictureFinder } from "../../../src/data/folder/finder.js";
import { inspectFolder } from "../../../src/data/folder/inspect.js";
import { scanFolder } from "../../../src/data/folder/layout.js";
import { folder } from "../../../src/data/folder.js";
import { DataError } from "../../../src/errors.js";
import { parseLabelFile } from "../../../src/labels/label-file.js";
import { readLabelTable } from "../../../src/labels/label-rows.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { flat, pictureFolder } from "../../support/pictures.js";

const removals: (() => void)[] = [];
afterEach(() => {
  for (const remove of removals.splice(0)) remove();
});

type Files = Parameters<typeof pictureFolder>[0];
async function make(files: Files): Promise<string> {
  const { dir, remove } = await pictureFolder(files);
  removals.push(remove);
  return dir;
}

let level = 0;
/** So many different pictures in a folder. */
const some = (where: string, count = 3): Files =>
  Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${where}/${i}.png`, flat([++level % 256, (level >> 8) % 256, 7])]),
  );

interface Given {
  readonly labelsFile?: string;
  readonly unlabeledDir?: string;
  readonly [option: string]: unknown;
}
function load(dir: string, { labelsFile, unlabeledDir, ...options }: Given = {}): Promise<DataSet> {
  return folder.load({
    dir,
    rng: Rng.fromSeed(0),
    options: parseOptions(folder.options, { size: 4, ...options }, "folder"),
    labelsFile,
    unlabeledDir,
  });
}

/** Class: labeled pictures, and of which part. */
async function found(dir: string) {
  const { classes, files, remarks } = scanFolder(dir);
  const count = (part: string) => files.filter((file) => file.part === part).length;
  return {
    classes: classes.join(),
    train: count("train"),
    test: count("test"),
    unlabeled: count("unlabeled"),
    remarks: remarks.join("\n"),
    inspected: (await inspectFolder(dir)).remarks.join("\n"),
  };
}

describe("known layouts, whatever their case", () => {
  it.each<[string, Files, { classes: string; train: number; test: number; unlabeled: number }, RegExp]>([
    [
      "Training and Testing",
      { ...some("Training/a"), ...some("Training/b"), ...some("Testing/a", 2), ...some("Testing/b", 2) },
      { classes: "a,b", train: 6, test: 4, unlabeled: 0 },
      /class folders are taken from .*Training\n.*the test pictures are those in .*Testing/,
    ],
    [
      "Train and Test",
      { ...some("Train/a"), ...some("Train/b"), ...some("Test/a"), ...some("Test/b") },
      { classes: "a,b", train: 6, test: 6, unlabeled: 0 },
      /Train/,
    ],
    [
      "train/unlabeled",
      { ...some("train/a"), ...some("train/b"), ...some("train/Unlabeled", 5) },
      { classes: "a,b", train: 6, test: 0, unlabeled: 5 },
      /train.Unlabeled count as unlabeled/,
    ],
    [
      "folders for parts of the pictures in class folders",
      { ...some("a"), ...some("a/Unlabeled", 2), ...some("b"), ...some("b/test/deep", 2) },
      { classes: "a,b", train: 10, test: 0, unlabeled: 0 },
      /^4 pictures in .*a.Unlabeled \(and 1 more\) have the label of the class folder/,
    ],
    [
      "a test folder of loose pictures beside train and val",
      { ...some("train/a"), ...some("train/b"), ...some("val/a"), ...some("val/b"), ...some("test", 4) },
      { classes: "a,b", train: 6, test: 6, unlabeled: 0 },
      /pictures in .*test are in no class folders: without a label they cannot test/,
    ],
    [
      "classes called valid, forged and expired",
      { ...some("valid"), ...some("forged"), ...some("expired") },
      { classes: "expired,forged,valid", train: 9, test: 0, unlabeled: 0 },
      /valid has no class folders in it: it is taken for a class/,
    ],
    [
      "a class called train beside car and bus",
      { ...some("train"), ...some("car"), ...some("bus") },
      { classes: "bus,car,train", train: 9, test: 0, unlabeled: 0 },
      /train has no class folders in it: it is taken for a class/,
    ],
    [
      "classes called test and val in train",
      { ...some("train/test"), ...some("train/val"), ...some("train/odi") },
      { classes: "odi,test,val", train: 9, test: 0, unlabeled: 0 },
      /^$/,
    ],
    [
      "what file systems and archives leave",
      {
        ...some("a"),
        ...some("b"),
        ...some("@eaDir"),
        ...some("__MACOSX/a"),
        ...some(".thumbnails"),
        ...some("a/@eaDir"),
      },
      { classes: "a,b", train: 6, test: 0, unlabeled: 0 },
      /passed over in .*: @eaDir, __MACOSX, made by a file system|passed over in .*: __MACOSX, @eaDir, made by/,
    ],
    [
      "numbered classes, in the order of their numbers",
      { ...some("c10"), ...some("c2"), ...some("c1") },
      { classes: "c1,c2,c10", train: 9, test: 0, unlabeled: 0 },
      /^$/,
    ],
  ])("%s", async (_, files, expected, remark) => {
    const { remarks, inspected, ...counts } = await found(await make(files));
    expect(counts).toEqual(expected);
    expect(remarks).toMatch(remark);
    expect(inspected).toBe(remarks);
  });

  it("Tiny-ImageNet as it is unpacked: train/<class>/images, val/images with annotations, test without labels", async () => {
    const dir = await make({
      ...some("train/n01443537/images"),
      ...some("train/n01629819/images"),
      ...some("val/images", 2),
      "val/val_annotations.txt": "0.png\tn01629819\t0\t0\t62\t62\n1.png\tn01443537\t0\t0\t62\t62\n",
      ...some("test/images", 2),
      "wnids.txt": "n01443537\nn01629819\n",
    });
    const { classes, train, test, remarks } = await load(dir);
    expect(classes).toEqual(["n01443537", "n01629819"]);
    expect([train.count, test.count, [...test.labels]]).toEqual([6, 2, [1, 0]]);
    expect(remarks!.join("\n")).toMatch(/labels of the test pictures are those in .*val_annotations\.txt/);
  });

  it("loose pictures in test/ beside class folders are neither a class nor dropped: it says how to say what they are", async () => {
    const dir = await make({ ...some("a"), ...some("b"), ...some("test") });
    await expect(load(dir)).rejects.toThrow(DataError);
    await expect(load(dir)).rejects.toThrow(
      /test holds pictures but no class folders\. .*is itself a class.*unlabeled/,
    );
  });

  it.each<[string, Files, RegExp]>([
    [
      "one level too high",
      { ...some("pets/train/a"), ...some("pets/train/b") },
      /It holds "train" with pictures: give --data \S*pets$/,
    ],
    ["two levels too high", { ...some("x/pets/a"), ...some("x/pets/b") }, /--data \S*x.pets$/],
    [
      "pictures in one folder and their labels in a table beside it",
      { ...some("images"), "images.csv": "image,class\n0.png,a\n" },
      /images\.csv lies there: if it says .* give --labels \S*images\.csv$/,
    ],
    [
      "loose pictures beside their table",
      { "1.png": flat([1, 2, 3]), "2.png": flat([1, 2, 4]), "labels.tsv": "file\tlabel\n1.png\ta\n2.png\tb\n" },
      /labels\.tsv lies there: .* give --labels \S*labels\.tsv$/,
    ],
    ["one class alone", some("cat"), /one class only, "cat".*a classifier needs two/],
  ])("%s: the message names what to give", async (_, files, message) => {
    const dir = await make(files);
    expect(() => scanFolder(dir)).toThrow(message);
  });

  it("runs in the data folder are passed over, also after the first run", async () => {
    const dir = await make({ ...some("a"), ...some("b") });
    const before = await load(dir);
    for (const run of ["runs/first", "runs/demo/supervised"]) {
      mkdirSync(join(dir, run, "checkpoints"), { recursive: true });
      writeFileSync(join(dir, run, "config.json"), "{}");
    }
    const after = await load(dir);
    expect(after.classes).toEqual(["a", "b"]);
    expect(after.fingerprint).toBe(before.fingerprint);
    expect(after.remarks!.join()).toMatch(/passed over in .*: runs, which holds runs of fewlabels/);
  });

  it("names that are not UTF-8: the pictures are read, and the class is called as people read it", async () => {
    const dir = await make({ ...some("a"), ...some("b") });
    const bytes = (name: string) => Buffer.concat([Buffer.from(`${dir}/`), Buffer.from(name, "latin1")]);
    renameSync(join(dir, "b"), bytes("caf\u00e9"));
    renameSync(join(dir, "a/0.png"), bytes("a/\u00fc.png"));
    for (const check of ["decode", "header"]) {
      const { classes, train, test, damaged, nameOf } = await load(dir, { check });
      expect(classes).toEqual(["a", "caf\u00e9"]);
      expect([train.count + test.count, damaged]).toEqual([6, []]);
      const names = Array.from({ length: train.count }, (_, i) => nameOf!(i));
      expect(names.some((name) => name.startsWith("caf\u00e9/"))).toBe(true);
    }
  });

  it("accents composed in one folder and decomposed in the other are one class", async () => {
    const dir = await make({
      ...some("train/caf\u00e9"),
      ...some("train/bar"),
      ...some("test/cafe\u0301"),
      ...some("test/bar"),
    });
    const { test } = await load(dir);
    expect([...test.labels].sort()).toEqual([0, 0, 0, 1, 1, 1]);
    await expect(load(await make({ ...some("caf\u00e9"), ...some("cafe\u0301") }))).rejects.toThrow(
      /two class folders/,
    );
  });

  it("of two pictures whose names differ in how accents are written alone a row means the one that it spells", () => {
    const files = ["caf\u00e9.png", "cafe\u0301.png", "na\u00efve.png"].map((name) => ({
      name,
      path: join("photos", name),
    }));
    const find = pictureFinder(files, ["photos"]);
    const elsewhere = pictureFinder(files, ["other"]); // by the file name alone
    for (const [at, { name }] of files.entries()) {
      expect(find(name)).toBe(at);
      expect(elsewhere(name)).toBe(at);
    }
    expect(find("nai\u0308ve.png")).toBe(2);
  });

  it("a labels file that writes no class as the folders do makes these mere folders, and that is said", async () => {
    const dir = await make({
      ...some("Cat"),
      ...some("Dog"),
      ...some("unlabeled", 4),
      ...some("docs/more", 0),
      "cased.csv": "file,label\nunlabeled/0.png,cat\nunlabeled/1.png,dog\n",
      "other.csv": "file,label\nunlabeled/0.png,x\nunlabeled/1.png,y\n",
      "alike.csv": "file,label\nunlabeled/0.png,Cat\nunlabeled/1.png,Dog\n",
    });
    const remarks = (name: string) => scanFolder(dir, { labelsFile: join(dir, name) }).remarks.join("\n");
    expect(remarks("cased.csv")).toMatch(/so Cat, Dog are mere folders.*If the folder "Cat" is its class "cat", write/);
    expect(remarks("other.csv")).toMatch(/so Cat, Dog are mere folders: .* where the file names them$/);
    expect(remarks("alike.csv")).toBe("");
  });

  it("a named pipe among the pictures is damage, never waited for", async () => {
    const dir = await make({ ...some("a", 12), ...some("b", 12) });
    execFileSync("mkfifo", [join(dir, "a/pipe.png")]);
    for (const check of ["decode", "header"]) {
      const { damaged } = await load(dir, { check });
      expect(damaged).toEqual([{ file: "a/pipe.png", reason: "not a file" }]);
    }
  });
});

describe("labels files and folders", () => {
  const csv = (rows: readonly string[], header = "file,label") => [header, ...rows].join("\n");

  it("a model's guesses about a pool go to the pool, though the labeled pictures have the same names", async () => {
    const [dir, pool] = [
      await make({ ...some("cat"), ...some("dog") }),
      await make({ ...some("cat"), ...some("dog") }),
    ];
    const guesses = join(dir, "p.csv");
    const rows = ["cat", "dog"].flatMap((name) =>
      [0, 1, 2].map((i) => `${name}/${i}.png,${name === "cat" ? "dog" : "cat"},0.9`),
    );
    writeFileSync(guesses, csv(rows, "file,label,confidence"));
    const data = await load(dir, { labelsFile: guesses, unlabeledDir: pool, keepLabels: true });
    const { index } = parseLabelFile(readLabelTable(guesses), data, guesses);
    expect(index).toHaveLength(6);
    expect(Array.from(index, (i) => data.train.labels[i])).toEqual([-1, -1, -1, -1, -1, -1]);
    // Without the pool there is nobody they could be about.
    await expect(load(dir, { labelsFile: guesses })).rejects.toThrow(/model's guesses .*--unlabeled/);
  });

  it("a model's guesses alone, of a flat folder: a warning says what their error is worth, and they make no test set of test/", async () => {
    const dir = await make({ ...some("x", 6), ...some("test", 4) });
    const guesses = join(dir, "p.csv");
    const rows = (place: string, count: number) =>
      Array.from({ length: count }, (_, i) => `${place}/${i}.png,${i % 2 ? "a" : "b"},0.9`);
    writeFileSync(guesses, csv([...rows("x", 6), ...rows("test", 4)], "file,label,confidence"));
    const { train, test, remarks } = await load(dir, { labelsFile: guesses, keepLabels: true });
    expect([train.count, test.count]).toEqual([4, 2]);
    const said = remarks!.join("\n");
    expect(said).toMatch(/is a model's guesses .* no labels of the 4 pictures in .*test: they are not read/);
    expect(said).toMatch(/p\.csv are a model's guesses .*so are those of the test pictures.*--dataset\.testLabels/);
    expect(said).toMatch(/keepLabels has no effect/);
    expect((await inspectFolder(dir, { labelsFile: guesses })).test).toBe(0);
    const own = join(dir, "t.csv");
    writeFileSync(own, csv(["test/0.png,a", "test/1.png,b"]));
    const tested = await load(dir, { labelsFile: guesses, testLabels: own });
    expect([tested.train.count, tested.test.count]).toEqual([6, 2]);
    expect(tested.remarks!.join()).not.toMatch(/guesses/);
  });

  it.each([
    ["beside the classes", ""],
    ["beside train", "train/"],
  ])("a file of test labels names pictures in a test folder without class folders, %s", async (_, train) => {
    const dir = await make({ ...some(`${train}a`), ...some(`${train}b`), ...some("test", 4) });
    const testLabels = join(dir, "t.csv");
    writeFileSync(testLabels, csv(["test/0.png,a", "test/1.png,b"]));
    const data = await load(dir, { testLabels });
    expect([data.train.count, [...data.test.labels]]).toEqual([6, [0, 1]]);
  });

  it("a class folder called null keeps its labels through a labels file", async () => {
    const dir = await make({ ...some("cat"), ...some("null") });
    const labels = join(dir, "l.csv");
    writeFileSync(labels, csv(["cat", "null"].flatMap((name) => [0, 1, 2].map((i) => `${name}/${i}.png,${name}`))));
    const { classes, table } = scanFolder(dir, { labelsFile: labels });
    expect(classes).toEqual(["cat", "null"]);
    expect(table!.rows).toHaveLength(6);
    const data = await load(dir, { labelsFile: labels });
    const { y } = parseLabelFile(readLabelTable(labels, data.classes), data, labels);
    expect(new Set(y)).toEqual(new Set([0, 1]));
  });

  it("a name that leads to two pictures is refused, with a way to write it", async () => {
    const [dir, pool] = [await make({ ...some("cat"), ...some("dog") }), await make({ ...some("cat") })];
    const labels = join(dir, "l.csv");
    writeFileSync(labels, csv(["cat/0.png,cat"]));
    await expect(load(dir, { labelsFile: labels, unlabeledDir: pool })).rejects.toThrow(
      /"cat\/0\.png" in the labels file may be/,
    );
    writeFileSync(labels, csv([`${join(pool, "cat/0.png")},cat`, "dog/1.png,dog", "dog/0.png,dog", "dog/2.png,dog"]));
    expect((await load(dir, { labelsFile: labels, unlabeledDir: pool })).train.count).toBeGreaterThan(0);
  });

  it("numbers for numbered folders: by name where they are names, refused where they are counted from 0", async () => {
    const dir = await make(Object.assign({}, ...Array.from({ length: 10 }, (_, k) => some(`${k + 1}`))));
    const labels = join(dir, "l.csv");
    const write = (shift: number) =>
      writeFileSync(
        labels,
        csv(Array.from({ length: 10 }, (_, k) => [0, 1, 2].map((i) => `${k + 1}/${i}.png,${k + 1 - shift}`)).flat()),
      );
    write(0);
    const data = await load(dir, { labelsFile: labels });
    const { index, y } = parseLabelFile(readLabelTable(labels), data, labels);
    expect(Array.from(index, (i) => data.train.labels[i])).toEqual([...y]);
    write(1);
    await expect(load(dir, { labelsFile: labels })).rejects.toThrow(/the label 0 may be a name or a place/);
  });

  it("says so where the file and the folders disagree for most pictures", async () => {
    const dir = await make({
      ...some("a", 4),
      ...some("b", 4),
      "l.csv": csv([
        "a/0.png,b",
        "a/1.png,b",
        "a/2.png,b",
        "a/3.png,b",
        "b/0.png,b",
        "b/1.png,a",
        "b/2.png,a",
        "b/3.png,a",
      ]),
    });
    const { remarks } = await load(dir, { labelsFile: join(dir, "l.csv") });
    expect(remarks!.join("\n")).toMatch(/gives \d of \d pictures in class folders another class than their folder/);
  });

  it("data inspect finds the rows that train refuses", async () => {
    const dir = await make({
      ...some("a"),
      ...some("b"),
      "l.csv": csv(["a/0.png,a", "a/9.png,a", "a/0.png,b", "b/0.png,c"]),
    });
    const { badRows } = await inspectFolder(dir, { labelsFile: join(dir, "l.csv") });
    expect(badRows).toEqual([
      expect.stringMatching(/l\.csv:3: there is no picture "a\/9\.png"/),
      expect.stringMatching(/l\.csv:4: "a\/0\.png" is labeled "b" here and "a" further up/),
      expect.stringMatching(/l\.csv:5: unknown class "c"/),
    ]);
    await expect(load(dir, { labelsFile: join(dir, "l.csv") })).rejects.toThrow(DataError);
  });
});

describe("testLabels: a labels file of test pictures", () => {
  const files = () =>
    Object.fromEntries(["a", "b", "c", "d", "e"].map((name, i) => [`${name}.png`, flat([40 * i, 9, 9])]));
  const write = (dir: string, name: string, ...lines: string[]) => {
    const path = join(dir, name);
    writeFileSync(path, ["file,label", ...lines, ""].join("\n"));
    return path;
  };

  it("tests with exactly those, and trains on none of them, with or without their label", async () => {
    const dir = await make(files());
    const labelsFile = write(dir, "train.csv", "a.png,cat", "b.png,dog", "d.png,dog");
    const data = await load(dir, { labelsFile, testLabels: write(dir, "test.csv", "c.png,dog", "d.png,cat") });
    expect([...data.test.labels].map((k) => data.classes[k])).toEqual(["dog", "cat"]);
    expect(Array.from({ length: data.train.count }, (_, i) => data.nameOf!(i))).toEqual(["a.png", "b.png", "e.png"]);
    expect([...data.train.labels].map((k) => data.classes[k])).toEqual(["cat", "dog", undefined]);
  });

  it("is refused where it names what is not there", async () => {
    const dir = await make(files());
    const labelsFile = write(dir, "train.csv", "a.png,cat", "b.png,dog");
    await expect(load(dir, { labelsFile, testLabels: write(dir, "test.csv", "x.png,cat") })).rejects.toThrow(
      /test.csv:2: there is no picture "x.png"/,
    );
    await expect(load(dir, { labelsFile, testLabels: write(dir, "test.csv", "c.png,bird") })).rejects.toThrow(
      /test.csv:2: unknown class "bird"/,
    );
    await expect(load(dir, { labelsFile, testLabels: join(dir, "none.csv") })).rejects.toThrow(/no such labels file/);
  });
});

describe("a folder for unlabeled pictures that holds the test folder", () => {
  it.each([".", "test", "test/cat"])("leaves the test pictures to the test: --unlabeled DIR/%s", async (inner) => {
    const dir = await make({
      ...some("train/cat", 4),
      ...some("train/dog", 4),
      ...some("test/cat", 2),
      ...some("test/dog", 2),
      ...some("test/cat/more", 1),
    });
    const unlabeledDir = join(dir, inner);
    const { test, train } = await load(dir, { unlabeledDir });
    expect([train.count, test.count]).toEqual([8, 5]);
    const { files } = scanFolder(dir, { unlabeledDir });
    expect(files.filter(({ part }) => part === "unlabeled")).toEqual([]);
  });
});
