// Pictures judged by a run folder alone: the same answers as evaluation gives with the data at hand.

import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { dataSets } from "../../src/data/index.js";
import { UsageError } from "../../src/errors.js";
import { listImages } from "../../src/images/image-files.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { openPredictor, type Prediction } from "../../src/inference/predict.js";
import { parseOptions } from "../../src/options.js";
import { Rng } from "../../src/rng.js";
import { describeEngine } from "../support/engine.js";
import { addPictures, noisy, pictureFolder } from "../support/pictures.js";
import { trainToEnd } from "../support/train-run.js";

const small = {
  model: "convnet-tiny",
  "model.width": 0.25,
  batch: 20,
  threads: 1,
  precision: "fp32",
  testBatch: 7,
  steps: 30,
};
const run = (out: string, given: Record<string, unknown>) =>
  trainToEnd(resolveConfig(flatten({ ...small, ...given, out })));

let dir: string;
let remove: () => void;
beforeAll(async () => {
  ({ dir, remove } = await pictureFolder({}));
  // Two classes that overlap, so that the error is neither 0 nor 50 %.
  for (const [part, each] of [
    ["data", 30],
    ["data/test", 25],
  ] as const) {
    for (const [k, name] of ["red one", "green"].entries()) {
      for (let i = 0; i < each; i++) {
        // Redder or greener; a fifth of the pictures of each class look like the other.
        const tilt = (k === 0 ? 1 : -1) * (((i * 37) % 50) - 10);
        const picture = noisy(i + 100 * k + (part === "data" ? 0 : 1000), [100 + tilt, 100 - tilt, 99], {
          width: 20,
          height: 14,
        });
        await addPictures(dir, { [`${part}/${name}/${i}.${i % 3 === 0 ? "jpg" : "png"}`]: picture });
      }
    }
  }
});
afterAll(() => remove());

async function collect(predictions: AsyncIterable<Prediction>): Promise<Prediction[]> {
  const all: Prediction[] = [];
  for await (const prediction of predictions) all.push(prediction);
  return all;
}

/** Error in percent over the test folder, the class being the folder's name. */
async function errorOn(out: string, batch: number, role?: string): Promise<number> {
  const test = join(dir, "data/test");
  const { files } = listImages(test);
  const predictions = await collect(
    (await openPredictor(out, { role })).predict(
      files.map((file) => join(test, file)),
      batch,
    ),
  );
  const wrong = predictions.filter((p, i) => "error" in p || p.class !== files[i]!.split("/")[0]).length;
  return (100 * wrong) / files.length;
}

describeEngine("openPredictor", () => {
  test.each(["channel", "image"])(
    "gives the error of evaluation on the test files, normalized by %s, whatever the batch",
    async (normalize) => {
      const out = join(dir, `run-${normalize}`);
      await run(out, { dataset: "folder", data: join(dir, "data"), "dataset.size": 16, normalize });
      const { result } = await evaluateRun(out, { split: "test" });
      expect(result.error).toBeGreaterThan(0);
      expect(result.error).toBeLessThan(45); // not one class for all
      expect(await errorOn(out, 7)).toBe(result.error);
      expect(await errorOn(out, 50)).toBe(result.error);
      expect(await errorOn(out, 7, "student")).toBe(result.test.student!.error);
    },
    60_000,
  );

  test("judges the middle of pictures that were trained on in crops, as evaluation does", async () => {
    const out = join(dir, "crops");
    const crops = { weak: "photo", crop: 12, evalCrop: 0.75 };
    await run(out, { dataset: "folder", data: join(dir, "data"), "dataset.size": 16, ...crops });
    const { result } = await evaluateRun(out, { split: "test" });
    expect(result.error).toBeGreaterThan(0);
    expect(result.error).toBeLessThan(45);
    expect(await errorOn(out, 7)).toBe(result.error);
    const record = JSON.parse(readFileSync(join(out, "inference.json"), "utf8"));
    expect(record.input).toEqual({ channels: 3, height: 12, width: 12 });
    expect(record.decoding.size).toBe(16);
    expect(record.evaluation).toEqual({ box: [2, 2, 14, 14], side: 12, interpolation: "bilinear" });
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect([config.weak, config.crop]).toEqual(["photo", 12]);
  }, 60_000);

  test("judges pictures without the training data, and reports what it cannot read in its place", async () => {
    const out = join(dir, "alone");
    const data = await pictureFolder({});
    for (const [k, name] of ["a", "b"].entries())
      for (let i = 0; i < 6; i++) await addPictures(data.dir, { [`${name}/${i}.png`]: noisy(i, [200 * k, 9, 9]) });
    await run(out, { dataset: "folder", data: data.dir, batch: 8 });
    const kept = join(dir, "kept.png");
    writeFileSync(kept, readFileSync(join(data.dir, "b/3.png")));
    data.remove();
    const predictor = await openPredictor(out);
    const paths = [join(dir, "none.png"), kept, join(out, "config.json"), kept];
    const found = await collect(predictor.predict(paths, 2));
    expect(found.map(({ file }) => file)).toEqual(paths);
    expect(found[0]).toEqual({ file: paths[0], error: "there is no such file" });
    expect(found[2]).toMatchObject({ error: expect.stringMatching(/text/) });
    const [p, q] = [found[1], found[3]] as Extract<Prediction, { class: string }>[];
    expect(p!.class).toBe(q!.class);
    expect(p!.probability).toBe(Math.max(...p!.probabilities));
    expect([...p!.probabilities].reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(predictor.classes).toEqual(["a", "b"]);
    await expect(evaluateRun(out, { split: "test" })).rejects.toThrow(/there is no folder/);
  }, 60_000);

  test("judges the pictures of a set that came from no files", async () => {
    const out = join(dir, "digits");
    await run(out, { dataset: "digits", "dataset.train": 100, "dataset.test": 60, labels: 50, steps: 20 });
    const { result } = await evaluateRun(out, { split: "test" });
    const digits = dataSets.find(({ name }) => name === "digits")!;
    const options = parseOptions(digits.options, { train: 100, test: 60 }, "digits");
    const { test: set } = await digits.load({ dir: undefined, rng: Rng.fromSeed(0).split("dataset:digits"), options });
    const paths: string[] = [];
    for (let i = 0; i < set.count; i++) {
      const raw = new Uint8Array(3072);
      for (let c = 0; c < 3; c++)
        for (let at = 0; at < 1024; at++) raw[at * 3 + c] = set.pixels[i * 3072 + c * 1024 + at]!;
      paths.push(join(dir, `digit-${i}.png`));
      await sharp(raw, { raw: { width: 32, height: 32, channels: 3 } })
        .png()
        .toFile(paths[i]!);
    }
    const wrong = (await collect((await openPredictor(out)).predict(paths, 7))).filter(
      (p, i) => "error" in p || p.class !== String(set.labels[i]),
    );
    expect((100 * wrong.length) / 60).toBe(result.error);
    expect(result.error).toBeGreaterThan(5);
  }, 60_000);

  test("says what to do where it cannot", async () => {
    const out = join(dir, "refusals");
    await run(out, { dataset: "folder", data: join(dir, "data"), steps: 2 });
    await expect(openPredictor(out, { role: "techer" })).rejects.toThrow(
      /unknown model "techer"\. Did you mean "teacher"/,
    );
    rmSync(join(out, "inference.json"));
    await expect(openPredictor(out)).rejects.toThrow(UsageError);
    await expect(openPredictor(out)).rejects.toThrow(/inference\.json.*older version/);
    const white = join(dir, "white");
    await run(white, { dataset: "folder", data: join(dir, "data"), "dataset.size": 8, normalize: "zca", steps: 2 });
    await expect(openPredictor(white)).rejects.toThrow(/whitens.*--normalize channel/);
    const moons = join(dir, "moons");
    await run(moons, {
      dataset: "two-moons",
      "dataset.train": 100,
      "dataset.test": 20,
      labels: 10,
      model: "mlp",
      "model.width": undefined,
      steps: 2,
    });
    await expect(openPredictor(moons)).rejects.toThrow(/2x1x1 images of real numbers; picture files cannot/);
  }, 60_000);
});
