// The record of what a run makes of unlabeled images: right, bounded, switched off by --seen 0, and without effect on the run.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { beforeAll, expect, test } from "vitest";
import { openPredictor } from "../../src/inference/predict.js";
import {
  dropSeenAfter,
  readSeenPictures,
  readSeenStep,
  readSeenViews,
  seenSteps,
  sheetPath,
  writeSeenStep,
} from "../../src/run/seen.js";
import { likeliest } from "../../src/session/look/seen.js";
import { describeEngine } from "../support/engine.js";
import { checkpointFiles, configure, continued, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const [run, without] = [join(folder, "with"), join(folder, "without")];
const given = { method: "mean-teacher", steps: 6, evalEvery: 2, checkpointEvery: 3, seen: 400 };

test("likeliest gives the three likeliest classes of each row, likeliest first, to three digits", () => {
  expect(likeliest([0.1, 0.6, 0.05, 0.25, 0.7, 0.1, 0.1999, 0.0001], 4)).toEqual({
    classes: [1, 3, 0, 0, 2, 1],
    probabilities: [0.6, 0.25, 0.1, 0.7, 0.2, 0.1],
  });
  expect(likeliest([0.25, 0.75], 2)).toEqual({ classes: [1, 0], probabilities: [0.75, 0.25] });
});

test("of many evaluations some of the whole run are kept", () => {
  const path = join(folder, "many");
  mkdirSync(join(path, "seen"), { recursive: true });
  for (let step = 1; step <= 200; step++) writeSeenStep(path, { step, top: 1, beliefs: {}, split: "test" });
  const steps = seenSteps(path);
  expect(steps.length).toBeLessThanOrEqual(120);
  expect(steps.length).toBeGreaterThan(60);
  expect([steps[0], steps.at(-1)]).toEqual([1, 200]);
  expect(steps.filter((step) => step < 100).length).toBeGreaterThan(5);
  dropSeenAfter(path, 190);
  expect(seenSteps(path).at(-1)).toBe(190);
});

describeEngine("a run", () => {
  beforeAll(async () => {
    await trainToEnd(configure(run, given));
    await trainToEnd(configure(without, { ...given, seen: 0 }));
  });

  test("without the record has the same weights, optimizer and numbers to the bit", () => {
    expect(existsSync(join(without, "seen"))).toBe(false);
    for (const step of [3, 6]) expect(checkpointFiles(run, step)).toEqual(checkpointFiles(without, step));
    const errors = (path: string) =>
      readFileSync(join(path, "metrics.jsonl"), "utf8")
        .split("\n")
        .filter((line) => line.includes('"evaluation"') || line.includes('"step"'))
        .map((line) => JSON.parse(line))
        .map(({ step, metrics, test: measured }) => ({ step, metrics, measured }));
    expect(errors(run)).toEqual(errors(without));
  });

  test("records the evaluations: beliefs of every model, confusion that adds up", () => {
    expect(seenSteps(run)).toEqual([2, 4, 6]);
    const { beliefs, confusion, split, top } = readSeenStep(run, 6);
    expect([split, top]).toEqual(["test", 3]);
    expect(Object.keys(beliefs)).toEqual(["student", "teacher"]);
    const { index } = readSeenPictures(run);
    expect(beliefs.teacher!.classes).toHaveLength(3 * index.length);
    expect(confusion!.teacher!.flat().reduce((a, b) => a + b)).toBe(60);
  });

  test("draws among the images without label, and says what the data set knows of them", async () => {
    const { index, truth, classes, prior, predictor } = readSeenPictures(run);
    expect(index).toHaveLength(100); // 120 images, 20 of them labeled
    expect([...index].sort((a, b) => a - b)).toEqual(index);
    expect(truth.every((k) => k >= 0 && k < classes.length)).toBe(true);
    expect(prior.reduce((a, b) => a + b)).toBeCloseTo(1);
    expect(predictor).toBe("teacher");
  });

  test("the sheet holds the pictures that the beliefs are about", async () => {
    const { sheet, index } = readSeenPictures(run);
    const { beliefs } = readSeenStep(run, 6);
    const image = sharp(sheetPath(run, "pictures"));
    const { width } = await image.metadata();
    expect(width).toBe(sheet!.columns * sheet!.width);
    const files: string[] = [];
    for (const i of [0, 7, 99]) {
      const file = join(folder, `${i}.png`);
      const [left, top] = [(i % sheet!.columns) * sheet!.width, Math.floor(i / sheet!.columns) * sheet!.height];
      const area = { left, top, width: sheet!.width, height: sheet!.height };
      await sharp(sheetPath(run, "pictures")).extract(area).png().toFile(file);
      files.push(file);
    }
    expect(index.length).toBeGreaterThan(99);
    const predictor = await openPredictor(run, { threads: 1 });
    let k = 0;
    for await (const prediction of predictor.predict(files)) {
      if ("error" in prediction) throw new Error(prediction.error);
      const i = [0, 7, 99][k++]!;
      expect(prediction.class).toBe(readSeenPictures(run).classes[beliefs.teacher!.classes[3 * i]!]);
      expect(prediction.probability).toBeCloseTo(beliefs.teacher!.probabilities[3 * i]!, 2);
    }
  });

  test("shows the views that the network sees", async () => {
    const { columns, index, sheet } = readSeenViews(run);
    expect(columns).toEqual(["original", "weak 1", "weak 2"]);
    const { width, height } = await sharp(sheetPath(run, "views")).metadata();
    expect([width, height]).toEqual([columns.length * sheet.width, index.length * sheet.height]);
  });

  test("that goes on drops what was recorded after its checkpoint, and ends as if it had never stopped", async () => {
    const path = join(folder, "stopped");
    await trainToEnd(configure(path, given), 5);
    rmSync(join(path, "checkpoints/step-5"), { recursive: true });
    expect(seenSteps(path)).toEqual([2, 4]);
    writeFileSync(join(path, "seen/step-5.json"), "{}");
    const before = readFileSync(join(path, "seen/pictures.json"), "utf8");
    await trainToEnd(continued(path));
    expect(seenSteps(path)).toEqual([2, 4, 6]);
    expect(readFileSync(join(path, "seen/pictures.json"), "utf8")).toBe(before);
    expect(readSeenStep(path, 6)).toEqual(readSeenStep(run, 6));
  });

  test("that goes on with another number of images begins its record anew, and without a record drops what comes after", async () => {
    const path = join(folder, "other");
    await trainToEnd(configure(path, { ...given, seen: 20 }), 5);
    rmSync(join(path, "checkpoints/step-5"), { recursive: true });
    await trainToEnd({ ...continued(path), seen: 0 }, 1);
    expect(seenSteps(path)).toEqual([2]); // 4 is after step 3, where the run went on
    await trainToEnd({ ...continued(path), seen: 10 });
    expect(readSeenPictures(path).index).toHaveLength(10);
    expect(seenSteps(path)).toEqual([6]);
    expect(readSeenStep(path, 6).beliefs.teacher!.classes).toHaveLength(3 * 10);
  });

  test("whose record cannot be written goes on without", async () => {
    const path = join(folder, "refused");
    await trainToEnd(configure(path, { ...given, steps: 4 }), 3);
    rmSync(join(path, "seen"), { recursive: true });
    writeFileSync(join(path, "seen"), "a file in its place");
    expect((await trainToEnd(continued(path))).result).toBeDefined();
  });

  test("with strong views shows those; points of a plane have beliefs and no pictures", async () => {
    const strong = join(folder, "strong");
    await trainToEnd(configure(strong, { method: "fixmatch", steps: 1, seen: 5 }));
    expect(readSeenViews(strong).columns).toEqual(["original", "weak 1", "weak 2", "strong 1", "strong 2"]);
    expect(readSeenPictures(strong).index).toHaveLength(5);
    const moons = join(folder, "moons");
    await trainToEnd(
      configure(moons, {
        dataset: "two-moons",
        "dataset.train": undefined,
        "dataset.test": undefined,
        model: "mlp",
        "model.width": undefined,
        labels: 10,
        steps: 1,
      }),
    );
    expect(readSeenPictures(moons).sheet).toBeUndefined();
    expect(readdirSync(join(moons, "seen")).sort()).toEqual(["pictures.json", "step-1.json"]);
  });
});
