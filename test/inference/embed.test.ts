// Features of pictures: of a run they are what its head is given, of weights from elsewhere they follow the weights; the cache.
import { execFileSync } from "node:child_process";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { fsPath } from "../../src/files/names.js";
import { writeSafetensors } from "../../src/files/safetensors.js";
import { type Embedding, embed } from "../../src/inference/embed.js";
import { openPictureModel } from "../../src/inference/picture-model.js";
import { openPredictor } from "../../src/inference/predict.js";
import { findModel } from "../../src/models/index.js";
import { namedBuffers, namedParameters, withoutValues } from "../../src/nn/index.js";
import { parseOptions } from "../../src/options.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { addPictures, noisy, pictureFolder } from "../support/pictures.js";
import { relativeError, tensorValues } from "../support/torchvision.js";
import { trainToEnd } from "../support/train-run.js";

let dir: string;
let remove: () => void;
let files: string[];
beforeAll(async () => {
  ({ dir, remove } = await pictureFolder({ "other/broken.png": "no picture" }));
  for (const [k, name] of ["red", "green"].entries()) {
    for (let i = 0; i < 6; i++) {
      const color = k === 0 ? ([150, 90, 90] as const) : ([90, 150, 90] as const);
      for (const [p, part] of ["data", "data/test"].entries()) {
        const picture = noisy(i + 10 * k + 100 * p, color, { width: 40, height: 36 });
        await addPictures(dir, { [`${part}/${name}/${i}.png`]: picture });
      }
    }
  }
  files = ["red/0", "red/1", "green/0", "red/0"].map((name) => join(dir, "data", `${name}.png`));
});
afterAll(() => remove());

async function collect(items: AsyncIterable<Embedding>): Promise<Embedding[]> {
  const all: Embedding[] = [];
  for await (const item of items) all.push(item);
  return all;
}
const featuresOf = (items: readonly Embedding[]) =>
  items.map((item) => ("features" in item ? [...item.features] : item.error));

/** Small running variances: with arbitrary ones the signal fades in a network this deep. */
const numbers = (name: string, shape: readonly number[]) =>
  name.endsWith("running_var") ? new Float32Array(shape[0]!).fill(0.01) : tensorValues(name, shape);

/** Weights of a network for pictures of the size that official ones want. */
function writeWeights(model: string, values: typeof numbers): string {
  const path = join(dir, `${model}.safetensors`);
  const tensors = withoutValues(() => {
    const { definition, preset } = findModel(model);
    const net = definition.create(
      { channels: 3, height: 224, width: 224, numClasses: 5 },
      parseOptions(definition.options, { ...preset }, "m"),
    );
    return [...namedParameters(net), ...namedBuffers(net)].map(({ name, tensor: { shape } }) => [name, shape] as const);
  });
  const file = tensors.map(([name, shape]) => [
    name,
    { dtype: "F32" as const, shape, bytes: () => new Uint8Array(values(name, shape).buffer) },
  ]);
  writeSafetensors(path, Object.fromEntries(file));
  return path;
}

describeEngine("embed", () => {
  test("of a run: the head on them gives the run's predictions", async () => {
    const given = {
      dataset: "folder",
      data: join(dir, "data"),
      labels: "all",
      method: "supervised",
      model: "convnet-tiny",
      batch: 6,
      steps: 3,
      threads: 1,
      // The sum below is exact; in bfloat16, the default where the processor has it, the network's is not.
      precision: "fp32",
    };
    const run = join(dir, "run");
    await trainToEnd(resolveConfig(flatten({ ...given, "dataset.size": 16, out: run })));
    const source = await openPictureModel(run);
    const items = await collect(embed(source, files, { batch: 3, cache: null }));
    const head = Object.fromEntries(
      source.model.parameters
        .filter(({ part }) => part === "head")
        .map(({ name, tensor }) => [name, tensor.toNumbers()]),
    );
    const [weight, bias] = [head["fc.weight"]!, head["fc.bias"]!];
    const predictor = await openPredictor(run);
    for (const [i, file] of files.entries()) {
      const h = featuresOf(items)[i] as number[];
      const logits = bias.map((b, k) => b + h.reduce((sum, v, d) => sum + v * weight[k * h.length + d]!, 0));
      const odds = 1 / (1 + Math.exp(logits[1]! - logits[0]!));
      expect((await predictor.classify(file)).probabilities[0]).toBeCloseTo(odds, 4);
    }
  });

  test("of weights: unreadable files are named, equal pictures have equal features, and the second time all are known", async () => {
    const path = writeWeights("mobilenet-v3-small", numbers);
    const cache = join(dir, "cache");
    await expect(openPictureModel(path, { role: "student" })).rejects.toThrow(
      /--role has no effect here: it is for runs/,
    );
    const source = await openPictureModel(path, { size: 64, threads: 1 });
    const [latin, pipe] = [join(dir, "caf\udce9.png"), join(dir, "pipe.png")]; // a name that is not UTF-8
    copyFileSync(files[1]!, fsPath(latin));
    execFileSync("mkfifo", [pipe]);
    const wanted = [...files, join(dir, "other", "broken.png"), join(dir, "none.png"), pipe, latin];
    const first = await collect(embed(source, wanted, { batch: 4, cache }));
    const rows = featuresOf(first);
    expect(rows.slice(4)).toEqual([
      expect.stringMatching(/this is text/),
      "there is no such file",
      "not a file",
      expect.any(Array),
    ]);
    expect(relativeError(rows[7] as number[], rows[1] as number[])).toBeLessThan(1e-4);
    expect(rows[0]).toHaveLength(1024);
    expect(rows[3]).toEqual(rows[0]);
    expect(relativeError(rows[1] as number[], rows[2] as number[])).toBeGreaterThan(1e-3);
    const second = await collect(embed(source, wanted, { batch: 4, cache }));
    expect(second.filter((item) => "cached" in item && item.cached)).toHaveLength(5);
    expect(featuresOf(second).slice(0, 4)).toEqual(rows.slice(0, 4));

    // Another size of pictures, or other numbers in the network, are other features.
    const larger = await openPictureModel(path, { size: 96, threads: 1 });
    expect(
      (await collect(embed(larger, files.slice(0, 1), { cache }))).map((item) => "cached" in item && item.cached),
    ).toEqual([false]);
    scope(() => source.model.parameters[0]!.tensor.detach().mul_(1.01));
    expect(
      (await collect(embed(source, files.slice(0, 1), { cache }))).map((item) => "cached" in item && item.cached),
    ).toEqual([false]);
    expect(readdirSync(cache)).toHaveLength(3);

    // A cache that cannot be written, here below a file, is told once and costs nothing else.
    const notes: string[] = [];
    const many = Array.from({ length: 70 }, (_, i) => files[i % files.length]!);
    const below = { batch: 1, cache: join(path, "cache"), onNote: (line: string) => notes.push(line) };
    expect(featuresOf(await collect(embed(source, many, below)))).toHaveLength(70);
    expect(notes).toEqual([
      expect.stringMatching(/features are not kept: cannot write .*cache.*ENOTDIR.*FEWLABELS_CACHE.*--no-cache/),
    ]);
    rmSync(cache, { recursive: true });
  });

  test("of weights of ConvNeXt: pictures below 64 pixels do not change its first convolution", async () => {
    const path = writeWeights("convnext-tiny", (_, shape) => new Float32Array(shape.reduce((a, n) => a * n, 1)));
    const { model } = await openPictureModel(path, { size: 48, threads: 1 });
    expect(model.parameters[0]!.tensor.shape).toEqual([96, 3, 4, 4]);
    for (const { tensor } of model.parameters) tensor.release();
    rmSync(path);
  });
});
