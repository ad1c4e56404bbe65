import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { collapsedClass, type EvaluationMetric, evaluationMetrics, type RowMetric } from "../../src/metrics/index.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { randomRows } from "../support/slow.js";

const named = (metrics: readonly EvaluationMetric[]) => metrics.map(({ name }) => name);

describe("evaluationMetrics", () => {
  test("top-5 is measured by itself where there are more than 10 classes, any k where it is asked for, none at 0", () => {
    expect(named(evaluationMetrics({ numClasses: 10, topK: undefined }))).toEqual(["error", "loss"]);
    expect(named(evaluationMetrics({ numClasses: 11, topK: undefined }))).toEqual(["error", "top5Error", "loss"]);
    expect(named(evaluationMetrics({ numClasses: 4, topK: 2 }))).toEqual(["error", "top2Error", "loss"]);
    expect(named(evaluationMetrics({ numClasses: 100, topK: 0 }))).toEqual(["error", "loss"]);
  });

  test("a k that no image can fail is refused", () => {
    expect(() => evaluationMetrics({ numClasses: 4, topK: 4 })).toThrow(UsageError);
    expect(() => evaluationMetrics({ numClasses: 4, topK: 4 })).toThrow(/--top-k 4: expected less than the 4 classes/);
  });

  test("a class that takes over 90 % of the images is named, and none at 90 %", () => {
    expect(collapsedClass([[0, 5], [0, 5]])).toBe(1); // biome-ignore format: a matrix
    expect(collapsedClass([[1, 4], [0, 5]])).toBeUndefined(); // biome-ignore format: a matrix
  });

  test("a class that most images are of is no collapse, unless the others are taken for it", () => {
    expect(collapsedClass([[95, 0], [0, 5]])).toBeUndefined(); // biome-ignore format: a matrix
    expect(collapsedClass([[95, 0], [2, 3]])).toBeUndefined(); // biome-ignore format: a matrix
    expect(collapsedClass([[95, 0], [5, 0]])).toBe(0); // biome-ignore format: a matrix
    expect(collapsedClass([[95, 0], [0, 0]])).toBeUndefined(); // biome-ignore format: a matrix
    expect(collapsedClass([[10]])).toBeUndefined();
    expect(collapsedClass([])).toBeUndefined();
  });
});

describeEngine("top-k error", () => {
  const wrong = (k: number, logits: readonly number[][], y: readonly number[]) =>
    scope(() => {
      const metric = evaluationMetrics({ numClasses: logits[0]!.length, topK: k }).find(
        (one): one is RowMetric => "sum" in one && one.name === `top${k}Error`,
      )!;
      const x = tensor(logits.flat(), [logits.length, logits[0]!.length]);
      return metric.sum(x, tensor(Int32Array.from(y), [y.length], "int64")).item();
    });

  test("counts the rows whose class sorting puts behind place k", () => {
    const [n, classes] = [40, 7];
    const logits = randomRows(5, n, classes, 2);
    const y = Array.from({ length: n }, (_, i) => (i * 3) % classes);
    for (const k of [1, 2, 5, 6]) {
      const slow = logits.filter((row, i) => {
        const order = row.map((value, j) => ({ value, j })).sort((a, b) => b.value - a.value);
        return order.findIndex(({ j }) => j === y[i]) >= k;
      });
      expect(wrong(k, logits, y)).toBe(slow.length);
    }
  });

  test("a network that says the same of every class, or NaN, is wrong", () => {
    expect(wrong(2, [[1, 1, 1, 1]], [0])).toBe(1);
    expect(wrong(2, [[Number.NaN, Number.NaN, Number.NaN]], [1])).toBe(1);
    expect(wrong(2, [[Number.NaN, 3, 2, 1]], [1])).toBe(0);
  });
});
