// `exportRun`: what is written, for runs of every normalization, and what is refused.
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { NEVER, sureThreshold } from "../../src/export/check.js";
import { exportRun } from "../../src/export/export.js";
import type { Golden } from "../../src/export/formats/transformers.js";
import { networkToOnnx } from "../../src/export/network-to-onnx.js";
import { decodeOnnx, readOnnx } from "../../src/export/onnx/file.js";
import { toHalf } from "../../src/export/onnx/shrink.js";
import { openPictureModel } from "../../src/inference/picture-model.js";
import { openPredictor } from "../../src/inference/predict.js";
import {
  batchNorm2d,
  conv2d,
  globalAvgPool,
  initialize,
  layer,
  linear,
  network,
  sequential,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { RunFolder } from "../../src/run/index.js";
import { call, type Tensor, tensor } from "../../src/torch/index.js";
import { openJudge } from "../../src/web/open-judge.js";
import { describeEngine } from "../support/engine.js";
import { kinds, newPhotos, photoRun } from "../support/photos.js";
import { describeRuntimes, runtimesFolder } from "../support/runtimes.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
let count = 0;
const fresh = (name: string) => join(folder, `${count++}-${name}`);
const digits = async (given: Record<string, unknown>) => {
  const run = fresh("run");
  await trainToEnd(configure(run, { method: "supervised", steps: 4, ...given }));
  return run;
};

describeEngine("export", () => {
  const sameClasses = async (run: string, images: number) => {
    const { difference, test, checkedBy } = await exportRun(run, {
      format: "onnx",
      out: fresh("x.onnx"),
      testPictures: 1000,
    });
    expect(checkedBy).toBeTruthy();
    expect(difference).toBeLessThan(1e-4);
    expect(test).toMatchObject({ images, changed: 0, error: test!.exportedError });
    expect(readdirSync(folder).filter((entry) => entry.startsWith(".tmp"))).toEqual([]);
  };

  test.each<[string, Record<string, unknown>]>([
    ["channel", {}],
    ["image", { normalize: "image" }],
    ["none", { normalize: "none" }],
  ])("%s: the same class for every test picture", async (_, given) => sameClasses(await digits(given), 60));

  // Small pictures: the whitening of 3 x 10 x 10 numbers takes no time.
  test.each(["zca", "gcn-zca"])("%s: the same class for every test picture", async (normalize) => {
    const dir = fresh("photos");
    mkdirSync(dir);
    const run = await photoRun(dir, { normalize, "dataset.size": 10, steps: 3 });
    await sameClasses(run, 60);
    await expect(openPredictor(run)).rejects.toThrow(/whitens/);
  });

  test("a run that whitens is exported where its labels file has moved, and its weights without any data", async () => {
    const dir = fresh("photos");
    mkdirSync(dir);
    const [labels, moved] = [join(dir, "labels.csv"), join(dir, "moved.csv")];
    const rows = kinds.flatMap((kind) => [0, 1, 2, 3, 4, 5].map((i) => `${kind}/${i}.png,${kind}`));
    writeFileSync(labels, ["file,label", ...rows].join("\n"));
    const run = await photoRun(dir, { normalize: "zca", "dataset.size": 10, steps: 1, labels });
    renameSync(labels, moved);
    const asked = { format: "onnx", testPictures: 60 } as const;
    await expect(exportRun(run, { ...asked, out: fresh("x.onnx") })).rejects.toThrow(/no such labels file/);
    const { test, remarks } = await exportRun(run, { ...asked, out: fresh("x.onnx"), labels: moved });
    expect(test).toMatchObject({ images: 60, changed: 0 });
    expect(remarks).toEqual([]);
    await expect(exportRun(run, { ...asked, out: fresh("x.onnx"), labels: "12" })).rejects.toThrow(/--labels 12/);
    renameSync(join(dir, "data"), join(dir, "gone"));
    await exportRun(run, { format: "safetensors", out: fresh("weights") });
  });

  test.each(["none", "image"])("points, normalized by %s: the same class for every one", async (normalize) => {
    const run = fresh("points");
    const given = { dataset: "two-moons", model: "mlp", method: "supervised", labels: 6, batch: 12, labeledBatch: 6 };
    await trainToEnd(resolveConfig(flatten({ ...given, steps: 3, threads: 1, evalEvery: 0, normalize, out: run })));
    const unchecked = await exportRun(run, { format: "onnx", out: fresh("x.onnx") });
    expect(unchecked.difference).toBeLessThan(1e-4);
    const { test } = await exportRun(run, { format: "onnx", out: fresh("x.onnx"), testPictures: 1000 });
    expect(test!.images).toBeGreaterThan(100);
    expect(test!.changed).toBe(0);
    await expect(exportRun(run, { format: "web", out: fresh("page") })).rejects.toThrow(/no sense/);
  });

  test("says in the file what it is", async () => {
    const run = await digits({});
    const out = fresh("x.onnx");
    await exportRun(run, { format: "onnx", out });
    const { metadata, input, output } = readOnnx(out);
    expect(JSON.parse(metadata.classes!)).toEqual([..."0123456789"]);
    expect(input).toEqual({ name: "pixel_values", type: "float32", shape: ["batch", 3, 32, 32] });
    expect(output).toEqual({ name: "logits", type: "float32", shape: ["batch", 10] });
    expect(JSON.parse(metadata.fewlabels!)).toMatchObject({ run: { method: "supervised", step: 4, role: "teacher" } });
  });

  test("fp16 and int8 are smaller and say what they cost", async () => {
    const run = await digits({ "model.width": 1, steps: 10 });
    const sizes: number[] = [];
    for (const dtype of ["fp32", "fp16", "int8"] as const) {
      const report = await exportRun(run, { format: "onnx", dtype, out: fresh(`${dtype}.onnx`) });
      sizes.push(report.files[0]!.bytes);
      if (dtype !== "fp32") {
        expect(report.test!.images).toBe(60);
        expect(Math.abs(report.test!.error - report.test!.exportedError)).toBeLessThan(10);
      }
    }
    expect(sizes[1]! / sizes[0]!).toBeLessThan(0.6);
    expect(sizes[2]! / sizes[0]!).toBeLessThan(0.45);
  });

  test("takes the checkpoint and the role asked for", async () => {
    const run = await digits({ steps: 4, checkpointEvery: 2 });
    const steps = async (checkpoint: string, role?: string) => {
      const out = fresh("x.onnx");
      await exportRun(run, { format: "onnx", out, checkpoint, role });
      return JSON.parse(readOnnx(out).metadata.fewlabels!).run;
    };
    expect(await steps("2", "student")).toMatchObject({ step: 2, role: "student" });
    expect(await steps("last")).toMatchObject({ step: 4, role: "teacher" });
    await expect(steps("3")).rejects.toThrow(
      /expected last, best or a step for --checkpoint, got 3. Steps there: 2, 4/,
    );
    await expect(steps("best")).rejects.toThrow(/kept no best checkpoint/);
    await expect(steps("last", "techer")).rejects.toThrow(/teacher/);
  });

  test("refuses what can change nothing", async () => {
    const run = await digits({ steps: 1 });
    const asked = (more: object) => exportRun(run, { format: "onnx", out: fresh("x.onnx"), ...more });
    await expect(asked({ sure: 0.5 })).rejects.toThrow(/--sure has no effect here: it needs --format web/);
    const weights = { format: "safetensors", out: fresh("weights") };
    await expect(asked({ ...weights, testPictures: 10 })).rejects.toThrow(/--test-pictures has no effect/);
    await expect(asked({ ...weights, data: folder })).rejects.toThrow(/--data has no effect/);
    const out = fresh("served.onnx");
    await asked({ out });
    await expect(openJudge(out, { maxMegapixels: 10, role: "student" })).rejects.toThrow(/--role has no effect/);
    await expect(openJudge(out, { maxMegapixels: 10, device: "cpu" })).rejects.toThrow(/--device has no effect/);
    await expect(openPictureModel(run, { size: 64 })).rejects.toThrow(/--size has no effect here: it is for weights/);
  });

  test("replaces nothing without being told to, and leaves nothing half-written", async () => {
    const run = await digits({});
    const out = fresh("x.onnx");
    writeFileSync(out, "mine");
    await expect(exportRun(run, { format: "onnx", out })).rejects.toThrow(/already there/);
    expect(readFileSync(out, "utf8")).toBe("mine");
    await exportRun(run, { format: "onnx", out, force: true });
    expect(readOnnx(out).nodes.length).toBeGreaterThan(5);
    const there = fresh("weights-twice");
    await exportRun(run, { format: "safetensors", out: there });
    await exportRun(run, { format: "safetensors", out: there, force: true });
    await expect(exportRun(run, { format: "onnx", out: join(folder, "no/such/x.onnx") })).rejects.toThrow(
      /cannot write/,
    );
  });

  test("--force removes neither the run, nor what holds it, nor what is no export", async () => {
    const run = await digits({});
    const photos = fresh("photos");
    mkdirSync(photos);
    writeFileSync(join(photos, "a.png"), "picture");
    const places = [
      [run, "safetensors", /holds the run itself/],
      [dirname(run), "safetensors", /holds the run itself/],
      [".", "safetensors", /holds the working folder/],
      [join(run, "checkpoints"), "safetensors", /is no earlier export/],
      [photos, "safetensors", /is no earlier export/],
      [photos, "onnx", /photos is a folder. Give a file with --out, such as .*model\.onnx/],
      [".", "onnx", /is a folder/],
    ] as const;
    for (const [out, format, why] of places) {
      await expect(exportRun(run, { format, out, force: true }), `${format} ${out}`).rejects.toThrow(why);
    }
    expect(readdirSync(run)).toContain("config.json");
    expect(readdirSync(photos)).toEqual(["a.png"]);
  });

  test("an export is no run", async () => {
    const out = fresh("as-run");
    await exportRun(await digits({}), { format: "safetensors", out });
    expect(() => RunFolder.open(out)).toThrow(/as-run is not a run folder: .* an export cannot be used in its place/);
  });

  test("safetensors go back in by --model.weights, and say what timm reads", async () => {
    const run = await digits({});
    const out = fresh("weights");
    await exportRun(run, { format: "safetensors", out });
    expect(readdirSync(out).sort()).toEqual(["config.json", "model.safetensors"]);
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config).toMatchObject({
      architecture: "convnet-tiny",
      num_classes: 10,
      pretrained_cfg: { input_size: [3, 32, 32] },
    });
    // Trained further with a learning rate of 0: the same network.
    const again = await digits({
      steps: 1,
      "optimizer.lr": 0,
      "model.weights": join(out, "model.safetensors"),
      "optimizer.weightDecay": 0,
    });
    const second = fresh("weights");
    await exportRun(again, { format: "safetensors", out: second, role: "student" });
    const { readSafetensors } = await import("../../src/files/safetensors.js");
    const [a, b] = [out, second].map((path) => readSafetensors(join(path, "model.safetensors")));
    expect([...b!.keys()]).toEqual([...a!.keys()]);
    for (const [name, { bytes }] of a!)
      if (name.endsWith("weight")) expect(Buffer.from(b!.get(name)!.bytes)).toEqual(Buffer.from(bytes));
  });

  test.each(["channel", "image"])(
    "pictures that evaluation crops, normalized by %s: the crop is in the graph",
    async (normalize) => {
      const dir = fresh("photos");
      mkdirSync(dir);
      const given = { "dataset.size": 32, weak: "photo", crop: 28, steps: 2, evalCrop: 0.875, normalize };
      const run = await photoRun(dir, given);
      const report = await exportRun(run, { format: "onnx", out: fresh("x.onnx"), testPictures: 60 });
      expect(report.test).toMatchObject({ changed: 0, images: 60 });
    },
  );

  test("pictures that evaluation crops and resizes: the weights alone are written", async () => {
    const other = fresh("photos");
    mkdirSync(other);
    const resized = await photoRun(other, { weak: "photo", crop: 24, steps: 1, evalCrop: 1 });
    await expect(exportRun(resized, { format: "onnx", out: fresh("x.onnx") })).rejects.toThrow(
      /--crop 32.*safetensors has the weights alone/,
    );
    const out = fresh("weights");
    await exportRun(resized, { format: "safetensors", out });
    const { pretrained_cfg: told } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(told).toMatchObject({ input_size: [3, 24, 24], crop_pct: 1 });
  });

  test("a run of a version that did not know an option of its network is exported with the default", async () => {
    const run = await digits({ "model.width": 1 });
    const config = JSON.parse(readFileSync(join(run, "config.json"), "utf8"));
    const { width: _, ...known } = config.modelOptions;
    writeFileSync(join(run, "config.json"), JSON.stringify({ ...config, modelOptions: known }));
    const { difference } = await exportRun(run, { format: "onnx", out: fresh("x.onnx") });
    expect(difference).toBeLessThan(1e-4);
  });

  test("a served export answers as the run does, in gray as well", async () => {
    const run = await digits({ normalize: "image" });
    const out = fresh("folder");
    await exportRun(run, { format: "transformers", out });
    const golden = JSON.parse(readFileSync(join(out, "golden.json"), "utf8")) as Golden;
    const files = golden.pictures.map(({ file }) => join(out, file));
    const { judge } = await openJudge(out, { maxMegapixels: 10, threads: 1 });
    const { decodeImage } = await import("../../src/images/decode.js");
    let i = 0;
    for await (const prediction of (await openPredictor(run, { threads: 1 })).predict(files)) {
      if ("error" in prediction) throw new Error(prediction.error);
      expect(prediction.class).toBe(golden.pictures[i]!.class);
      const image = await decodeImage(readFileSync(files[i++]!), judge.decoding);
      if ("reason" in image) throw new Error(image.reason);
      const { channels, size } = judge.decoding;
      const got = judge.probabilities({
        pixels: image.pixels,
        count: 1,
        channels,
        height: size,
        width: size,
        labels: new Int32Array(1),
      });
      for (const [k, p] of got.entries()) expect(p).toBeCloseTo(prediction.probabilities[k]!, 4);
    }
    expect(i).toBe(8);
  });
});

describeEngine("networkToOnnx", () => {
  const input = { channels: 1, height: 8, width: 8, numClasses: 3 };
  const own = (middle: (x: Tensor) => Tensor) =>
    network({
      features: sequential({
        conv: conv2d(1, 4, { kernel: 3, bias: true }),
        norm: batchNorm2d(4),
        mine: layer(middle, "my layer"),
        pool: globalAvgPool(),
      }),
      fc: linear(4, 3),
    });

  test("exports a network from outside, batch norm folded", () => {
    const model = decodeOnnx(
      networkToOnnx(
        own((x) => x.mul(x.sigmoid()).sub(0.5)),
        input,
      ),
      "mine",
    );
    expect(model.nodes.map(({ op }) => op)).toEqual([
      "Mul",
      "Add",
      "Conv",
      "Sigmoid",
      "Mul",
      "Sub",
      "ReduceMean",
      "Gemm",
      "Identity",
    ]);
  });

  test("names the operator that has no translation, and its layer", () => {
    const net = own((x) => call("aten::erfc", "", x) as Tensor);
    expect(() => networkToOnnx(net, input)).toThrow(
      /aten::erfc in features\.mine \(my layer\): this operator has no translation/,
    );
  });

  const expanded = (x: Tensor, lengths: readonly number[]) => call("aten::expand", "", x, lengths, false) as Tensor;
  const flattened = (x: Tensor, from: number, to: number) => call("aten::flatten", "using_ints", x, from, to) as Tensor;
  const turned = (x: Tensor) => (x.shape.length === 1 ? x.reshape([-1, 64]).transpose(0, 1) : x.transpose(0, 1));
  const shaped = (features: (x: Tensor) => Tensor, size: number) => {
    const net = network({ features: layer(features, "mine"), fc: linear(size, 3) });
    initialize(net, Rng.fromSeed(1));
    return net;
  };

  test.each<[string, (x: Tensor) => Tensor, number]>([
    [
      "a length left open",
      (x) =>
        x
          .reshape([-1, 16])
          .mul(2)
          .reshape([x.size(0), 64]),
      64,
    ],
    ["one left open beside the batch's", (x) => x.reshape([x.size(0), -1]), 64],
    ["one left open behind several of the batch's", (x) => x.reshape([2 * x.size(0), -1]).reshape([-1, 64]), 64],
    ["one left open before the batch's", (x) => turned(turned(x.flatten()).reshape([-1, x.size(0)])), 64],
    [
      "the batch in an axis with others",
      (x) =>
        flattened(x, 0, 2)
          .mul(2)
          .reshape([x.size(0), 64]),
      64,
    ],
    ["lengths kept by expand", (x) => expanded(x, [-1, 3, -1, 8]).flatten(1), 192],
    ["axes put before the batch's", (x) => expanded(x.flatten(1), [2, x.size(0), 64]).select(0, 1), 64],
    ["a part counted from the end", (x) => x.flatten(1).narrow(1, -4, 4), 4],
  ])("shapes: %s", (_, features, size) => {
    const model = decodeOnnx(networkToOnnx(shaped(features, size), input), "mine");
    expect(model.nodes.length).toBeGreaterThan(1);
  });

  test("the graph is checked exactly before its weights become smaller", () => {
    // Of pixels, which are never negative, this is another network than of the noise that the pass is recorded on.
    const net = shaped((x) => x.mul(Math.min(...x.toNumbers()) < 0 ? 1 : 1.5).flatten(1), 64);
    for (const dtype of ["fp32", "fp16", "int8"] as const)
      expect(() => networkToOnnx(net, { ...input, dtype }), dtype).toThrow(/gives other logits/);
  });

  test("refuses a pass that depends on the size of the batch", () => {
    const net = own((x) => x.div(x.size(0)));
    expect(() => networkToOnnx(net, input)).toThrow(/features\.mine.*depends on the size of the batch/);
    const noisy = own((x) => x.add(tensor(Float32Array.from({ length: 8 }, Math.random), [8])));
    expect(() => networkToOnnx(noisy, input)).toThrow(/features\.mine/);
  });
});

test("half precision rounds to nearest even, and keeps what is small and large", () => {
  const values = Float32Array.of(
    0,
    1,
    -1,
    0.1,
    65504,
    1e6,
    2 ** -24,
    2 ** -26,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
    2047.9999,
  );
  const bits = new Uint16Array(toHalf(values).buffer);
  expect([...bits].map((b) => b.toString(16))).toEqual([
    "0",
    "3c00",
    "bc00",
    "2e66",
    "7bff",
    "7bff",
    "1",
    "0",
    "3c00",
    "3c02",
    "6800",
  ]);
});

test("the page's threshold is the least confidence that keeps the promise", () => {
  const confidence = Float64Array.of(0.9, 0.8, 0.7, 0.6, 0.5);
  const of = (right: number[], wanted: number) => sureThreshold({ confidence, right: Uint8Array.from(right) }, wanted);
  expect(of([1, 1, 1, 0, 0], 0.95)).toMatchObject({ threshold: 0.7, sure: 0.6, rightWhenSure: 1 });
  expect(of([1, 1, 0, 1, 1], 0.8)).toMatchObject({ threshold: 0.5, sure: 1 });
  expect(of([0, 0, 0, 0, 0], 0.95)).toMatchObject({ threshold: NEVER, sure: 0 });
  expect(sureThreshold(undefined)).toEqual({ threshold: 0.5, wanted: 0.95 });
});

test("the page is sure of just the test pictures that its threshold was found on, also where float32 knows no difference from 1", () => {
  // As the page computes it, of logits 20, 0, 0 and 8, 0, 0.
  const [high, low] = [1 / (1 + 2 * Math.exp(-20)), 1 / (1 + 2 * Math.exp(-8))];
  const confidence = Float64Array.of(high, high, high, low);
  const found = sureThreshold({ confidence, right: Uint8Array.of(1, 1, 1, 0) });
  expect(confidence.filter((p) => p >= found.threshold)).toHaveLength(3);
  expect(found.sure).toBe(0.75);
  // Where it is never to be sure, not even certainty reaches the threshold.
  const never = sureThreshold({ confidence: Float64Array.of(1, 1), right: Uint8Array.of(1, 0) });
  expect(never.sure).toBe(0);
  expect(1 >= never.threshold).toBe(false);
});

describeRuntimes("transformers.js in Node", () => {
  let run: string;
  const dir = fresh("photos");
  beforeAll(async () => {
    mkdirSync(dir);
    run = await photoRun(dir);
  });

  test("loads the folder unedited: predict's classes, and the golden logits", async () => {
    const models = fresh("models");
    mkdirSync(models);
    await exportRun(run, { format: "transformers", out: join(models, "mine"), role: "student" });
    const require = createRequire(join(runtimesFolder, "package.json"));
    const { pipeline, env } = await import(
      pathToFileURL(require.resolve("@huggingface/transformers").replace(/\.cjs$/, ".mjs")).href
    );
    Object.assign(env, { allowRemoteModels: false, localModelPath: `${models}/` });
    const classify = await pipeline("image-classification", "mine");
    const golden = JSON.parse(readFileSync(join(models, "mine/golden.json"), "utf8")) as Golden;
    // As its card and docs/commands/export.md say, from the folder that it lies in.
    symlinkSync(join(runtimesFolder, "node_modules"), join(models, "node_modules"));
    copyFileSync(join(models, "mine", golden.pictures[0]!.file), join(models, "cat.jpg"));
    const page = readFileSync(new URL("../../docs/commands/export.md", import.meta.url), "utf8");
    const shown = [
      /```js\n(.*?)```/s.exec(readFileSync(join(models, "mine/README.md"), "utf8"))![1]!,
      /^ {4}import \{ pipeline .*?\n\n/ms
        .exec(page)![0]
        .replace('await classify("cat.jpg");', 'console.log(await classify("cat.jpg"));'),
    ];
    for (const code of shown) {
      writeFileSync(join(models, "shown.mjs"), code);
      const said = execFileSync(process.execPath, ["shown.mjs"], { cwd: models, encoding: "utf8" });
      expect(said).toContain(`label: '${golden.pictures[0]!.class}', score: `);
    }
    for (const { file, class: name } of golden.pictures) {
      expect((await classify(join(models, "mine", file)))[0].label).toBe(name);
    }
    const number = Number(process.env.FEWLABELS_PICTURES ?? 24);
    const photos = await newPhotos(join(dir, "new"), number);
    let [i, flipped, largest] = [0, 0, 0];
    for await (const p of (await openPredictor(run, { threads: 1, role: "student" })).predict(
      photos.map(({ file }) => file),
    )) {
      if ("error" in p) throw new Error(p.error);
      const [best] = await classify(photos[i++]!.file);
      if (best.label === p.class) largest = Math.max(largest, Math.abs(best.score - p.probability));
      else flipped++;
    }
    if (process.env.FEWLABELS_PICTURES)
      console.log("transformers.js, Node", JSON.stringify({ number, flipped, largest }));
    expect(flipped).toBeLessThanOrEqual(Math.floor(number / 50));
    expect(existsSync(join(models, "mine/onnx/model.onnx"))).toBe(true);
  });
});
