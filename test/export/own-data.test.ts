// Runs on data sets of one's own: images of real numbers, which no picture file becomes, and such as are not square.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { Catalog } from "../../src/config/catalog.js";
import { UsageError } from "../../src/errors.js";
import { exportRun } from "../../src/export/export.js";
import { readOnnx } from "../../src/export/onnx/file.js";
import { openPredictor } from "../../src/inference/predict.js";
import { openJudge } from "../../src/web/open-judge.js";
import { describeEngine } from "../support/engine.js";
import { ownRun } from "../support/own-pictures.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const record = (run: string) => JSON.parse(readFileSync(join(run, "inference.json"), "utf8"));

describeEngine("a run on real numbers", () => {
  const run = join(folder, "real");
  const file = join(folder, "real.onnx");
  let catalog: Catalog;
  beforeAll(async () => {
    catalog = await ownRun(run, { width: 12, height: 12, real: true });
    await exportRun(run, { format: "onnx", out: file, testPictures: 20, catalog });
  });
  const none = /1x12x12 images of real numbers; picture files cannot be made into such/;

  test("takes no picture files", async () => {
    await expect(openPredictor(run, { catalog })).rejects.toThrow(none);
    await expect(openPredictor(run, { catalog })).rejects.toThrow(UsageError);
    await expect(exportRun(run, { format: "web", out: join(folder, "page"), catalog })).rejects.toThrow(none);
    await expect(openJudge(file, { maxMegapixels: 10 })).rejects.toThrow(none);
  });

  test("takes none where an older version wrote how to decode them", async () => {
    const decoding = { size: 12, channels: 1, fit: "crop", maxMegapixels: 64 };
    writeFileSync(join(run, "inference.json"), JSON.stringify({ ...record(run), decoding }));
    await expect(openPredictor(run, { catalog })).rejects.toThrow(none);
  });

  test.each(["image", "zca"])("normalized by %s: nor does what is exported from it", async (normalize) => {
    const other = join(folder, normalize);
    const known = await ownRun(other, { width: 12, height: 12, real: true }, { normalize });
    const out = join(folder, `${normalize}.onnx`);
    await exportRun(other, { format: "onnx", out, catalog: known });
    await expect(openJudge(out, { maxMegapixels: 10 })).rejects.toThrow(none);
    await expect(openPredictor(other, { catalog: known })).rejects.toThrow(/real numbers|whitens/);
  });
});

describeEngine("pictures that are not square", () => {
  const shape = { width: 24, height: 16 };
  test.each([
    ["whole", {}],
    ["cut by evaluation", { weak: "photo" }],
  ])("%s: the file takes them as the data set has them", async (name, given) => {
    const run = join(folder, name);
    const catalog = await ownRun(run, shape, given);
    for (const testPictures of [0, 20]) {
      const out = join(folder, `${name} ${testPictures}.onnx`);
      const { difference, test } = await exportRun(run, { format: "onnx", out, testPictures, catalog });
      expect(difference).toBeLessThan(1e-4);
      expect(test?.changed ?? 0).toBe(0);
      expect(readOnnx(out).input.shape).toEqual(["batch", 1, 16, 24]);
    }
  });

  test("a run of an older version, which did not keep their size, is not exported but for its weights", async () => {
    const run = join(folder, "old");
    const catalog = await ownRun(run, shape, { weak: "photo" });
    const { stored, ...known } = record(run);
    expect(stored).toEqual({ height: 16, width: 24 });
    writeFileSync(join(run, "inference.json"), JSON.stringify(known));
    const asked = exportRun(run, { format: "onnx", out: join(folder, "old.onnx"), catalog });
    await expect(asked).rejects.toThrow(/older version.*Train again/);
    await exportRun(run, { format: "safetensors", out: join(folder, "old weights"), catalog });
  });
});
