import { expect, test } from "vitest";
import { entropy } from "../../src/losses/index.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch, gradientsOf } from "../support/gradients.js";
import { randomRows, rowsTensor, slowEntropy, slowMean, softmaxRow } from "../support/slow.js";

const rows = randomRows(9, 6, 5);

describeEngine("entropy", () => {
  test("is the mean over rows of -sum p log p, or their sum over divideBy", () => {
    const each = (i: number) => slowEntropy(softmaxRow(rows[i]!), softmaxRow(rows[i]!));
    expect(scope(() => entropy(rowsTensor(rows)).item())).toBeCloseTo(slowMean(6, each), 10);
    expect(scope(() => entropy(rowsTensor(rows), { divideBy: 9 }).item())).toBeCloseTo(slowMean(6, each, 9), 10);
  });
  test("is log K for equal logits, 0 for no rows and for certainty", () => {
    expect(scope(() => entropy(rowsTensor([[2, 2, 2, 2]])).item())).toBeCloseTo(Math.log(4), 12);
    expect(scope(() => entropy(tensor(new Float32Array(0), [0, 4])).item())).toBe(0);
    expect(scope(() => entropy(rowsTensor([[1e4, 0, 0]])).item())).toBeCloseTo(0, 12);
  });
  test("has the gradient of both factors", () => {
    const input = { shape: [6, 5], data: rows.flat() };
    expect(gradientMismatch(([z]) => entropy(z!), [input])).toBeUndefined();
    expect(Math.hypot(...gradientsOf(([z]) => entropy(z!), [input])[0]!)).toBeGreaterThan(0.01);
  });
});
