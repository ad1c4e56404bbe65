import { symlinkSync } from "node:fs";
import { join, relative } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterEach, describe, expect, it } from "vitest";
import type { DataSet } from "../../src/data/dataset.js";
import { inspectFolder } from "../../src/data/folder/inspect.js";
import { loadFolder } from "../../src/data/folder/load.js";
import { folder } from "../../src/data/folder.js";
import { DataError } from "../../src/errors.js";
import { channelStatistics, levelStatistics } from "../../src/images/normalize.js";
import { parseLabelFile } from "../../src/labels/label-file.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { addPictures, bomb, flat, noisy, pictureFolder } from "../support/pictures.js";

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

/** The gray level that tells a flat picture from all others; picture `name` is flat of level `level`. */
const gray = (level: number) => flat([level, level, level]);

/** `count` different gray pictures in `folder`, levels from `first` on. */
const grays = (where: string, first: number, count: number): Files =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`${where}/${i}.png`, gray(first + i)]));

/** The gray level of a file that is flat, by another way than ours. */
const flatLevel = async (path: string) => (await sharp(path).stats()).channels[0]!.min;

const levels = (set: DataSet["train"]) =>
  Array.from({ length: set.count }, (_, i) => {
    const row = set.pixels.subarray(i * 48, (i + 1) * 48);
    expect(new Set(row).size).toBe(1); // whole rows, of one picture
    return row[0]!;
  });

describe("folder with class folders", () => {
  const files: Files = {
    ...grays("cat", 10, 10),
    ...grays("dog", 50, 10),
    "dog/puppies/x.png": gray(70),
    ...grays("unlabeled", 100, 5),
    "unlabeled/deep/er/y.png": gray(120),
    "unlabeled/.hidden.png": gray(130),
    "notes.txt": "not a picture",
  };

  it("labels by folder, nested pictures too, and leaves unlabeled ones without", async () => {
    const { classes, train, test, ...data } = await load(await make(files));
    expect(classes).toEqual(["cat", "dog"]);
    expect([train.count + test.count, test.count]).toEqual([27, 4]); // 20 % of 10 and of 11
    const level = levels(train);
    const expected = level.map((l) => (l < 50 ? 0 : l < 100 ? 1 : -1));
    expect([...train.labels]).toEqual(expected);
    expect(levels(test).map((l) => (l < 50 ? 0 : 1))).toEqual([...test.labels]);
    expect([...level, ...levels(test)].sort((a, b) => a - b)).toEqual([
      ...Array.from({ length: 10 }, (_, i) => 10 + i),
      ...Array.from({ length: 10 }, (_, i) => 50 + i),
      70,
      ...Array.from({ length: 5 }, (_, i) => 100 + i),
      120,
    ]);
    expect(data.nameOf!(level.indexOf(120))).toBe("unlabeled/deep/er/y.png");
    expect(data.nameOf!(level.indexOf(103))).toBe("unlabeled/3.png");
  });

  it("holds out the same test pictures whatever else is there, and others for another seed", async () => {
    const dir = await make(files);
    const first = await load(dir);
    await addPictures(dir, grays("unlabeled/more", 200, 5));
    expect(levels((await load(dir)).test)).toEqual(levels(first.test));
    const draws = await Promise.all([1, 2, 3].map((testSeed) => load(dir, { testSeed })));
    expect(draws.some(({ test }) => `${levels(test)}` !== `${levels(first.test)}`)).toBe(true);
    const half = await load(dir, { testShare: 0.5 });
    expect([...half.test.labels]).toEqual([...new Array(5).fill(0), ...new Array(6).fill(1)]);
  });

  it("keeps copies of one picture together, and unlabeled copies of test pictures out of training", async () => {
    const dir = await make({ ...grays("a", 0, 6), ...grays("b", 50, 6) });
    await addPictures(dir, {
      ...Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`a/copy-${i}.png`, gray(i)])),
      ...Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`unlabeled/${i}.png`, gray(i)])),
    });
    const { train, test } = await load(dir, { testShare: 0.34 });
    const tested = levels(test);
    expect(tested.filter((level) => level < 50)).toHaveLength(4); // 2 of 6 contents, twice each
    expect(levels(train).filter((level) => tested.includes(level))).toEqual([]);
  });

  it("reads DIR/train, and DIR/test or DIR/val as the test set", async () => {
    for (const name of ["test", "val"]) {
      const dir = await make({
        ...grays("train/a", 0, 3),
        ...grays("train/b", 50, 3),
        ...grays(`${name}/a`, 100, 2),
        ...grays(`${name}/b`, 150, 1),
      });
      const { train, test, remarks } = await load(dir);
      expect(remarks!.join()).not.toMatch(/testShare/);
      expect((await load(dir, { testSeed: 1 })).remarks!.join()).toMatch(/testShare and .*testSeed have no effect/);
      expect(levels(train)).toEqual([0, 1, 2, 50, 51, 52]);
      expect(levels(test)).toEqual([100, 101, 150]);
      expect([...test.labels]).toEqual([0, 0, 1]);
    }
  });

  it.each([
    ["the data folder itself", ""],
    ["a part of the test folder", "test/a"],
  ])("tests with the pictures of the test folder where --unlabeled is %s", async (_, where) => {
    const dir = await make({
      ...grays("a", 0, 3),
      ...grays("b", 50, 3),
      ...grays("test/a", 100, 2),
      ...grays("test/b", 150, 1),
    });
    for (const unlabeledDir of [join(dir, where), relative(process.cwd(), join(dir, where))]) {
      const { train, test, remarks } = await load(dir, { unlabeledDir });
      expect(levels(train)).toEqual([0, 1, 2, 50, 51, 52]);
      const tested = levels(test).map((level, i) => [level, test.labels[i]]);
      expect(tested.sort()).toEqual([
        [100, 0],
        [101, 0],
        [150, 1],
      ]);
      expect(remarks!.join()).toMatch(/[23] pictures in the folder of unlabeled ones are test pictures/);
    }
  });

  it("takes another folder of unlabeled pictures in place of DIR/unlabeled", async () => {
    const pool = await make({ "p.png": gray(200), "q/r.png": gray(201) });
    const dir = await make(files);
    const { train, ...data } = await load(dir, { unlabeledDir: pool });
    expect(levels(train).filter((level) => level >= 100)).toEqual([200, 201]);
    expect(data.locate!("q/r.png")).toBe(levels(train).indexOf(201));
    expect(data.locate!(join(pool, "p.png"))).toBe(levels(train).indexOf(200));
  });

  it("knows the same of pictures that do not fit into memory, or were looked at by their headers only", async () => {
    const dir = await make({ ...files, "unlabeled/again.png": gray(120) });
    const whole = await load(dir, { size: 300 });
    const { train, test, remarks, ...data } = await load(dir, { size: 300, memoryMB: 1 });
    expect([train.pixels.length, train.files!.residents + test.files!.residents]).toEqual([0, 3]);
    expect(remarks!.join()).toMatch(/28 pictures of 300x300 pixels take 8 MB, more than --dataset\.memoryMB 1/);
    expect([...train.labels, ...test.labels]).toEqual([...whole.train.labels, ...whole.test.labels]);
    expect(train.files!.paths.map((_, i) => data.nameOf!(i))).toEqual(
      Array.from({ length: whole.train.count }, (_, i) => whole.nameOf!(i)),
    );
    expect(data.fingerprint).toBe(whole.fingerprint);
    const statistics = levelStatistics(await train.files!.levels());
    expect(statistics).toEqual(channelStatistics(whole.train));
    // By headers other pictures are held out (the draw goes by content hash), but copies are still seen as such.
    const header = await load(dir, { size: 300, check: "header" });
    expect([header.train.count, header.test.count]).toEqual([whole.train.count, whole.test.count]);
    const trained = header.train.files!.paths.map((path) => flatLevel(path));
    const own = new Float64Array(256);
    for (const level of await Promise.all(trained)) own[level]! += 300 * 300;
    expect(await header.train.files!.levels()).toEqual([own, own, own]);
  });

  it("decodes on demand what is larger than one array may be, however much memory is allowed", async () => {
    const dir = await make(files);
    const options = parseOptions(folder.options, { size: 4, memoryMB: 6000 }, "folder");
    const from = (most: number) => loadFolder({ dir, rng: Rng.fromSeed(0), options }, { name: "folder", most });
    const [whole, capped] = [await from(27 * 48), await from(27 * 48 - 1)];
    expect([whole.train.files, whole.remarks]).toEqual([undefined, []]);
    expect([capped.train.files?.paths.length, capped.train.pixels.length]).toEqual([whole.train.count, 0]);
    expect(capped.remarks).toEqual([expect.stringMatching(/^27 pictures of 4x4 pixels .* Node v\d.*decoded again/)]);
    expect(capped.fingerprint).toBe(whole.fingerprint);
  });

  it("has one channel where asked", async () => {
    const { train } = await load(await make(files), { channels: "gray" });
    expect([train.channels, train.pixels.length]).toEqual([1, train.count * 16]);
  });

  it("has a fingerprint of contents and labels, not of names", async () => {
    const fingerprint = async (tree: Files, options?: Given) => (await load(await make(tree), options)).fingerprint;
    const plain = await fingerprint({ ...grays("a", 0, 4), ...grays("b", 9, 4) });
    expect(await fingerprint({ ...grays("a", 0, 4), ...grays("b", 9, 4) })).toBe(plain);
    expect(await fingerprint({ ...grays("a", 0, 4), ...grays("b", 10, 4) })).not.toBe(plain);
    expect(await fingerprint({ ...grays("b", 0, 4), ...grays("a", 9, 4) })).not.toBe(plain);
    expect(await fingerprint({ ...grays("a", 0, 4), ...grays("b", 9, 4) }, { size: 5 })).not.toBe(plain);
  });
});

describe("folder with a labels file", () => {
  const flatFiles: Files = { ...grays("2019", 0, 8), ...grays("2020", 50, 8), "c d, e.png": gray(99) };
  const csv = (rows: readonly (readonly [string, string])[]) =>
    ["file,label", ...rows.map(([name, label]) => `"${name}",${label}`)].join("\n");
  const some: [string, string][] = [
    ...Array.from({ length: 5 }, (_, i): [string, string] => [`2019/${i}.png`, "10"]),
    ...Array.from({ length: 5 }, (_, i): [string, string] => [`2020/${i}.png`, "9"]),
  ];

  it("takes classes from the file where no folder is called so, numbers in their order", async () => {
    const dir = await make({ ...flatFiles, "labels.csv": csv(some) });
    const { classes, train, test, labelsFileRead } = await load(dir, { labelsFile: join(dir, "labels.csv") });
    expect(classes).toEqual(["9", "10"]);
    expect(labelsFileRead).toBe(true);
    expect([...test.labels].sort()).toEqual([0, 1]);
    const truth = levels(train).map((l) => (l < 5 ? 1 : l >= 50 && l < 55 ? 0 : -1));
    expect([...train.labels]).toEqual(truth);
    expect(train.count).toBe(15);
  });

  it("tests with the pictures under test/ that the file names", async () => {
    const rows: [string, string][] = [...some, ["test/0.png", "9"], ["test/1.png", "10"]];
    const dir = await make({ ...flatFiles, ...grays("test", 200, 3), "labels.csv": csv(rows) });
    const { train, test } = await load(dir, { labelsFile: join(dir, "labels.csv") });
    expect(levels(test)).toEqual([200, 201]);
    expect([...test.labels]).toEqual([0, 1]);
    expect(train.count).toBe(17);
  });

  it("counts the gray levels of training pictures alone where test pictures without a label lie beside", async () => {
    const rows: [string, string][] = [...some, ["test/0.png", "9"], ["test/1.png", "10"]];
    const dir = await make({ ...flatFiles, ...grays("test", 200, 4), "labels.csv": csv(rows) });
    const labelsFile = join(dir, "labels.csv");
    const whole = await load(dir, { labelsFile, size: 300 });
    const { train } = await load(dir, { labelsFile, size: 300, memoryMB: 1 });
    expect(levelStatistics(await train.files!.levels())).toEqual(channelStatistics(whole.train));
  });

  it("holds a share out where the file names nothing under test/, as competitions have it", async () => {
    const dir = await make({ ...flatFiles, ...grays("test", 200, 3), "labels.csv": csv(some) });
    const labelsFile = join(dir, "labels.csv");
    const { train, test, remarks } = await load(dir, { labelsFile });
    expect([...levels(train), ...levels(test)].every((level) => level < 200)).toBe(true);
    expect([...test.labels].sort()).toEqual([0, 1]);
    expect(remarks).toContainEqual(expect.stringMatching(/names none of the 3 pictures in .*test: they are not read/));
    const inspected = await inspectFolder(dir, { labelsFile });
    expect([inspected.train, inspected.test]).toEqual([10, 0]);
    expect(inspected.remarks).toEqual(remarks);
  });

  it("finds pictures of class folders by path, by path in unlabeled/, and by a file name that is the only one", async () => {
    const dir = await make({ ...grays("cat", 0, 4), ...grays("dog", 20, 4), "unlabeled/u/one.png": gray(90) });
    const data = await load(dir);
    const level = (name: string) => {
      const i = data.locate!(name);
      return typeof i === "number" ? levels(data.train)[i] : i;
    };
    for (const name of ["unlabeled/u/one.png", "u/one.png", "one.png", join(dir, "unlabeled/u/one.png")]) {
      expect(level(name)).toBe(90);
    }
    expect(level("two.png")).toBeUndefined();
    expect(() => level("0.png")).toThrow(/cat\/0\.png or dog\/0\.png/);
    const all = [0, 1, 2, 3].map((i) => level(`cat/${i}.png`));
    expect(all.filter((found) => found === "left out")).toHaveLength(1); // held out for testing
    const { index, leftOut } = parseLabelFile(
      [0, 1, 2, 3].map((i) => `cat/${i}.png dog`).join("\n"),
      data,
      "labels.txt",
    );
    expect([index.length, leftOut]).toEqual([3, 1]);
  });

  it("says how many labels of class folders are passed over", async () => {
    const dir = await make({
      ...grays("cat", 0, 5),
      ...grays("dog", 20, 5),
      "l.txt": "cat/0.png cat\ncat/1.png cat\ndog/1.png dog\n",
    });
    const { remarks } = await load(dir, { labelsFile: join(dir, "l.txt") });
    expect(remarks!.join()).toMatch(/[5-8] pictures in class folders are not in .*l\.txt/);
    const kept = await load(dir, { labelsFile: join(dir, "l.txt"), keepLabels: true });
    expect(kept.remarks!.join()).not.toMatch(/class folders are not in/);
    expect(kept.keepLabels).toBe(true);
  });
});

describe("mistakes with folders", () => {
  const two: Files = { ...grays("a", 0, 4), ...grays("b", 50, 4) };
  const broken = noisy(1, [9, 9, 9], { width: 64, height: 64 });

  it.each<[string, Files, Given, RegExp]>([
    [
      "no labels",
      { "1.png": gray(1), "2.png": gray(2) },
      {},
      /no labels: found 2 pictures but no class folders.*--labels/,
    ],
    ["nothing at all", { "x.txt": "" }, {}, /no labels: found no pictures in class folders/],
    ["one class", grays("a", 0, 4), {}, /one class only, "a"/],
    ["an empty class", { ...two, "c/readme.txt": "none" }, {}, /class folder .*c holds no pictures/],
    ["a class of one picture", { ...two, "c/1.png": gray(9) }, {}, /too few readable pictures: "c" \(1\)/],
    [
      "one picture with two labels",
      { ...two, "b/again.png": gray(0) },
      {},
      /a\/0\.png is "a" and b\/again\.png is "b"/,
    ],
    [
      "labeled test pictures",
      { ...two, "test/a/x.png": gray(3), "test/b/y.png": gray(99) },
      {},
      /1 labeled pictures are also in the test set, the first a\/3\.png/,
    ],
    ["a misspelt test class", { ...two, "test/bb/x.png": gray(99) }, {}, /test\/bb is no class.*Did you mean "b"/],
    ["no unlabeled pictures", { ...two, "unlabeled/none.txt": "" }, {}, /unlabeled pictures.*holds none/],
  ])("names %s", async (_, files, options, message) => {
    const dir = await make(files);
    await expect(load(dir, options)).rejects.toThrow(DataError);
    await expect(load(dir, options)).rejects.toThrow(message);
  });

  it.each<[string, string, RegExp]>([
    ["pictures that do not exist", "a/0.png x\na/9.png y", /l\.txt:2: there is no picture "a\/9\.png"/],
    [
      "one picture labeled twice",
      "a/0.png x\na/1.png y\na/0.png y",
      /l\.txt:3: image "a\/0\.png" is labeled "y" here and "x" further up/,
    ],
    ["one class in a flat folder", "a/0.png x\na/1.png x", /knows one class only/],
    ["a misspelt class", "a/0.png a\nb/0.png c", /l\.txt:2: unknown class "c"/],
    [
      "copies with two labels",
      "a/0.png x\nb/copy.png y\nb/1.png y\na/1.png x",
      /a\/0\.png is "x" and b\/copy\.png is "y"/,
    ],
    ["nothing", "", /holds no labels/],
  ])("names %s in a labels file", async (_, text, message) => {
    const dir = await make({ ...two, ...(text.includes("copy") ? { "b/copy.png": gray(0) } : {}), "l.txt": text });
    await expect(load(dir, { labelsFile: join(dir, "l.txt") })).rejects.toThrow(DataError);
    await expect(load(dir, { labelsFile: join(dir, "l.txt") })).rejects.toThrow(message);
  });

  it("names folders and labels files that are not there", async () => {
    const dir = await make(two);
    await expect(load(join(dir, "none"))).rejects.toThrow(/there is no folder .*none/);
    await expect(load(dir, { unlabeledDir: join(dir, "pool") })).rejects.toThrow(/pool.*--unlabeled/);
    await expect(load(dir, { labelsFile: join(dir, "none.csv") })).rejects.toThrow(
      /none\.csv: there is no such labels file/,
    );
  });

  it("names unlabeled copies of test pictures that a labels file labels, or drops them where told to", async () => {
    const tree: Files = { ...two, "test/a/x.png": gray(90), "test/b/y.png": gray(99), "unlabeled/u.png": gray(90) };
    const dir = await make({
      ...tree,
      "l.txt": "unlabeled/u.png a\na/0.png a\nb/0.png b\n",
      "m.txt": "a/0.png a\nb/0.png b\n",
    });
    const labelsFile = join(dir, "l.txt");
    await expect(load(dir, { labelsFile })).rejects.toThrow(
      /1 labeled pictures are also in the test set, the first unlabeled\/u\.png/,
    );
    const dropped = await load(dir, { labelsFile, overlap: "drop" });
    expect(levels(dropped.train)).not.toContain(90);
    expect(dropped.remarks!.join()).toMatch(/1 labeled pictures are also in the test set and are not trained on/);
    // Without a label it is worth a line.
    const { remarks } = await load(dir, { labelsFile: join(dir, "m.txt") });
    expect(remarks!.join()).toMatch(/1 unlabeled pictures are also in the test set/);
  });

  it("knows the contents of training pictures, so that copies do not validate what they train", async () => {
    const dir = await make({ ...two, "a/again.png": gray(1), "unlabeled/u.png": gray(2) });
    const { train, contents } = await load(dir);
    const level = levels(train);
    expect(contents).toHaveLength(train.count);
    for (const i of level.keys()) expect(contents!.indexOf(contents![i]!)).toBe(level.indexOf(level[i]!));
  });

  it("drops training pictures that are in the test folder where told to", async () => {
    const dir = await make({ ...two, "test/a/x.png": gray(3), "test/b/y.png": gray(99), "unlabeled/z.png": gray(99) });
    const { train, remarks } = await load(dir, { overlap: "drop" });
    expect(levels(train)).not.toContain(3);
    expect(train.count).toBe(8);
    expect(remarks!.join("\n")).toMatch(/1 labeled pictures are also in the test set and are not trained on/);
    expect(remarks!.join("\n")).toMatch(/1 unlabeled pictures are also in the test set, the first unlabeled\/z\.png/);
  });

  it("leaves damaged files out, lists them, and ends only above the limit", async () => {
    const whole = await broken.jpeg().toBuffer();
    const dir = await make({
      ...two,
      "a/bomb.png": await bomb(60_000),
      "unlabeled/cut.jpg": whole.subarray(0, 600),
      "unlabeled/empty.jpg": "",
      "unlabeled/page.jpg": "<html>not found</html>",
      "unlabeled/good.jpg": whole,
      "unlabeled/renamed.jpg": await gray(222).png().toBuffer(),
    });
    const { train, damaged, remarks } = await load(dir, { maxDamaged: 0.3 });
    expect(damaged!.map(({ file }) => file)).toEqual([
      "a/bomb.png",
      "unlabeled/cut.jpg",
      "unlabeled/empty.jpg",
      "unlabeled/page.jpg",
    ]);
    expect(damaged![0]!.reason).toMatch(/megapixels/);
    expect(train.count).toBe(8); // 8 labeled less 2 for testing, and 2 unlabeled
    expect(remarks!.join("\n")).toMatch(
      /4 of 14 files are damaged.*a higher --dataset\.maxMegapixels takes the 1 that/,
    );
    expect(remarks!.join("\n")).toMatch(/another format than their name says.*renamed\.jpg/);
    await expect(load(dir, { maxDamaged: 0.2 })).rejects.toThrow(
      /4 of 14 files are damaged.*--dataset\.maxDamaged 0\.2: a\/bomb\.png.*higher --dataset\.maxMegapixels/,
    );
  });

  it("finds by header alone what is no picture, or larger than allowed, and copies of test pictures", async () => {
    const whole = await broken.jpeg().toBuffer();
    const dir = await make({
      ...two,
      "test/a/x.png": gray(120),
      "test/b/y.png": gray(121),
      "a/bomb.png": await bomb(60_000),
      "unlabeled/cut.jpg": whole.subarray(0, 0.9 * whole.length),
      "unlabeled/empty.jpg": "",
      "unlabeled/page.jpg": "<html>not found</html>",
      "unlabeled/renamed.jpg": await gray(121).png().toBuffer(),
    });
    const { train, damaged, remarks } = await load(dir, { maxDamaged: 0.3, check: "header" });
    expect(damaged!.map(({ file }) => file)).toEqual(["a/bomb.png", "unlabeled/empty.jpg", "unlabeled/page.jpg"]);
    expect(damaged![0]!.reason).toMatch(/more than 64 megapixels/);
    expect(train.count).toBe(10); // the one that is cut short further in is not noticed
    expect(remarks!.join("\n")).toMatch(/another format than their name says.*renamed\.jpg/);
    expect(remarks!.join("\n")).toMatch(/1 unlabeled pictures are also in the test set, the first unlabeled\/renamed/);
  });

  it("loads or throws DataError whatever the files hold", async () => {
    const png = await gray(7).png().toBuffer();
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat(png.length).map((n) => Uint8Array.from(png.subarray(0, n))),
      fc.constant(Uint8Array.from(png)),
    );
    const name = fc.constantFrom(
      "a/1.png",
      "a/2.jpg",
      "b/1.gif",
      "b/2",
      "test/a/x.webp",
      "unlabeled/u.tif",
      "train/a/1.png",
    );
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, content), async (tree) => {
        const { dir, remove } = await pictureFolder(tree);
        try {
          const { train } = await load(dir, { maxDamaged: 1 });
          expect(train.count).toBeGreaterThan(0);
        } catch (error) {
          expect(error).toBeInstanceOf(DataError);
        } finally {
          remove();
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);

  it("passes links that go in circles", async () => {
    const dir = await make({ ...two, "unlabeled/u.png": gray(99) });
    symlinkSync(dir, join(dir, "unlabeled/up"));
    symlinkSync(join(dir, "nowhere.png"), join(dir, "unlabeled/dangling.png"));
    const { damaged } = await load(dir, { maxDamaged: 0.5 });
    expect(damaged).toEqual([{ file: "unlabeled/dangling.png", reason: "there is no such file" }]);
  });
});
