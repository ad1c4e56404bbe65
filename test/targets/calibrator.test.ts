import { expect, test } from "vitest";
import { crossEntropy } from "../../src/losses/index.js";
import type { Model } from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { type CalibratorOptions, createCalibrator } from "../../src/targets/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradients } from "../support/method-run.js";
import { labelsTensor, rowsTensor, softmaxRow } from "../support/slow.js";
import { tinyProbs } from "../support/tiny-table.js";
import "../support/matchers.js";

const rows = tinyProbs(6, 4);

function calibrator(more: Partial<CalibratorOptions> = {}): Model {
  return createCalibrator({
    numClasses: 4,
    hidden: 8,
    residual: true,
    input: "probs",
    rng: Rng.fromSeed(1),
    device: "cpu",
    ...more,
  });
}
const release = ({ parameters }: Model) => parameters.forEach(({ tensor }) => void tensor.release());
const output = (model: Model, probs = rows) =>
  scope(() => model.forward(rowsTensor(probs, 4, "float32"), "train").toNumbers());

/** The five layers in plain loops. */
function slowPerceptron(model: Model, input: readonly number[]): number[] {
  const values = Object.fromEntries(model.parameters.map(({ name, tensor }) => [name, tensor.toNumbers()]));
  let x = [...input];
  for (let layer = 1; layer <= 5; layer++) {
    const name = layer === 5 ? "fc5" : `features.fc${layer}`;
    const [w, b] = [values[`${name}.weight`]!, values[`${name}.bias`]!];
    const z = b.map((bias, o) => x.reduce((sum, v, i) => sum + v * w[o * x.length + i]!, bias));
    x = layer === 5 ? z : z.map((v) => Math.max(0, v));
  }
  return x;
}

describeEngine("calibrator", () => {
  test.each([
    [10, 128, 52_234],
    [1000, 512, 1_813_480],
  ])("for %i classes with %i hidden units has %i parameters", (numClasses, hidden, count) => {
    const model = calibrator({ numClasses, hidden });
    expect(model.parameters.reduce((sum, { tensor }) => sum + tensor.numel, 0)).toBe(count);
    release(model);
  });

  test("starts as the identity in its residual form, whatever it is fed", () => {
    for (const input of ["probs", "logProbs"] as const) {
      const model = calibrator({ input });
      const q = output(model);
      rows.forEach((row, i) => {
        const found = softmaxRow(q.slice(4 * i, 4 * i + 4));
        found.forEach((p, k) => void expect(p).toBeCloseTo(row[k]!, 6));
      });
      release(model);
    }
  });

  test.each([
    [true, "probs"],
    [true, "logProbs"],
    [false, "probs"],
    [false, "logProbs"],
  ] as const)("residual %s, input %s: five layers with ReLU between, in plain loops", (residual, input) => {
    const model = calibrator({ residual, input });
    scope(() => {
      for (const { tensor } of model.parameters) tensor.detach().add_(0.05); // away from zeros
    });
    const found = output(model);
    const expected = rows.flatMap((row) => {
      const logs = row.map((p) => Math.log(p));
      const z = slowPerceptron(model, input === "probs" ? row : logs);
      return residual ? z.map((v, k) => v + logs[k]!) : z;
    });
    expect(found).toBeCloseToTensor(expected, { rtol: 1e-4, atol: 1e-5 });
    release(model);
  });

  test("stays finite on a certain prediction, which float16 stores as 1 and zeros", () => {
    const model = calibrator({ input: "logProbs" });
    for (const z of output(model, [[0, 1, 0, 0]])) expect(Number.isFinite(z)).toBe(true);
    release(model);
  });

  test("learns: at first the output layer alone, for the others see zeros behind them", () => {
    const model = calibrator();
    scope(() =>
      crossEntropy(model.forward(rowsTensor(rows, 4, "float32"), "train"), labelsTensor([0, 1, 2, 3, 0, 1])).backward(),
    );
    const largest = Object.fromEntries(
      Object.entries(gradients(model)).map(([name, values]) => [name, Math.max(...values!.map(Math.abs))]),
    );
    expect(largest["fc5.weight"]).toBeGreaterThan(0);
    expect(largest["features.fc1.weight"]).toBe(0);
    release(model);
  });
});
