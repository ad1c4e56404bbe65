import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type FolderReport, inspectFolder } from "../../../src/data/folder/inspect.js";
import { folderPictures } from "../../../src/inference/folder-pictures.js";
import { bomb, flat, pictureFolder } from "../../support/pictures.js";

const gray = (level: number, width = 8, height = 8) => flat([level, level, level], width, height);

describe("inspectFolder", () => {
  let report: FolderReport;
  let remove: () => void;
  beforeAll(async () => {
    const folder = await pictureFolder({
      "a/1.png": gray(1, 10, 20),
      "a/2.jpg": gray(2, 30, 40),
      "a/same as 1.png": gray(1, 10, 20),
      "a/3.jpg": await gray(3).png().toBuffer(),
      "b/1.png": gray(4),
      "b/2.png": gray(2, 30, 40),
      "b/2 again.jpg": gray(2, 30, 40),
      "unlabeled/t.png": gray(9),
      "unlabeled/empty.png": "",
      "unlabeled/bomb.png": await bomb(60_000),
      "test/a/1.png": gray(9),
      "test/b/1.png": gray(10),
    });
    remove = folder.remove;
    report = await inspectFolder(folder.dir);
  });
  afterAll(() => remove());

  it("counts pictures by part and class, formats and sizes", () => {
    expect(report).toMatchObject({ layout: "classes", train: 7, unlabeled: 1, test: 2, formats: { png: 8, jpeg: 2 } });
    expect(report.classes).toEqual([
      { name: "a", train: 4, test: 1 },
      { name: "b", train: 3, test: 1 },
    ]);
    expect(report.imbalance).toBeCloseTo(4 / 3);
    expect(report.width).toEqual({ min: 8, median: 8, max: 30 });
    expect(report.height).toEqual({ min: 8, median: 8, max: 40 });
  });

  it("lists copies, contradictions, test pictures in training, misnamed and damaged files", () => {
    const byFirst = report.duplicates.map((group) => [...group].sort()).sort();
    expect(byFirst).toEqual([
      ["a/1.png", "a/same as 1.png"],
      ["a/2.jpg", "b/2 again.jpg"],
      ["test/a/1.png", "unlabeled/t.png"],
    ]);
    expect(report.conflicts).toEqual([["a/2.jpg", "b/2 again.jpg"]]);
    expect(report.inTest).toEqual(["unlabeled/t.png"]);
    expect(report.misnamed).toEqual(["a/3.jpg"]);
    expect(report.damaged).toEqual([
      { file: "unlabeled/bomb.png", reason: expect.stringMatching(/megapixels/) },
      { file: "unlabeled/empty.png", reason: "the file is empty" },
    ]);
  });

  it("with a labels file counts as labeled what training does: in class folders, too, only what the file names", async () => {
    const { dir, remove: removeNamed } = await pictureFolder({
      "a/1.png": gray(1),
      "a/2.png": gray(2),
      "a/3.png": gray(3),
      "b/1.png": gray(4),
      "b/2.png": gray(3),
      "unlabeled/1.png": gray(6),
    });
    const labelsFile = join(dir, "labels.csv");
    writeFileSync(labelsFile, "file,label\na/1.png,a\nb/1.png,b\nunlabeled/1.png,b\n");
    const named = await inspectFolder(dir, { labelsFile });
    const { files, classes } = folderPictures(dir, { labelsFile, onlyNamed: true });
    removeNamed();
    expect(named).toMatchObject({ layout: "classes", train: 3, unlabeled: 3, tooFew: [] });
    expect(named.classes).toEqual(
      classes.map((name, k) => ({ name, train: files.filter(({ label }) => label === k).length, test: 0 })),
    );
    expect(named.conflicts).toEqual([["a/3.png", "b/2.png"]]); // of the folders, which training refuses first
  });

  it("names classes that training refuses because nothing would be left to test with", async () => {
    const files = {
      "a/1.png": gray(1),
      "a/2.png": gray(2),
      "b/1.png": gray(3),
      "c/1.png": gray(4),
      "c/2.png": gray(4),
    };
    const { dir, remove: removeSmall } = await pictureFolder(files);
    const small = await inspectFolder(dir);
    removeSmall();
    expect(small.tooFew).toEqual(["b: 1 picture", "c: 1 different picture"]);
    expect(report.tooFew).toEqual([]); // it has a test folder
  });
});
