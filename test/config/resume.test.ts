import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { catalog, choose } from "../../src/config/catalog.js";
import { runOptions } from "../../src/config/run-options.js";
import { DataError, UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { openRunModel } from "../../src/inference/picture-model.js";
import { methods } from "../../src/methods/index.js";
import type { OptionSpec } from "../../src/options.js";
import { readEvents } from "../../src/run/index.js";
import { describeEngine } from "../support/engine.js";
import { noisy, pictureFolder } from "../support/pictures.js";
import {
  checkpointFiles,
  configure,
  continued,
  folderOfThisFile,
  predictionsOf,
  removeFolder,
  trainToEnd,
} from "../support/train-run.js";

const folder = folderOfThisFile();

const STEPS = 17;
/** The first step, one within a pass, and the last but one. A pass over 120 images in chunks of 8 is 15 steps. */
const CUTS = [1, 7, 16];

const variants: Record<string, Record<string, unknown>> = {
  "batch norm, adam": { steps: STEPS },
  "sgd with momentum, weight decay and clipping": {
    steps: STEPS,
    "optimizer.name": "sgd",
    "optimizer.lr": 0.05,
    "optimizer.weightDecay": 1e-3,
    "optimizer.clipNorm": 1,
  },
};
/** The optimizer is the same for all methods: beside Adam those that step it in other ways than once a step. */
const bothOptimizers = ["mean-teacher", "meta-pseudo-labels", "self-training", "vat"];
const variantsOf = (method: string) =>
  Object.entries(variants).filter(([title]) => title.includes("adam") || bothOptimizers.includes(method));
/** Costlier: one method, one cut. */
const rare: Record<string, Record<string, unknown>> = {
  "weight norm": { model: "cnn-13", "model.width": 0.03, "model.norm": "weight" },
  bf16: { precision: "bf16" },
  "mixed sampler": { sampler: "mixed", labeledBatch: undefined },
  "mixed sampler, supervised, batches without any label": {
    sampler: "mixed",
    labeledBatch: undefined,
    method: "supervised",
    labels: 10,
  },
  "two heads": { "model.heads": 2 },
  "two moons": {
    dataset: "two-moons",
    "dataset.train": 200,
    "dataset.test": 50,
    model: "mlp",
    "model.width": undefined,
  },
};

/** Interrupts after `cut` steps, continues, and compares the last checkpoint with that of `whole`. */
async function expectExact(given: Record<string, unknown>, whole: string, name: string, cuts: readonly number[]) {
  const steps = given.steps as number;
  const out = join(folder, name);
  let config = configure(out, given);
  let before = 0;
  for (const cut of cuts) {
    const { events, result } = await trainToEnd(config, cut - before);
    expect(result).toBeUndefined();
    expect(events.at(-1)).toMatchObject({ type: "interrupted", step: cut });
    config = continued(out);
    before = cut;
  }
  const { events, result } = await trainToEnd(config);
  expect(events[0]).toMatchObject({ type: "start", resumedFrom: before });
  expect(result).toBeDefined();
  const [got, expected] = [checkpointFiles(out, steps), checkpointFiles(whole, steps)];
  expect(Object.keys(got)).toEqual(Object.keys(expected));
  for (const file of Object.keys(expected)) expect(got[file], file).toBe(expected[file]);
  return result!;
}

describeEngine("a run interrupted and continued equals one that was not, byte for byte", () => {
  for (const { name: method, options: declared } of methods) {
    for (const [title, options] of variantsOf(method)) {
      test(`${method}, ${title}: at steps ${CUTS.join(", ")} in turn`, async () => {
        const table = "table" in declared ? { "method.table": await predictionsOf(folder) } : {};
        const given = { ...options, method, ...table };
        const name = `${method}-${Object.keys(options).length}`;
        const { result } = await trainToEnd(configure(join(folder, name), given));
        const resumed = await expectExact(given, join(folder, name), `${name}-resumed`, CUTS);
        expect(resumed.test).toEqual(result!.test);
        expect(resumed.error).toBe(result!.error);
      });
    }
  }

  test("mean-teacher, at any one step", async () => {
    const whole = join(folder, "any");
    await trainToEnd(configure(whole, { steps: STEPS }));
    for (const cut of [2, 9, 15]) await expectExact({ steps: STEPS }, whole, `any-${cut}`, [cut]); // 15: the end of a pass
  });

  for (const [title, options] of Object.entries(rare)) {
    test(`${title}: at step 4`, async () => {
      const given = { ...options, steps: 8 };
      const whole = join(folder, `rare-${title}`);
      const { result } = await trainToEnd(configure(whole, given));
      const resumed = await expectExact(given, whole, `rare-${title}-4`, [4]);
      expect(resumed.test).toEqual(result!.test);
    });
  }

  test("checkpoints hold models, optimizer, EMA and sampler; another run's differ", async () => {
    const out = join(folder, "held");
    await trainToEnd(configure(out, { steps: 3 }));
    const files = checkpointFiles(out, 3);
    expect(Object.keys(files)).toEqual([
      "optimizer.safetensors",
      "state.json",
      "student.safetensors",
      "teacher.safetensors",
    ]);
    const { values } = JSON.parse(files["state.json"]!);
    expect(Object.keys(values).sort()).toEqual(["ema", "optimizer", "sampler", "student", "teacher"]);
    const other = join(folder, "held-2");
    await trainToEnd(configure(other, { steps: 3, seed: 2 }));
    const others = checkpointFiles(other, 3);
    for (const file of Object.keys(files)) expect(others[file], file).not.toBe(files[file]);
  });
});

describeEngine("the record of a resumed run", () => {
  const given = { steps: 12, checkpointEvery: 4, evalEvery: 3 };
  const stepsOf = (out: string, type: string) =>
    readEvents(join(out, "metrics.jsonl"))
      .filter((event) => event.type === type)
      .map((event) => event.step);

  test("metrics.jsonl has each step and evaluation once, with the numbers of an uninterrupted run", async () => {
    const [whole, out] = [join(folder, "log-whole"), join(folder, "log")];
    await trainToEnd(configure(whole, given));
    // A kill leaves events behind the last checkpoint: 7 steps done, the checkpoint is of step 4.
    const run = trainToEnd(configure(out, given), 7);
    await run;
    removeFolder(join(out, "checkpoints/step-7"));
    expect(stepsOf(out, "step")).toEqual([1, 2, 3, 4, 5, 6, 7]);
    await trainToEnd(continued(out));
    expect(stepsOf(out, "step")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(stepsOf(out, "evaluation")).toEqual([3, 6, 9, 12]);
    const numbersOf = (path: string, type: string) =>
      readEvents(join(path, "metrics.jsonl"))
        .filter((event) => event.type === type)
        .map(({ step, metrics, epoch, learningRate, test: errors }) => ({
          step,
          metrics,
          epoch,
          learningRate,
          errors,
        }));
    expect(numbersOf(out, "step")).toEqual(numbersOf(whole, "step"));
    expect(numbersOf(out, "evaluation")).toEqual(numbersOf(whole, "evaluation"));
  });

  test("a torn last line and a half-written checkpoint, as a kill leaves them, do no harm", async () => {
    const [whole, out] = [join(folder, "torn-whole"), join(folder, "torn")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(out, given), 6);
    removeFolder(join(out, "checkpoints/step-6"));
    writeFileSync(join(out, "metrics.jsonl"), '{"time":"2026-', { flag: "a" });
    cpSync(join(out, "checkpoints/step-4"), join(out, "checkpoints/.tmp-step-8"), { recursive: true });
    await trainToEnd(continued(out));
    expect(checkpointFiles(out, 12)).toEqual(checkpointFiles(whole, 12));
    expect(readdirSync(join(out, "checkpoints")).some((name) => name.startsWith("."))).toBe(false);
    expect(stepsOf(out, "step")).toHaveLength(12);
  });

  test("a run killed before its first checkpoint starts over and ends the same", async () => {
    const [whole, out] = [join(folder, "early-whole"), join(folder, "early")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(out, given), 2);
    removeFolder(join(out, "checkpoints"));
    await trainToEnd(continued(out));
    expect(checkpointFiles(out, 12)).toEqual(checkpointFiles(whole, 12));
    expect(stepsOf(out, "step")).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test("a run of an earlier version, which knew none of the options that are at their defaults, goes on and is used", async () => {
    const [whole, out] = [join(folder, "new"), join(folder, "old")];
    await trainToEnd(configure(whole, given));
    await trainToEnd(configure(out, given), 5);
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    const forget = (values: Record<string, unknown>, spec: OptionSpec) => {
      for (const [name, option] of Object.entries(spec)) if (values[name] === option.default) delete values[name];
    };
    const { dataSet, method, model } = choose(config, catalog);
    const groups = [runOptions, dataSet.options, method.options, model.options];
    const records = [config, config.datasetOptions, config.methodOptions, config.modelOptions];
    for (const [i, values] of records.entries()) forget(values, groups[i]!);
    writeFileSync(join(out, "config.json"), JSON.stringify({ ...config, method: "mean-teacher", out, threads: 1 }));
    await trainToEnd(continued(out));
    expect(checkpointFiles(out, 12)).toEqual(checkpointFiles(whole, 12));
    expect((await openRunModel(out)).role).toBe("teacher");
  });

  test("a run that a GPU began in tf32 goes on without one in fp32", async () => {
    const [whole, out] = [join(folder, "all-fp32"), join(folder, "from-tf32")];
    await trainToEnd(configure(whole, { ...given, precision: "fp32" }));
    await trainToEnd(configure(out, { ...given, precision: "fp32" }), 5);
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    writeFileSync(join(out, "config.json"), JSON.stringify({ ...config, device: "cuda", precision: "tf32" }));
    await trainToEnd({ ...continued(out), device: "cpu" });
    expect(checkpointFiles(out, 12)).toEqual(checkpointFiles(whole, 12));
  });

  test("a run killed after its last step, before its result, still gets a whole result", async () => {
    const out = join(folder, "late");
    const { result: before } = await trainToEnd(configure(out, given));
    removeFolder(join(out, "result.json"));
    const { result } = await trainToEnd(continued(out));
    expect(result!.test).toEqual(before!.test);
    expect(result!.stepSecondsMedian).toBeGreaterThan(0);
    expect(result!.imagesPerSecond).toBeGreaterThan(0);
    expect(existsSync(join(out, "result.json"))).toBe(true);
  });

  test("what a start that failed behind config.json did not write is written, and what is there stays", async () => {
    const out = join(folder, "begun");
    const pictures = await pictureFolder({
      ...Object.fromEntries(
        ["a", "b"].flatMap((name, k) =>
          Array.from({ length: 6 }, (_, i) => [`${name}/${i}.png`, noisy(9 * k + i, [9, 9, 9])]),
        ),
      ),
      "a/cut.png": "no picture",
    });
    const small = { dataset: "folder", data: pictures.dir, "dataset.size": 16, "dataset.maxDamaged": 1, labels: "all" };
    const rows = { "dataset.train": undefined, "dataset.test": undefined, batch: 4, labeledBatch: 2, seen: 0 };
    await trainToEnd(configure(out, { ...given, ...small, ...rows }), 5);
    const files = ["inference.json", "damaged.json"].map((name) => join(out, name));
    const before = files.map((path) => readFileSync(path, "utf8"));
    for (const path of files) removeFolder(path);
    await trainToEnd(continued(out), 1);
    expect(files.map((path) => readFileSync(path, "utf8"))).toEqual(before);
    writeFileSync(files[0]!, "{}");
    await trainToEnd(continued(out));
    expect(readFileSync(files[0]!, "utf8")).toBe("{}");
    pictures.remove();
  });

  test("another labels file is refused, as is another one to validate by; runs that know nothing of theirs go on", async () => {
    const [out, labels] = [join(folder, "relabeled"), join(folder, "labels.csv")];
    const write = (lines: readonly string[]) => writeFileSync(labels, ["file,label", ...lines, ""].join("\n"));
    const lines = Array.from({ length: 20 }, (_, i) => `${i},${i % 10}`);
    write(lines);
    await trainToEnd(configure(out, { ...given, labels, val: 20 }), 5);
    const validated = await evaluateRun(out, { split: "val" });
    expect(validated.result.val).toBeDefined();
    for (const other of [lines.slice(1), ["0,1", ...lines.slice(1)]]) {
      write(other);
      await expect(trainToEnd(continued(out))).rejects.toThrow(DataError);
      await expect(trainToEnd(continued(out))).rejects.toThrow(/relabeled: the labels file has changed: .*labels\.csv/);
      await expect(evaluateRun(out, { split: "val" })).rejects.toThrow(/the labels file has changed/);
    }
    const elsewhere = join(folder, "elsewhere.csv");
    writeFileSync(elsewhere, ["file,label", ...lines, ""].join("\n"));
    expect((await evaluateRun(out, { split: "val", labels: elsewhere })).result.val).toEqual(validated.result.val);
    await expect(evaluateRun(out, { split: "val", labels: "7" })).rejects.toThrow(UsageError);
    const { labelsFingerprint, ...config } = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(labelsFingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(continued(out)).not.toHaveProperty("labelsFingerprint");
    writeFileSync(join(out, "config.json"), JSON.stringify(config));
    expect((await trainToEnd(continued(out))).result).toBeDefined();
  });

  test("other data are refused, and so is a damaged or foreign checkpoint, naming it", async () => {
    const out = join(folder, "other");
    await trainToEnd(configure(out, { ...given, steps: 6 }), 5);
    const config = continued(out);
    const changed = { ...config, datasetOptions: { ...config.datasetOptions, train: 130 } };
    await expect(trainToEnd(changed)).rejects.toThrow(DataError);
    await expect(trainToEnd(changed)).rejects.toThrow(/fingerprint/);
    await expect(trainToEnd({ ...config, method: "supervised", methodOptions: {} })).rejects.toThrow();
    writeFileSync(join(out, "checkpoints/step-5/student.safetensors"), "short");
    await expect(trainToEnd(config)).rejects.toThrow(/student\.safetensors/);
    await expect(trainToEnd({ ...config, out: join(folder, "nowhere"), resume: "x" })).rejects.toThrow(UsageError);
  });
});
