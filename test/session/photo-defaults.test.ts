// What nobody chose for a folder of pictures follows from the weights, or from the pictures, their labels and the machine.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { folder as folderSet } from "../../src/data/folder.js";
import { folderItems, packShards } from "../../src/data/shards/pack.js";
import { photoDefaults } from "../../src/session/photos/photo-defaults.js";
import { countLabels, evenly } from "../../src/session/photos/picture-facts.js";
import { describeEngine } from "../support/engine.js";
import { noisy, pictureFolder } from "../support/pictures.js";
import { removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

const out = temporaryFolder();
const folders: Record<number, Awaited<ReturnType<typeof pictureFolder>>> = {};
beforeAll(async () => {
  for (const side of [30, 60, 200]) {
    const files: Record<string, ReturnType<typeof noisy>> = {};
    for (let i = 0; i < 12; i++) {
      const size = { width: side, height: side + 8, amount: 60 };
      files[`a/${i}.jpg`] = noisy(i, [150, 90, 60], size);
      files[`b/${i}.jpg`] = noisy(100 + i, [60, 90, 150], size);
    }
    folders[side] = await pictureFolder(files);
  }
});
afterAll(() => {
  removeFolder(out);
  for (const { remove } of Object.values(folders)) remove();
});

async function chosen(side: number, given: Readonly<Record<string, unknown>> = {}, device = "cpu") {
  const asked = resolveConfig(flatten({ dataset: "folder", data: folders[side]!.dir, ...given }));
  const { config, remarks } = await photoDefaults(asked, folderSet, {}, device);
  const { datasetOptions, methodOptions, modelOptions, optimizerOptions, ...run } = config;
  return {
    ...run,
    size: datasetOptions.size,
    ...methodOptions,
    ...modelOptions,
    factor: optimizerOptions.backboneLrFactor,
    remarks,
  };
}

describe("without weights", () => {
  it("size, views, width and steps follow from the pictures, the labels and a CPU", async () => {
    expect(await chosen(30)).toMatchObject({ size: 32, weak: undefined, width: 0.25, steps: 1500, evalEvery: 250 });
    const large = await chosen(200);
    expect(large).toMatchObject({ size: 32, weak: undefined, width: 0.25, dropout: 0.2, steps: 1500 });
    expect(large).toMatchObject({ teacherDropout: 0, teacherNoise: 0 });
    expect(large.remarks).toEqual([
      "chosen for pictures of about 200 pixels, 24 labels and a CPU: --dataset.size 32 --steps 1500 --model.width 0.25 --model.dropout 0.2 " +
        "--method.teacherDropout 0 --method.teacherNoise 0",
    ]);
    // 24 labels in every batch would be the same batch each time.
    expect(large).toMatchObject({ labeledBatch: 25 });
    expect(await chosen(30, { labels: 100 })).toMatchObject({ labeledBatch: 50 });
    expect((await chosen(30, { method: "supervised" })).remarks[0]).not.toContain("teacher");
  });

  it("whitening has what it can be done with: few values, and no crops", async () => {
    for (const normalize of ["zca", "gcn-zca"]) {
      expect(await chosen(200, { normalize }, "cuda")).toMatchObject({ size: 64, weak: undefined });
      expect(await chosen(200, { normalize, "dataset.size": 48 })).toMatchObject({ size: 48, weak: undefined });
    }
  });

  it("guesses beside the folders' labels count in addition to them, as does what shards hold", async () => {
    const guesses = join(out, "guesses.csv");
    writeFileSync(guesses, "file,label,confidence\na/0.jpg,a,1\nb/0.jpg,b,1\n");
    expect((await chosen(30, { labels: guesses })).remarks[0]).toContain(", 2 labels");
    expect((await chosen(30, { labels: guesses, "dataset.keepLabels": true })).remarks[0]).toContain(", 26 labels");
    const { items, classes } = folderItems(folders[30]!.dir, { format: "copy" });
    const packed = { prefix: join(out, "pack"), shardSize: 100, seed: 1 };
    await packShards(items, { classes, format: "copy" }, packed);
    const asked = (labels: string) =>
      resolveConfig(flatten({ dataset: "shards", data: join(out, "pack-labeled-000000.tar"), labels }));
    expect(await countLabels(asked("all"), "shards")).toBe(24);
    expect(await countLabels(asked("7"), "shards")).toBe(7);
    expect(await countLabels(asked(guesses), "shards")).toBe(2);
  });

  it("a run too short to learn labels from half of the batch shows more of them", async () => {
    const { remarks } = await chosen(30, { steps: 300, labels: 100 });
    expect(remarks[0]).toContain("--labeled-batch 75");
    expect(await chosen(30, { steps: 800, labels: 100 })).toMatchObject({ labeledBatch: 63 });
    expect(await chosen(30, { steps: 800, labels: 100 }, "cuda")).toMatchObject({ labeledBatch: 63 });
    // The rest of the batch is for unlabeled pictures where labels are fewer.
    expect(await chosen(30, { steps: 2, labels: 40 })).toMatchObject({ labeledBatch: 40 });
    expect(await chosen(30, { steps: 2, labels: 10 })).toMatchObject({ labeledBatch: 10 });
    expect(await chosen(30, { steps: 1000, labels: 100, labeledBatch: 10 })).toMatchObject({ labeledBatch: 10 });
    expect(await chosen(30, { steps: 300, labels: 100, method: "supervised" })).toMatchObject({ labeledBatch: 100 });
    expect(await chosen(30, { steps: 300, labels: 100, sampler: "mixed" })).toMatchObject({ labeledBatch: 25 });
  });

  it("rows with a label are whole rows where three quarters of the batch are not", async () => {
    expect(await chosen(30, { batch: 10, labels: 30 })).toMatchObject({ labeledBatch: 7 });
    expect(await chosen(30, { batch: 50, labels: 100, steps: 300 })).toMatchObject({ labeledBatch: 37 });
  });

  it("a GPU has larger pictures, the whole network and all steps", async () => {
    const found = await chosen(200, { labels: 100 }, "cuda");
    expect(found).toMatchObject({ size: 128, weak: "photo", width: 1, dropout: 0.5, steps: 10_000, labeledBatch: 25 });
    expect(found).not.toMatchObject({ teacherNoise: 0 });
    expect(await chosen(60, {}, "cuda")).toMatchObject({ size: 64, weak: "photo" });
  });

  it("any option overrides its part, and what it decides follows it", async () => {
    const found = await chosen(200, {
      "dataset.size": 48,
      steps: 7,
      labeledBatch: 30,
      "model.width": 0.5,
      weak: "translate",
    });
    // Who chooses another width has another network, and its passes stay as published.
    expect(found).toMatchObject({ size: 48, weak: "translate", width: 0.5, dropout: 0.5, steps: 7, remarks: [] });
    expect(await chosen(200, { "dataset.size": 64 })).toMatchObject({ size: 64, weak: "photo", steps: 800 });
    const noisyTeacher = await chosen(30, { "method.teacherNoise": 0.1, "model.dropout": 0.4 });
    expect(noisyTeacher).toMatchObject({ teacherNoise: 0.1, teacherDropout: 0, dropout: 0.4, width: 0.25 });
  });

  it("a network that was chosen keeps its width, and a data set that is no folder of pictures stays as it is", async () => {
    expect(await chosen(30, { model: "wide-resnet" })).not.toMatchObject({ width: 0.25 });
    const digits = resolveConfig(flatten({ dataset: "digits" }));
    const { config, remarks } = await photoDefaults(digits, { name: "digits" }, {}, "cpu");
    expect(config).toEqual(digits);
    expect(remarks).toEqual([]);
  });
});

describe("with official weights", () => {
  const weights = { "model.weights": "efficientnet-b0.tv1" };

  it("network, size, normalization, resampling, views, head and rates are theirs", async () => {
    const found = await chosen(200, weights);
    expect(found).toMatchObject({
      model: "efficientnet",
      size: 256,
      crop: 224,
      normalize: "imagenet",
      interpolation: "bicubic",
      weak: "photo",
      headStart: "means",
      factor: 0.1,
      batch: 32,
      labeledBatch: 8,
      steps: 150,
    });
    expect(found.remarks).toHaveLength(1);
    expect(await chosen(200, weights, "cuda")).toMatchObject({ steps: 1000 });
    expect(await chosen(200, { ...weights, method: "supervised" })).toMatchObject({ batch: 32, labeledBatch: 32 });
  });

  it("the batch has room for the labeled rows that were asked for", async () => {
    const rows = async (given: object) => {
      const { batch, labeledBatch } = await chosen(200, { ...weights, ...given });
      return [batch, labeledBatch];
    };
    expect(await rows({ labeledBatch: 40 })).toEqual([100, 40]);
    expect(await rows({ labeledBatch: 10 })).toEqual([40, 10]);
    expect(await rows({ labeledBatch: 4 })).toEqual([32, 4]);
    expect(await rows({ labeledBatch: 4, batch: 6 })).toEqual([6, 4]);
    expect(await rows({ labeledBatch: 40, method: "supervised" })).toEqual([32, 32]);
  });

  it("what contradicts them is said, with what to type", async () => {
    const found = await chosen(200, { ...weights, normalize: "channel", "dataset.size": 64 });
    expect(found).toMatchObject({ size: 64, normalize: "channel", crop: undefined });
    expect(found.remarks.slice(1)).toEqual([
      "these weights were trained with --normalize imagenet, and this run has channel",
      "these weights were trained on pictures of 224 pixels, and this run has 64; --dataset.size 256 --crop 224 is theirs",
    ]);
    expect((await chosen(200, { ...weights, "dataset.size": 224 })).remarks).toHaveLength(1);
  });
});

it("a sample has at most so many pictures, evenly, and all where they are few", () => {
  const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
  for (const n of [0, 1, 63, 64]) expect(evenly(upTo(n), 64)).toEqual(upTo(n));
  for (const n of [65, 100, 127, 129, 1000]) {
    expect(new Set(evenly(upTo(n), 64)).size).toBe(64);
    expect(evenly(upTo(n), 64).at(-1)).toBeGreaterThanOrEqual(n - Math.ceil(n / 64));
  }
  expect(evenly(upTo(128), 64)).toEqual(upTo(64).map((i) => 2 * i));
});

describeEngine("with weights of a run of our own", () => {
  it("its network, options and pictures are taken, and the head starts from the means of the classes", async () => {
    const small = { threads: 1, precision: "fp32", data: folders[60]!.dir, dataset: "folder" };
    const first = {
      ...small,
      "dataset.size": 24,
      "dataset.channels": "color",
      model: "convnet-tiny",
      "model.width": 0.5,
      method: "supervised",
      batch: 8,
      steps: 20,
    };
    await trainToEnd(resolveConfig(flatten({ ...first, out: join(out, "first") })));
    const weights = join(out, "first", "checkpoints", "step-20", "student.safetensors");
    // Three classes, so that the file's head, of two, does not fit.
    const three = await pictureFolder(
      Object.fromEntries(
        ["a", "b", "c"].flatMap((name, k) =>
          Array.from({ length: 8 }, (_, i) => [
            `${name}/${i}.jpg`,
            noisy(300 + 10 * k + i, [k === 0 ? 160 : 60, k === 1 ? 160 : 60, k === 2 ? 160 : 60], { amount: 40 }),
          ]),
        ),
      ),
    );
    const run = async (name: string, given: Readonly<Record<string, unknown>>) => {
      const path = join(out, name);
      const config = resolveConfig(
        flatten({ ...small, data: three.dir, "model.weights": weights, steps: 1, batch: 6, out: path, ...given }),
      );
      const { result, events } = await trainToEnd(config);
      return { error: result!.error, events, config: JSON.parse(readFileSync(join(path, "config.json"), "utf8")) };
    };
    const still = { method: "supervised", "optimizer.lr": 0, "model.freeze": "backbone" };
    const means = await run("means", still);
    expect(means.config).toMatchObject({ model: "convnet-tiny", steps: 1, normalize: "channel" });
    expect(means.config.modelOptions).toMatchObject({ width: 0.5, headStart: "means" });
    expect(means.config.datasetOptions).toMatchObject({ size: 24 });
    expect(means.config).not.toHaveProperty("byDefault");
    expect(JSON.stringify(means.events)).toContain("starts from the mean features of the classes");
    const nearest = await run("prototypes", { method: "prototypes" });
    expect(JSON.stringify(nearest.events)).toContain("this head starts fresh: prototypes sets it");
    const random = await run("random", { ...still, "model.headStart": "random" });
    expect(means.error).toBe(nearest.error);
    expect(means.error).toBeLessThan(random.error);
    three.remove();
  });

  it("pictures are gray where the run's were", async () => {
    const { dir } = folders[30]!;
    const gray = { dataset: "folder", data: dir, threads: 1, precision: "fp32", "dataset.channels": "gray" };
    const [first, second] = [join(out, "gray"), join(out, "of-gray")];
    const short = { "dataset.size": 24, model: "convnet-tiny", method: "supervised", steps: 1 };
    await trainToEnd(resolveConfig(flatten({ ...gray, ...short, out: first })));
    const weights = join(first, "checkpoints", "step-1", "student.safetensors");
    const { "dataset.channels": _, ...colors } = gray;
    const probe = { ...colors, "model.weights": weights, method: "linear-probe", out: second };
    const { events } = await trainToEnd(resolveConfig(flatten(probe)));
    expect(JSON.stringify(events)).toContain("--dataset.size 24 --dataset.channels gray --normalize channel");
  });
});
