/**
 * Every option of every method, network, optimizer, schedule and data set, and every run option that a result depends on: given
 * another value it changes the run, or the run is refused with a message that says what the option needs.
 */
import { join } from "node:path";
import { expect, test } from "vitest";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { runOptions } from "../../src/config/run-options.js";
import { dataSets } from "../../src/data/index.js";
import { predictRun } from "../../src/inference/prediction-table.js";
import { methods } from "../../src/methods/index.js";
import { models } from "../../src/models/index.js";
import { LEARNING_RATE_SCHEDULES, optimizers } from "../../src/optim/index.js";
import type { OptionSpec } from "../../src/options.js";
import { type Given, otherValues, tryOption } from "../support/effects.js";
import { describeEngine } from "../support/engine.js";
import { folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const shared = {
  batch: 12,
  labeledBatch: 4,
  threads: 1,
  precision: "fp32",
  seed: 3,
  steps: 10,
  out: join(folder, "unused"),
};
/** Points and a perceptron with input noise: a step takes a millisecond. */
const moons: Given = {
  ...shared,
  dataset: "two-moons",
  "dataset.train": 60,
  "dataset.test": 10,
  labels: 6,
  model: "mlp",
  "model.inputNoise": 0.1,
  "optimizer.lr": 0.05,
};
/** Pictures and convolutions, for what points have not. */
const digits: Given = {
  ...shared,
  dataset: "digits",
  "dataset.train": 24,
  "dataset.test": 10,
  labels: 10,
  steps: 4,
  model: "convnet-tiny",
  "model.width": 0.1,
  flip: true,
};

/** Values of options that are free text, or that few numbers fit. */
const words: Readonly<Record<string, readonly unknown[]>> = {
  "optimizer.dropSteps": ["2,4"],
  "wide-resnet model.depth": [16],
};

/** What is wrong: options that change nothing and are not refused, or are refused where all they need is there. */
async function wrongOptions(
  base: Given,
  prefix: string,
  spec: OptionSpec,
  leftOut: readonly string[] = [],
): Promise<string> {
  const wrong: string[] = [];
  for (const [name, option] of Object.entries(spec)) {
    const key = `${prefix}${name}`;
    if (leftOut.includes(name)) continue;
    const now = base[key] ?? option.default;
    const values = words[key] ?? words[`${base.model} ${key}`] ?? otherValues(option, now);
    expect(values, key).not.toEqual([]);
    let found = await tryOption(base, key, values);
    const refused = found !== "changes" && found !== "nothing";
    if (refused && base.dataset === "two-moons" && !/has no effect in this run/.test(found)) {
      found = await tryOption({ ...base, ...digits }, key, values); // points cannot be moved
    } else if (refused && /has no effect/.test(found)) {
      expect(found).toContain(key.includes(".") ? key : name);
      const needed = Object.assign({}, ...(option.needs ?? []).map(({ example }) => example));
      const pictures = needed.model === undefined ? base : { ...base, ...digits };
      found = await tryOption({ ...pictures, ...needed }, key, values);
    }
    if (found !== "changes") wrong.push(`${key}: ${found}`);
  }
  return wrong.join("\n");
}

/** What a method needs beside its defaults for its options to show in so few steps. */
const settings: Readonly<Record<string, Given>> = {
  // Thresholds that some rows pass and some do not.
  uda: { "method.threshold": 0.56 },
  fixmatch: { "method.threshold": 0.52 },
  crmatch: { "method.threshold": 0.52 },
  flexmatch: { "method.threshold": 0.52 },
  adamatch: { "method.threshold": 0.52 },
  "temporal-ensembling": { "method.rampUpSteps": 10 },
  // By default ramp-ups of 1/64 of the run: none in so few steps.
  mixmatch: { "method.rampUpSteps": 2 },
  remixmatch: { "method.rampUpSteps": 2 },
  // Ten classes, and a mean that the confidence of half of the rows is below.
  softmatch: { ...digits, "method.averageDecay": 0.1 },
  // Enough labels for other folds to choose another k.
  knn: { labels: 40 },
  "meta-pseudo-labels": { "method.finetuneSteps": 3, "method.udaThreshold": 0.52 },
  "reduced-meta-pseudo-labels": { ...digits, steps: 6, "method.finetuneSteps": 3 },
};

describeEngine("every option has an effect or says what it needs", () => {
  test.each(methods.map((method) => [method.name, method] as const))(
    "method %s",
    async (name, method) => {
      const { labeledBatch, ...alone } = moons;
      // `table` is what the others need; strict thresholds differ at exact ties alone: test/targets/pseudo-label.test.ts.
      // A prior needs a table as well: test/methods/parts/pseudo-labels/guess.test.ts.
      const leftOut = ["table", "strictThreshold", "prior", "priorPower", "priorSteps"];
      // The default reaches back over a twentieth of the run: half a step here.
      const decay = "emaDecay" in method.options ? { "method.emaDecay": 0.9 } : {};
      const base = { ...(method.usesUnlabeled ? moons : alone), method: name, ...decay, ...settings[name] };
      const table = name === "reduced-meta-pseudo-labels" ? await pictureTable() : {};
      expect(await wrongOptions({ ...base, ...table }, "method.", method.options, leftOut)).toBe("");
    },
    600_000,
  );

  test.each(optimizers.flatMap(({ name }) => LEARNING_RATE_SCHEDULES.map((schedule) => [name, schedule] as const)))(
    "optimizer %s with schedule %s",
    async (name, schedule) => {
      const { options } = optimizers.find((optimizer) => optimizer.name === name)!;
      const base = {
        ...moons,
        method: "pseudo-label",
        "optimizer.name": name,
        "optimizer.schedule": schedule,
        "optimizer.lr": 0.01,
      };
      expect(await wrongOptions(base, "optimizer.", options, ["schedule"])).toBe("");
    },
    600_000,
  );

  /** Networks as small as their options allow. */
  const small: Readonly<Record<string, Given>> = {
    "cnn-13": { "model.width": 0.02 },
    "wide-resnet": { "model.depth": 10, "model.width": 1 },
    "shake-shake-26": { "model.width": 4 },
    resnet: { "model.depth": 18, "model.width": 0.1 },
    resnext: { "model.width": 0.1, "model.groups": 2, "model.groupWidth": 2 },
    efficientnet: { "model.width": 0.1, "model.depth": 0.1 },
    "mobilenet-v2": { "model.width": 0.1 },
    "mobilenet-v3": { "model.width": 0.1, "model.size": "small" },
    convnext: { "model.width": 0.1, "model.depth": 0.3 },
    vit: { "model.patch": 8, "model.size": 8, "model.layers": 2, "model.attentionHeads": 2 },
    "convnet-tiny": { "model.width": 0.1 },
    mlp: { ...moons },
  };
  test.each(models.map((model) => [model.name, model] as const))(
    "network %s",
    async (name, model) => {
      const { "model.width": _, ...pictures } = digits;
      const base = { ...pictures, model: name, batch: 4, labeledBatch: 2, steps: 2, ...small[name] };
      // Loaded weights and what needs them: test/session/weights.test.ts.
      expect(
        await wrongOptions(base, "model.", model.options, [
          "weights",
          "weightsRole",
          "headStart",
          "headTemperature",
          "freeze",
        ]),
      ).toBe("");
    },
    600_000,
  );

  test.each(["digits", "two-moons"])(
    "generated data set %s",
    async (name) => {
      const { options } = dataSets.find((set) => set.name === name)!;
      const base = name === "digits" ? digits : moons;
      // The size of the test set changes no training.
      expect(await wrongOptions(base, "dataset.", options, ["test"])).toBe("");
    },
    600_000,
  );

  test("a translation of one view is refused where weak views are crops, but for none", async () => {
    const base = { ...digits, method: "mean-teacher", weak: "photo" };
    for (const key of ["method.studentTranslate", "method.teacherTranslate"]) {
      const idle = /has no effect in this run: it needs translated views: --weak translate/;
      expect(await tryOption(base, key, [3])).toMatch(idle);
      expect(await tryOption(base, key, [0])).toBe("changes");
    }
  });

  // Not here: blurProbability, whose deviation of up to 2 pixels at 224 is up to 0.3 at 32, less than a gray level (test/augment/photo-ops.test.ts).
  test("the run's own options", async () => {
    const names = [
      "labels",
      "labelDraw",
      "imbalance",
      "unlabeledImbalance",
      "labelSeed",
      "labelNoise",
      "val",
      "unlabeled",
      "batch",
      "labeledBatch",
      "sampler",
      "classBalanced",
      "seed",
      "steps",
      "normalize",
      "weak",
      "crop",
      "cropScale",
      "interpolation",
      "rotation",
      "colorJitter",
      "grayProbability",
      "translate",
      "flip",
      "strong",
      "strongMagnitude",
      "strongExclude",
      "strongNoise",
      "accumulate",
    ];
    const values: Readonly<Record<string, readonly unknown[]>> = {
      labels: [20],
      unlabeled: ["rest"],
      strongExclude: ["rotate"],
      val: [2],
      crop: [20],
      normalize: ["none", "channel", "image"],
      accumulate: [2],
      imbalance: [2],
      unlabeledImbalance: [3],
      steps: [3],
    };
    const wrong: string[] = [];
    for (const name of names) {
      const { labeledBatch, ...oneStream } = digits;
      const more = name === "imbalance" ? { "dataset.train": 60, labels: 30 } : {}; // a tail for every class
      const own = { ...(name === "sampler" ? oneStream : digits), ...more };
      const option = (runOptions as OptionSpec)[name]!;
      let found = await tryOption(
        { ...own, method: "mean-teacher" },
        name,
        values[name] ?? otherValues(option, digits[name] ?? option.default),
      );
      const crops =
        /has no (crop|cropScale|interpolation|rotation|colorJitter|grayProbability|blurProbability); leave it out, or take --weak photo/;
      if (/has no effect in this run: it needs/.test(found)) {
        const needed = Object.assign({}, ...option.needs!.map(({ example }) => example));
        found = await tryOption({ ...digits, ...needed }, name, values[name] ?? otherValues(option, option.default));
      } else if (crops.test(found))
        found = await tryOption(
          { ...digits, weak: "photo" },
          name,
          values[name] ?? otherValues(option, option.default),
        );
      if (found !== "changes") wrong.push(`${name}: ${found}`);
    }
    expect(wrong.join("\n")).toBe("");
  }, 600_000);
});

/** A table of predictions for the pictures of `digits`, of a network trained for a step. */
async function pictureTable(): Promise<Given> {
  const [run, out] = [join(folder, "predicting"), join(folder, "pictures.table")];
  const { labeledBatch, ...alone } = digits;
  await trainToEnd(resolveConfig(flatten({ ...alone, method: "supervised", steps: 1, out: run })));
  await predictRun(run, { out, dtype: "float32" });
  return { "method.table": out };
}
