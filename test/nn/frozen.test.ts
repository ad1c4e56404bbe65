import { expect, test } from "vitest";
import { withFrozenWeights } from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { normal, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradients, tinyRun } from "../support/method-run.js";

describeEngine("withFrozenWeights", () => {
  const inputGradient = (frozen: boolean) => {
    const run = tinyRun("supervised");
    const found = scope(() => {
      const x = normal([4, 3, 8, 8], 0, 1, Rng.fromSeed(1)).requiresGrad_();
      const body = () => run.student.forward(x, "probe").pow(2).sum().backward();
      if (frozen) withFrozenWeights(run.student, body);
      else body();
      return { x: x.grad!.toNumbers(), weights: gradients(run.student) };
    });
    run.release();
    return found;
  };

  test("gives the input the same gradient and the weights none", () => {
    const [frozen, free] = [inputGradient(true), inputGradient(false)];
    expect(frozen.x).toEqual(free.x);
    expect(Math.max(...frozen.x.map(Math.abs))).toBeGreaterThan(1e-3);
    expect(Object.values(frozen.weights).filter((g) => g !== undefined)).toEqual([]);
    expect(Object.values(free.weights).filter((g) => g === undefined)).toEqual([]);
  });

  test("switches them on again, on a throw too, and leaves alone what was off before", () => {
    const run = tinyRun("supervised");
    const [first, ...others] = run.student.parameters.map(({ tensor }) => tensor);
    first!.requiresGrad_(false);
    const fail = () =>
      withFrozenWeights(run.student, () => {
        expect(others.some((t) => t.requiresGrad)).toBe(false);
        throw new Error("within");
      });
    expect(fail).toThrow("within");
    expect(others.every((t) => t.requiresGrad)).toBe(true);
    expect(first!.requiresGrad).toBe(false);
    run.release();
  });
});
