/** One step of a method, and the same step's loss written a second time: metrics and gradients must agree. */
import { expect } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import type { PassRequest } from "../../src/nn/index.js";
import { scope, type Tensor } from "../../src/torch/index.js";
import "../support/matchers.js";
import { gradients, numbers, type TinyRun } from "../support/method-run.js";
import { sameDraws } from "./formulas.js";

/** A training pass that leaves running statistics to the method. */
export const still: PassRequest = { mode: "train", updateStatistics: false };

/** `[N]` or `[N, K]` as plain numbers, row by row. */
export function rowsOf(t: Tensor): number[][] {
  const [n, k = 1] = t.shape as [number, number?];
  const values = t.toNumbers();
  return Array.from({ length: n }, (_, i) => values.slice(i * k, (i + 1) * k));
}

export interface Expected {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Makes step `at` (epochs of 5 steps, 20 in all) and compares; `expected` runs before it, on the same draws. */
export function checkStep(run: TinyRun, at: number, expected: (batch: Batch<Views, Views>) => Expected): void {
  const { got, wanted } = scope(() => {
    const batch = run.batch(at);
    const wanted = sameDraws(run, () => {
      for (const { tensor } of run.student.parameters) tensor.clearGrad();
      const { loss, metrics } = expected(batch);
      loss.backward();
      return { metrics, gradients: gradients(run.student) };
    });
    const metrics = numbers(run.method.step(batch, { step: at, epoch: at / 5, totalSteps: 20 }));
    return { got: { metrics, gradients: gradients(run.student) }, wanted };
  });
  for (const [metric, value] of Object.entries(wanted.metrics)) {
    expect([got.metrics[metric]!], `${metric} at step ${at}`).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-6 });
  }
  const largest = Math.max(...Object.values(wanted.gradients).flatMap((g) => (g ?? []).map(Math.abs)));
  expect(largest).toBeGreaterThan(1e-5);
  for (const [parameter, gradient] of Object.entries(wanted.gradients)) {
    const zeros = (gradient ?? got.gradients[parameter] ?? []).map(() => 0);
    expect(got.gradients[parameter] ?? zeros, `${parameter} at step ${at}`).toBeCloseToTensor(gradient ?? zeros, {
      rtol: 1e-3,
      atol: 1e-5 * largest,
    });
  }
}
