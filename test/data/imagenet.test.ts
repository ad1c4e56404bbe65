import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { holdAll, plainImages } from "../../src/batches/store.js";
import type { DataSet } from "../../src/data/dataset.js";
import { imagenet } from "../../src/data/imagenet.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { prepareData } from "../../src/session/data.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { flat, noisy, pictureFolder } from "../support/pictures.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

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

const synsets = ["n01440764", "n01443537", "n02051845"];

/** Four training pictures a class, the three channels of which are known, with ImageNet's names. */
const train: Files = Object.fromEntries(
  synsets.flatMap((name, k) =>
    Array.from({ length: 4 }, (_, i) => [
      `train/${name}/${name}_${i}.JPEG`,
      noisy(10 * k + i, [60 * k, 90, 200 - 60 * k], { width: 40, height: 30 }),
    ]),
  ),
);
const val = (where: (k: number, i: number) => string): Files =>
  Object.fromEntries(
    synsets.flatMap((_, k) =>
      Array.from({ length: 2 }, (_, i) => [where(k, i), noisy(100 + 10 * k + i, [60 * k, 90, 200 - 60 * k])]),
    ),
  );
const sorted = val((k, i) => `val/${synsets[k]}/ILSVRC2012_val_0000000${2 * k + i}.JPEG`);

function load(dir: string, options: Record<string, unknown> = {}, labelsFile?: string): Promise<DataSet> {
  const { options: spec } = imagenet;
  return imagenet.load({
    dir,
    rng: Rng.fromSeed(0),
    options: parseOptions(spec, { size: 32, ...options }, "imagenet") as never,
    labelsFile,
  });
}

describe("imagenet", () => {
  it("trains on DIR/train and tests on DIR/val; classes are the synsets, test/ is passed over", async () => {
    const dir = await make({ ...train, ...sorted, "test/ILSVRC2012_test_1.JPEG": flat([1, 2, 3]) });
    const { classes, train: trains, test, ...data } = await load(dir);
    expect(classes).toEqual(synsets);
    expect([...trains.labels]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect([...test.labels]).toEqual([0, 0, 1, 1, 2, 2]);
    expect([data.weak, data.normalize, data.name]).toEqual(["imagenet-mt", "imagenet", "imagenet"]);
    expect(data.nameOf!(4)).toBe("train/n01443537/n01443537_0.JPEG");
    expect(data.locate!("n02051845_3.JPEG")).toBe(11);
  });

  it("reads a flat DIR/val with val.txt, of synsets or of their numbers in order", async () => {
    const flatVal = val((k, i) => `val/v${2 * k + i}.JPEG`);
    const lines = (label: (k: number) => string) =>
      [4, 0, 1, 5, 2, 3].map((n) => `v${n}.JPEG ${label(Math.floor(n / 2))}`).join("\n");
    for (const label of [(k: number) => synsets[k]!, String]) {
      const { test } = await load(await make({ ...train, ...flatVal, "val.txt": lines(label) }));
      expect([...test.labels]).toEqual([2, 0, 0, 2, 1, 1]);
      expect(test.files!.nameOf(0)).toBe("val/v4.JPEG");
    }
    const dir = await make({ ...train, ...flatVal, "val.txt": "v1.JPEG n0" });
    await expect(load(dir)).rejects.toThrow(/val\.txt:1: unknown class "n0"/);
  });

  it("takes the folders where val/ is sorted and val.txt was left beside it", async () => {
    const names = Array.from({ length: 6 }, (_, n) => `ILSVRC2012_val_0000000${n}.JPEG ${synsets[Math.floor(n / 2)]}`);
    const { test, damaged, remarks } = await load(await make({ ...train, ...sorted, "val.txt": names.join("\n") }));
    expect([[...test.labels], damaged]).toEqual([[0, 0, 1, 1, 2, 2], []]);
    expect(remarks!.join()).toMatch(
      /6 rows of .*val\.txt name test pictures that lie in class folders: the folders count/,
    );
    const rest = "val/v6.JPEG";
    const mixed = {
      ...train,
      ...sorted,
      [rest]: flat([4, 5, 6]),
      "val.txt": [...names, `v6.JPEG ${synsets[1]}`].join("\n"),
    };
    expect([...(await load(await make(mixed))).test.labels]).toEqual([0, 0, 1, 1, 2, 2, 1]);
  });

  it("says how the folders should lie", async () => {
    await expect(load(await make({ "n0/a.JPEG": flat([1, 1, 1]) }))).rejects.toThrow(/there is no folder .*train/);
    await expect(load(await make(train))).rejects.toThrow(/there is no folder .*val\. Expected/);
    const dir = await make({ ...train, ...val((k, i) => `val/${k}${i}.JPEG`) });
    await expect(load(dir)).rejects.toThrow(/holds no class folders, and there is no .*val\.txt/);
  });

  it("calls itself by its name where it reads what a folder does", async () => {
    const [, a] = synsets;
    const cut = { [`train/${a}/${a}_9.JPEG`]: "no picture", [`val/${a}/1.JPEG`]: "no picture" };
    const broken = await make({ [`train/${synsets[0]}/x.JPEG`]: flat([1, 2, 3]), ...cut });
    await expect(load(broken)).rejects.toThrow(/^imagenet: 2 of 3 files are damaged/);
    await expect(load(broken, { maxDamaged: 1 })).rejects.toThrow(/^imagenet: no readable picture to train on/);
    const dir = await make({ [`train/${a}/x.JPEG`]: flat([1, 2, 3]), [`val/${a}/1.JPEG`]: flat([4, 2, 3]) });
    await expect(load(dir)).rejects.toThrow(/^imagenet: found one class only/);
    const untested = await make({ ...train, [`val/${a}/1.JPEG`]: "no picture" });
    await expect(load(untested, { maxDamaged: 1 })).rejects.toThrow(
      /^imagenet: .*put test pictures into DIR\/val\/<class>/,
    );
  });

  it("takes copies with two labels, or in both sets, as they were published, and says so", async () => {
    const copy = flat([7, 8, 9]);
    const again = { [`train/${synsets[0]}/x.JPEG`]: copy, [`train/${synsets[1]}/y.JPEG`]: copy };
    const dir = await make({ ...train, ...sorted, ...again, [`val/${synsets[2]}/z.JPEG`]: copy });
    const { train: trains, test, remarks } = await load(dir);
    expect([trains.count, test.count]).toEqual([14, 7]);
    expect(remarks!.join("\n")).toMatch(/1 pictures \(by content\) have two labels/);
    expect(remarks!.join("\n")).toMatch(/2 labeled pictures are also in the test set/);
  });
});

describeEngine("a run on imagenet", () => {
  const config = (out: string, dir: string, given: Record<string, unknown> = {}) =>
    configure(out, {
      dataset: "imagenet",
      data: dir,
      "dataset.train": undefined,
      "dataset.test": undefined,
      "dataset.size": 64,
      crop: 56,
      labels: 6,
      batch: 6,
      labeledBatch: 3,
      steps: 3,
      ...given,
    });

  it("takes a labels file that names both copies of a picture, as published", async () => {
    const copy = noisy(77, [9, 9, 9]);
    const [a, b] = [`${synsets[0]}_copy.JPEG`, `${synsets[1]}_copy.JPEG`];
    const dir = await make({
      ...train,
      ...sorted,
      [`train/${synsets[0]}/${a}`]: copy,
      [`train/${synsets[1]}/${b}`]: copy,
    });
    const list = join(dir, "list.csv");
    writeFileSync(list, `file,label\n${a},${synsets[0]}\n${b},${synsets[1]}\n${synsets[2]}_0.JPEG,${synsets[2]}\n`);
    const { remarks } = await load(dir, {}, list);
    expect(remarks!.join("\n")).toMatch(/1 pictures \(by content\) have two labels/);
  });
  it("draws labels evenly, scales by the published constants, and crops the middle to evaluate", async () => {
    const data = await prepareData(config("none", await make({ ...train, ...sorted })), imagenet);
    try {
      expect([0, 1, 2].map((k) => data.split.y.filter((y) => y === k).length)).toEqual([2, 2, 2]);
      const mean = [0.485, 0.456, 0.406];
      const std = [0.229, 0.224, 0.225];
      await holdAll(data.test, "this test");
      const x = scope(() => plainImages(data.test, Int32Array.of(3)).toNumbers());
      const place = data.test.cache!.places(Int32Array.of(3))[0]!;
      const byte = (c: number, row: number, column: number) =>
        data.test.pixels[((place * 3 + c) * 64 + row + 4) * 64 + column + 4]!;
      for (const [c, row, column] of [
        [0, 0, 0],
        [1, 20, 55],
        [2, 55, 3],
      ] as const) {
        expect(x[(c * 56 + row) * 56 + column]).toBeCloseTo((byte(c, row, column) / 255 - mean[c]!) / std[c]!, 5);
      }
    } finally {
      data.release();
    }
  });

  it("trains from a list of names and synsets to a result", async () => {
    const dir = await make({
      ...train,
      ...sorted,
      "list.txt": synsets.map((name) => `${name}_1.JPEG ${name}`).join("\n"),
    });
    const runs = temporaryFolder();
    try {
      const { result } = await trainToEnd(config(join(runs, "a"), dir, { labels: join(dir, "list.txt") }));
      expect([result!.labels, result!.test.teacher!.n]).toEqual([3, 6]);
    } finally {
      removeFolder(runs);
    }
  });
});
