import { expect, test } from "vitest";
import { createFinetune } from "../../../src/methods/parts/finetune.js";
import { findModel } from "../../../src/models/index.js";
import { createModel, type ModelSettings } from "../../../src/nn/index.js";
import { createOptimizer } from "../../../src/optim/index.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { EmaTeacher } from "../../../src/targets/index.js";
import { normal, scope } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { labelsTensor } from "../../support/slow.js";

describeEngine("fine-tuning of the average", () => {
  const options = { finetuneSteps: 2, finetuneLr: 0.1, finetuneBatch: undefined, labelSmoothing: 0 };

  test.each(["none", "backbone"] as const)("freeze %s: gradients are asked for where the student's are", (freeze) => {
    const build = (more: Pick<ModelSettings, "freeze">) => {
      const { definition } = findModel("mlp");
      const net = definition.create(
        { channels: 1, height: 2, width: 2, numClasses: 3 },
        parseOptions(definition.options, { hidden: 4, depth: 2 }, "mlp"),
      );
      return createModel(net, { rng: Rng.fromSeed(1), precision: "fp32", device: "cpu", ...more });
    };
    const student = build({ freeze });
    const { model } = new EmaTeacher(student, build({ freeze }), { buffers: "copy" });
    const trains = student.parameters.filter(({ part }) => freeze === "none" || part === "head");
    const buildOptimizer = () =>
      createOptimizer(
        model.parameters.filter((_, i) => trains.includes(student.parameters[i]!)),
        { name: "sgd", lr: 0.1, schedule: "constant" },
        2,
      );
    const finetune = createFinetune({ totalSteps: 4, buildOptimizer }, model, student, options);
    expect(model.parameters.some(({ tensor }) => tensor.requiresGrad)).toBe(false);
    scope(() => {
      const x = normal([6, 1, 2, 2], 0, 1, Rng.fromSeed(2));
      finetune.step(x, labelsTensor([0, 1, 2, 0, 1, 2]), { step: 2, epoch: 0, totalSteps: 4 });
    });
    expect(model.parameters.filter(({ tensor }) => tensor.requiresGrad).map(({ name }) => name)).toEqual(
      trains.map(({ name }) => name),
    );
  });
});
