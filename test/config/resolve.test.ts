import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import type { Listing } from "../../src/config/catalog.js";
import { asFlags, canonicalKey, flagOf, flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { resumeConfig } from "../../src/config/resume.js";
import { runOptions } from "../../src/config/run-options.js";
import { UsageError } from "../../src/errors.js";
import { models } from "../../src/models/index.js";
import { optimizerOptions } from "../../src/optim/build.js";
import { boolean, number } from "../../src/options.js";

const width = number(1, { min: 0, doc: "factor" });
const registries: Listing = {
  methods: [
    { name: "supervised", usesUnlabeled: false, options: {} },
    {
      name: "mean-teacher",
      usesUnlabeled: true,
      options: { emaDecay: number(0.999, { min: 0, max: 1, doc: "share" }) },
    },
  ],
  models: [
    {
      name: "cnn-13",
      options: { width, wide: boolean(false, { doc: "wider" }) },
      presets: { "cnn-13-half": { width: 0.5 } },
    },
    { name: "mlp", options: {} },
  ],
  dataSets: [
    { name: "digits", needsDir: false, options: {} },
    { name: "cifar10", needsDir: true, options: {} },
  ],
  optimizers: [{ name: "adam", options: { lr: number(0.003, { min: 0, doc: "rate" }) } }],
};
const config = (given: Record<string, unknown>) =>
  resolveConfig(flatten({ dataset: "digits", ...given }), registries, { describe: asFlags("fewlabels train") });
const fails = (given: Record<string, unknown>, message: RegExp) => {
  expect(() => config(given)).toThrow(UsageError);
  expect(() => config(given)).toThrow(message);
};

describe("keys", () => {
  it("are the same in every spelling", () => {
    expect(canonicalKey("label-seed")).toBe("labelSeed");
    expect(canonicalKey("labelSeed")).toBe("labelSeed");
    expect(canonicalKey("model.input-noise")).toBe("model.inputNoise");
    expect(canonicalKey("method.name")).toBe("method");
    expect(canonicalKey("optimizer")).toBe("optimizer.name");
  });

  it("become the flags that scripts rely on", () => {
    const flags = Object.keys(runOptions).map(flagOf);
    const contract =
      "--dataset --data --labels --label-seed --method --model --steps --batch --labeled-batch --seed --device --precision --threads --out --resume --eval-every --checkpoint-every --val";
    expect(flags).toEqual(expect.arrayContaining(contract.split(" ")));
    expect(flagOf("optimizer.warmupSteps")).toBe("--optimizer.warmupSteps");
  });

  it("may be nested or dotted", () => {
    const nested = flatten({ model: { name: "cnn-13", "input-noise": 0 }, steps: 5 });
    const dotted = flatten({ model: "cnn-13", "model.inputNoise": 0, steps: 5 });
    expect(new Map(nested)).toEqual(new Map(dotted));
    expect(() => flatten({ labelSeed: 1, "label-seed": 2 })).toThrow(/labelSeed is given twice/);
  });
});

describe("resolveConfig", () => {
  it("fills in every default", () => {
    const {
      labels,
      method,
      model,
      steps,
      batch,
      labeledBatch,
      evalEvery,
      checkpointEvery,
      modelOptions,
      threads,
      out,
    } = resolveConfig({ dataset: "digits" }, registries, { now: new Date(2026, 10, 20, 21, 34, 5) });
    expect({ labels, method, model, steps, batch, labeledBatch, evalEvery, checkpointEvery, modelOptions }).toEqual({
      labels: "100",
      method: "mean-teacher",
      model: "cnn-13",
      steps: 10_000,
      batch: 100,
      labeledBatch: 25,
      evalEvery: 1000,
      checkpointEvery: 1000,
      modelOptions: { width: 1, wide: false },
    });
    expect(threads).toBeGreaterThan(0);
    expect(out).toBe("runs/digits-mean-teacher-20261120-213405");
  });

  it("takes text from flags and typed values from YAML alike", () => {
    expect(config({ steps: "30", "model.width": "0.25", flip: "false" })).toMatchObject(
      expect.objectContaining({ steps: 30, flip: false, modelOptions: { width: 0.25, wide: false } }),
    );
    expect(config({ steps: 30, model: { width: 0.25 }, flip: false }).modelOptions).toEqual({
      width: 0.25,
      wide: false,
    });
  });

  it("is plain JSON that resolves to itself", () => {
    const first = config({ out: "runs/x" });
    expect(JSON.parse(JSON.stringify(first))).toEqual(JSON.parse(JSON.stringify({ ...first })));
  });

  it("asks for no more labeled rows than there are labels, unless told to", () => {
    expect(config({ labels: 8 }).labeledBatch).toBe(8);
    expect(config({ labels: 8, labeledBatch: 12 }).labeledBatch).toBe(12);
  });

  it("labels the whole batch where the method reads no unlabeled rows", () => {
    expect(config({ method: "supervised" }).labeledBatch).toBe(100);
    const warnings: string[] = [];
    resolveConfig({ dataset: "digits", method: "supervised", labeledBatch: 10 }, registries, {
      warn: (w) => warnings.push(w),
    });
    expect(warnings).toEqual([expect.stringContaining("labeledBatch 10 has no effect")]);
  });

  it("does not evaluate a short run every few steps", () => {
    expect(config({ steps: 20 }).evalEvery).toBe(20);
    expect(config({ steps: 2500 }).evalEvery).toBe(250);
    expect(config({ steps: 2500, evalEvery: 0 })).toMatchObject({ evalEvery: 0, checkpointEvery: 1000 });
  });

  it("knows presets by name, and lets options override them", () => {
    expect(config({ model: "cnn-13-half" })).toMatchObject({ model: "cnn-13", modelOptions: { width: 0.5 } });
    expect(config({ model: "cnn-13-half", "model.width": 2 }).modelOptions).toMatchObject({ width: 2 });
  });

  it("keeps paths absolute", () => {
    expect(config({ dataset: "cifar10", data: "here" }).data).toBe(resolve("here"));
    expect(config({ labels: "list.csv" }).labels).toBe(resolve("list.csv"));
    expect(config({ labels: "all" }).labels).toBe("all");
  });

  it("needs a data set, and a folder where the data set does", () => {
    expect(() => resolveConfig(flatten({}), registries)).toThrow(/dataset is required: one of digits, cifar10/);
    fails({ dataset: "cifar10" }, /cifar10 needs --data DIR/);
    fails({ dataset: "cifar1" }, /unknown data set "cifar1"\. Did you mean "cifar10"\? Valid: digits, cifar10/);
  });

  it("names the nearest neighbor of an unknown option", () => {
    fails({ lables: 10 }, /fewlabels train: unknown option --lables\. Did you mean --labels\?/);
    fails({ "model.widht": 1 }, /unknown option --model\.widht\. Did you mean --model\.width\?/);
    fails({ width: 1 }, /unknown option --width\. Did you mean --model\.width\?/);
    fails({ "method.foo": 1 }, /unknown option --method\.foo\. Valid: --method\.emaDecay/);
    fails({ qqqqqq: 1 }, /unknown option --qqqqqq\..*--help/);
    expect(() => resolveConfig(flatten({ dataset: "digits", lables: 10 }), registries)).toThrow(
      /Did you mean labels\?/,
    );
  });

  it("says who else has an option that this model lacks", () => {
    fails({ model: "mlp", "model.width": 1 }, /model mlp has no option --model\.width \(cnn-13 has it\)\. Valid: none/);
  });

  it("explains values that cannot be", () => {
    fails({ steps: 0 }, /expected a whole number of at least 1 for --steps, got 0/);
    fails({ "method.emaDecay": 1.5 }, /expected a number in 0\.\.1 for --method\.emaDecay, got 1\.5/);
    fails({ labels: "-5" }, /labels file or "all" for --labels, got "-5"/);
    fails({ device: "tpu" }, /expected one of auto, cpu, cuda, mps for --device, got "tpu"/);
  });

  it("explains settings that contradict each other", () => {
    fails({ batch: 50, labeledBatch: 50 }, /--labeled-batch 50 leaves no room for unlabeled rows in --batch 50/);
    fails({ labeledBatch: 0 }, /at least 1 for --labeled-batch with two streams/);
    fails(
      { labeledBatch: 4, sampler: "mixed" },
      /--labeled-batch has no effect in this run: it needs --sampler two-stream/,
    );
  });
});

describe("a key without a value", () => {
  it("is not given: neither refused for having no effect nor kept from the data", () => {
    const given = { dataset: "digits", method: "mean-teacher", sampler: "mixed", labeledBatch: undefined };
    const found = resolveConfig(new Map(Object.entries(given)));
    expect(found.given).not.toContain("labeledBatch");
    expect(found.byDefault).toContain("labeledBatch");
  });
});

describe("resumeConfig", () => {
  const saved = config({ steps: 50, "model.width": 0.25, out: "runs/a" });
  const resume = (given: Record<string, unknown>) =>
    resumeConfig(flatten(given), saved, "runs/b", { describe: asFlags("fewlabels train") });

  it("continues with the saved configuration in the folder it lies in now", () => {
    expect(resume({ resume: "runs/b" })).toEqual({ ...saved, out: "runs/b", resume: "runs/b" });
  });

  it("lets settings change that the result does not depend on", () => {
    const free = { threads: 1, device: "cpu", cudaGraphs: false };
    expect(resume(free)).toMatchObject(free);
  });

  it("accepts repeated settings that are the same, whatever their spelling", () => {
    expect(resume({ steps: "50", "model.width": "0.250" }).steps).toBe(50);
  });

  it("accepts what the start accepted with a warning: labeled rows where all rows are labeled", () => {
    const given = { method: "supervised", batch: 12, labeledBatch: 4 };
    const begun = config(given);
    expect(begun.labeledBatch).toBe(12);
    expect(resumeConfig(flatten(given), begun, "runs/b").labeledBatch).toBe(12);
  });

  it("accepts the name of a preset whose options the run has, whichever it is", () => {
    for (const { presets } of models) {
      for (const name of Object.keys(presets)) {
        const begun = resolveConfig(flatten({ dataset: "digits", model: name }));
        expect(resumeConfig(flatten({ model: name }), begun, "runs/b"), name).toMatchObject({ model: begun.model });
      }
    }
    const begun = resolveConfig(flatten({ dataset: "digits", model: { name: "wrn-28-2", width: 3 } }));
    const again = (given: Record<string, unknown>) => resumeConfig(flatten(given), begun, "runs/b");
    expect(again({ model: { name: "wrn-28-2", width: 3 } }).modelOptions).toEqual(begun.modelOptions);
    expect(again({ model: "wide-resnet" }).modelOptions).toEqual(begun.modelOptions);
    expect(() => again({ model: "wrn-28-2" })).toThrow(
      /model is "wrn-28-2", but the run in runs\/b was started with "wide-resnet" and width 3\. /,
    );
    expect(() => again({ model: { name: "wrn-28-2", width: 2 } })).toThrow(/model\.width is 2, but .* with 3/);
    expect(() => again({ model: { name: "wrn-37-2", width: 3 } })).toThrow(/with "wide-resnet" and depth 28, groups 3/);
    expect(() => again({ model: "resnet" })).toThrow(/model is "resnet", but .* with "wide-resnet"\. /);
    expect(() => again({ model: "wrn-28-x" })).toThrow(/fewlabels: unknown model "wrn-28-x"/);
  });

  it("knows what the run was started without, its optimizer's options too", () => {
    // As config.json has it: what is undefined is gone.
    const begun = JSON.parse(JSON.stringify(resolveConfig(flatten({ dataset: "digits" }))));
    const again = (given: Record<string, unknown>) => () => resumeConfig(flatten(given), begun, "runs/b");
    expect(begun.optimizerOptions).not.toHaveProperty("warmupSteps");
    expect(again({ "optimizer.warmupSteps": 100 })).toThrow(
      /optimizer\.warmupSteps is 100, but the run in runs\/b was started without it\. A resumed run/,
    );
    expect(again({ crop: 24 })).toThrow(/crop is 24, but .* without it/);
    expect(again({ "model.weights": "resnet50.tv1" })).toThrow(/model\.weights is "resnet50\.tv1", but .* without it/);
    expect(again({ "optimizer.lr": "much" })).toThrow(/expected a number/);
    expect(again({ "optimizer.warmupStepz": 1 })).toThrow(/Did you mean optimizer\.warmupSteps/);
    expect(again({ "optimizer.momentum": 0.9 })).toThrow(/unknown option optimizer\.momentum/);
    delete begun.optimizerOptions.schedule;
    const { default: schedule } = optimizerOptions.schedule;
    expect(again({ "optimizer.schedule": schedule })).not.toThrow();
    expect(again({ "optimizer.schedule": "step" })).toThrow(`was started with ${JSON.stringify(schedule)}.`);
  });

  it("lets files of the data lie elsewhere, but not be given in place of a number or a word", () => {
    const given = {
      dataset: "folder",
      data: "a",
      labels: "a/list.csv",
      unlabeled: "a/more",
      "dataset.testLabels": "a/t.csv",
    };
    const begun = resolveConfig(flatten(given));
    const again = (given: Record<string, unknown>) => resumeConfig(flatten(given), begun, "runs/b");
    expect(again({ labels: "b/list.csv", unlabeled: "b/more", "dataset.testLabels": "b/t.csv" })).toMatchObject({
      labels: resolve("b/list.csv"),
      unlabeled: resolve("b/more"),
      datasetOptions: { ...begun.datasetOptions, testLabels: resolve("b/t.csv") },
    });
    expect(again({}).datasetOptions).toEqual(begun.datasetOptions);
    expect(() => again({ labels: 100 })).toThrow(
      /labels is "100", but .*; only data, .*labels, unlabeled, dataset.testLabels may/,
    );
    expect(() => again({ unlabeled: "rest" })).toThrow(/unlabeled is "rest"/);
    expect(() => again({ "dataset.testLabels": "" })).toThrow(/testLabels is ""/);
    const drawn = config({ labels: 30 });
    expect(() => resumeConfig(flatten({ labels: "b/list.csv" }), drawn, "runs/b")).toThrow(/started with "30"/);
  });

  it("refuses others, saying what may change", () => {
    expect(() => resume({ steps: 60 })).toThrow(/--steps is 60, but the run in runs\/b was started with 50.*--threads/);
    expect(() => resume({ "model.width": 1 })).toThrow(UsageError);
    expect(() => resume({ stepz: 60 })).toThrow(/Did you mean --steps/);
  });
});
