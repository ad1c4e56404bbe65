/** Do the unlabeled examples help? On two moons with few labels every method that reads them must beat the baseline. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { methods } from "../../src/methods/index.js";
import { describeEngine } from "../support/engine.js";
import { configure, removeFolder, temporaryFolder, trainToEnd } from "../support/train-run.js";

let folder: string;
beforeAll(() => {
  folder = temporaryFolder();
});
afterAll(() => removeFolder(folder));

const SEEDS = [1, 2, 3];

/** For every method that has the option; a short run wants a fast teacher and no ramp. */
const wanted = { consistencyWeight: 20, rampUpSteps: 0, emaDecay: 0.8, classReduction: "labeled" };

/** Test error of the method's result in percent, mean over label draws and weights. */
async function meanError(name: string): Promise<number> {
  const method = methods.find((m) => m.name === name)!;
  const options = Object.entries(wanted).filter(([option]) => option in method.options);
  let sum = 0;
  for (const seed of SEEDS) {
    const config = configure(join(folder, `${name}-${seed}`), {
      dataset: "two-moons",
      "dataset.train": 500,
      "dataset.test": 500,
      "dataset.noise": 0.05,
      model: "mlp",
      "model.width": undefined,
      "model.hidden": 64,
      "model.activation": "relu",
      "model.inputNoise": 0.1,
      method: name,
      ...Object.fromEntries(options.map(([option, value]) => [`method.${option}`, value])),
      labels: 10,
      batch: 60,
      labeledBatch: method.usesUnlabeled ? 10 : undefined,
      steps: 800,
      seed,
      labelSeed: seed,
      logEvery: 100,
      "optimizer.lr": 0.02,
      "optimizer.schedule": "constant",
      "optimizer.warmupSteps": 0,
    });
    const { result } = await trainToEnd(config);
    sum += result!.error;
  }
  return sum / SEEDS.length;
}

describeEngine("two moons, 10 labels", () => {
  let supervised = Number.NaN;
  beforeAll(async () => {
    supervised = await meanError("supervised");
  });

  test("are not enough for the labeled points alone", () => expect(supervised).toBeGreaterThan(6));

  for (const { name } of methods.filter((m) => m.usesUnlabeled)) {
    test(`${name} makes less than half of the supervised errors`, async () => {
      const error = await meanError(name);
      console.info(`two moons: supervised ${supervised.toFixed(2)} %, ${name} ${error.toFixed(2)} %`);
      expect(error).toBeLessThan(supervised / 2);
    });
  }
});
