import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { predictRun } from "../../src/inference/prediction-table.js";
import { RunFolder } from "../../src/run/index.js";
import { openSession } from "../../src/session/session.js";
import { PredictionTable } from "../../src/targets/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { noisy, pictureFolder } from "../support/pictures.js";
import {
  checkpointFiles,
  configure,
  continued,
  removeFolder,
  temporaryFolder,
  trainToEnd,
} from "../support/train-run.js";

/**
 * 24 + 24 labeled and 352 unlabeled pictures, JPEG and PNG, of 3 x 32 x 32 bytes once decoded: 1.2 MB. 1 MB is room for 325, more than the
 * 264 that the last step of a run needs at the same time.
 */
const SIZE = 32;
const STEPS = 17;
let pictures: { readonly dir: string; remove(): void };
let runs: string;
beforeAll(async () => {
  runs = temporaryFolder();
  const one = (seed: number) => noisy(seed, seed % 2 ? [200, 60, 40] : [40, 90, 180], { width: 24, height: 20 });
  const files = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => {
      const where = i < 48 ? (i % 2 ? "red" : "blue") : "unlabeled";
      return [`${where}/${i}.${i % 3 ? "jpg" : "png"}`, one(i)];
    }),
  );
  pictures = await pictureFolder(files);
});
afterAll(() => {
  pictures?.remove();
  removeFolder(runs);
});

const config = (name: string, memoryMB: number, given: Record<string, unknown> = {}) =>
  configure(join(runs, name), {
    dataset: "folder",
    data: pictures.dir,
    "dataset.train": undefined,
    "dataset.test": undefined,
    "dataset.size": SIZE,
    "dataset.memoryMB": memoryMB,
    "dataset.testShare": 0.4,
    labels: "all",
    method: "mean-teacher",
    steps: STEPS,
    batch: 8,
    labeledBatch: 3,
    testBatch: 5,
    evalEvery: 6,
    checkpointEvery: 5,
    keepCheckpoints: 10,
    val: 4,
    ...given,
  });

const measured = (run: string) =>
  RunFolder.open(run)
    .events()
    .flatMap((event) => {
      const { type, step, metrics, epoch, test, val } = event as Record<string, unknown>;
      return type === "step" || type === "evaluation" ? [{ type, step, metrics, epoch, test, val }] : [];
    });

describeEngine("a run whose pictures do not fit into memory", () => {
  const variants: [string, Record<string, unknown>][] = [
    ["channel statistics", {}],
    ["images normalized one by one", { normalize: "image" }],
    ["crops, strong views that learn", { method: "fixmatch", weak: "photo", crop: 20, strong: "ctaugment" }],
    ["one order for all images", { sampler: "mixed", labeledBatch: undefined, method: "temporal-ensembling" }],
    ["weight norm, which looks at images first", { model: "cnn-13", "model.width": 0.02, "model.norm": "weight" }],
    ["phases", { method: "meta-pseudo-labels", "method.finetuneSteps": 6 }],
  ];
  test.each(variants)("equals one whose pictures do, checkpoint by checkpoint: %s", async (title, given) => {
    const name = title.replaceAll(/\W+/g, "-");
    const [plenty, little] = [config(`${name}-plenty`, 100, given), config(`${name}-little`, 1, given)];
    await trainToEnd(plenty);
    // Interrupted at a step whose successors were drawn ahead, and continued.
    await trainToEnd(little, 8);
    await trainToEnd(continued(little.out));
    for (const step of [5, 10, 15, STEPS]) {
      expect(checkpointFiles(little.out, step), `step ${step}`).toEqual(checkpointFiles(plenty.out, step));
    }
    expect(measured(little.out)).toEqual(measured(plenty.out));
  });

  test("does decode on demand, keeps what fits and says so", async () => {
    const session = await openSession(config("open", 1));
    const { train, test: tests } = session.data;
    expect(train.pixels.length + tests.pixels.length).toBeLessThanOrEqual(1e6);
    expect(train.cache!.capacity).toBeLessThan(train.count);
    expect(session.remarks.join("\n")).toMatch(
      /400 pictures of 32x32 pixels take 2 MB, more than --dataset\.memoryMB 1/,
    );
    await session.batches.close();
    session.data.release();
  });

  test("is evaluated with the same error as in memory", async () => {
    const run = config("evaluated", 1, { steps: 6 });
    const { result } = await trainToEnd(run);
    const { result: again } = await evaluateRun(run.out, { split: "test" });
    expect(again.test).toEqual(result!.test);
    expect(result!.test.teacher!.n).toBe(20); // 40 % of 24 and of 24
  });

  test.each(["knn", "prototypes", "linear-probe"])("%s looks at more labeled pictures than fit", async (method) => {
    const labels = join(runs, "all.csv");
    const rows = Array.from(
      { length: 352 },
      (_, i) => `unlabeled/${i + 48}.${i % 3 ? "jpg" : "png"},${["blue", "red"][i % 2]}`,
    );
    writeFileSync(labels, `file,label\n${rows.join("\n")}\n`);
    const given = { method, labels, batch: 8, labeledBatch: undefined, steps: 1, val: 0 };
    const [plenty, little] = [config(`${method}-plenty`, 100, given), config(`${method}-little`, 1, given)];
    await trainToEnd(plenty);
    await trainToEnd(little);
    expect(checkpointFiles(little.out, 1)).toEqual(checkpointFiles(plenty.out, 1));
    expect(measured(little.out)).toEqual(measured(plenty.out));
  });

  test("refuses what needs all pictures in memory, with the option to raise", async () => {
    await expect(trainToEnd(config("whole", 1, { method: "self-training" }))).rejects.toThrow(
      /self-training needs \d+ pictures in memory.*--dataset\.memoryMB/,
    );
    await expect(trainToEnd(config("white", 1, { normalize: "zca" }))).rejects.toThrow(/zca: whitens.*memoryMB/);
  });

  test("checked by headers alone, fills in for a damaged file with another of its class, and says so", async () => {
    const path = join(pictures.dir, "unlabeled/50.jpg");
    const whole = readFileSync(path);
    const large = await noisy(50, [9, 9, 9], { width: 64, height: 64 }).jpeg().toBuffer();
    writeFileSync(path, large.subarray(0, 0.8 * large.length));
    try {
      const given = { "dataset.check": "header", normalize: "imagenet", "dataset.maxDamaged": 0.1 };
      const run = config("header", 1, { ...given, steps: 80 });
      await trainToEnd(run);
      const said = RunFolder.open(run.out)
        .events()
        .flatMap((event) => ("message" in event ? [event.message] : []));
      expect(said.join("\n")).toMatch(/unlabeled\/50\.jpg cannot be decoded \(cut short.*stands in for it; 1 so far/);
      const none = config("header-none", 1, { ...given, steps: 80, "dataset.maxDamaged": 0 });
      await expect(trainToEnd(none)).rejects.toThrow(/unlabeled\/50\.jpg \(cut short.*/);
    } finally {
      writeFileSync(path, whole);
    }
  });

  test("a stand-in has the label that a labels file gives, not any of a picture without one in its folder", async () => {
    const side = { width: 64, height: 64 };
    const all = Object.fromEntries(
      ["red/0", "red/1", "blue/0", "blue/1", "unlabeled/0", "unlabeled/1", "unlabeled/2", "unlabeled/3"].map(
        (name, i) => [`${name}.jpg`, noisy(i, [9 * i, 90, 90], side)],
      ),
    );
    const { dir, remove } = await pictureFolder(all);
    const path = join(dir, "unlabeled/0.jpg");
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 0.8 * whole.length));
    const labels = join(runs, "some.csv");
    writeFileSync(labels, "file,label\nunlabeled/0.jpg,red\nunlabeled/2.jpg,blue\nunlabeled/3.jpg,red\n");
    const given = { data: dir, labels, "dataset.check": "header", normalize: "imagenet", "dataset.maxDamaged": 0.5 };
    const session = await openSession(config("stand-in", 1, { ...given, method: "supervised", val: 0, batch: 2 }));
    const { train, split } = session.data;
    const { labeled, y } = split;
    expect([...labeled].map((row) => y[row])).toEqual([1, 0, 1]); // blue, red
    await train.cache!.hold(labeled).ready;
    const [damaged, blue, red] = [...train.cache!.places(labeled)].map((slot) =>
      Buffer.from(train.cache!.pixels.subarray(3 * SIZE ** 2 * slot, 3 * SIZE ** 2 * (slot + 1))).toString("hex"),
    );
    expect([damaged === red, damaged === blue]).toEqual([true, false]);
    await session.batches.close();
    session.data.release();
    remove();
  });

  test("a damaged test picture has a stand-in too, and is named", async () => {
    const side = { width: 64, height: 64 };
    const names = ["red", "blue"].flatMap((k) => [0, 1, 2, 3].flatMap((i) => [`${k}/${i}.jpg`, `test/${k}/${i}.jpg`]));
    const all = Object.fromEntries(names.map((name, i) => [name, noisy(i, [9 * i, 90, 90], side)]));
    const { dir, remove } = await pictureFolder(all);
    const path = join(dir, "test/red/2.jpg");
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, 0.8 * whole.length));
    const given = { data: dir, "dataset.check": "header", normalize: "imagenet", "dataset.maxDamaged": 0.5 };
    const run = config("tests-damaged", 1, { ...given, method: "supervised", val: 0, steps: 2, batch: 4 });
    await trainToEnd(run);
    const said = RunFolder.open(run.out)
      .events()
      .flatMap((event) => ("message" in event ? [String(event.message)] : []));
    expect(said.filter((message) => message.includes("cannot be decoded"))).toEqual([
      expect.stringMatching(/^test\/red\/2\.jpg cannot be decoded .*stands in for it; 1 so far/),
    ]);
    remove();
  });
});

describeEngine("predictions of pictures that do not fit into memory", () => {
  test("are those of pictures that do", async () => {
    await trainToEnd(config("predicting", 1000, { method: "supervised", steps: 2 }));
    const roomy = await predictRun(join(runs, "predicting"), { out: join(runs, "roomy.table"), dtype: "float32" });
    await trainToEnd(config("predicting-tight", 1, { method: "supervised", steps: 2 }));
    const tight = await predictRun(join(runs, "predicting-tight"), {
      out: join(runs, "tight.table"),
      dtype: "float32",
    });
    expect(tight.rows).toBe(roomy.rows);
    scope(() => {
      const rows = Array.from({ length: roomy.rows }, (_, i) => i);
      const [a, b] = [roomy, tight].map(({ out, rows: n, classes: numClasses, dataFingerprint }) => {
        return PredictionTable.open(out, { rows: n, numClasses, dataFingerprint }).read(rows).toNumbers();
      });
      expect(b).toEqual(a);
    });
  });
});
