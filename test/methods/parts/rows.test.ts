/** The one vocabulary of rows and denominators. */
import { expect, test } from "vitest";
import { both, classCost, consistencyRows, counts, labeledOf, unlabeledOf } from "../../../src/methods/parts/rows.js";
import { scope, type Tensor, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { labelsTensor, rowsTensor, slowEntropy, softmaxRow } from "../../support/slow.js";

const image = (n: number, value: number): Tensor => tensor(new Float32Array(n * 3).fill(value), [n, 3, 1, 1]);
const batch = () => ({
  labeled: { index: labelsTensor([4, 5]), x: { weak: image(2, 1) } },
  unlabeled: { index: labelsTensor([6, 7, 8]), x: { weak: image(3, 2) } },
});

describeEngine("rows of a batch", () => {
  test("labeled rows come first, and each part finds its own again", () =>
    scope(() => {
      const rows = batch();
      expect(counts(rows)).toEqual([2, 3]);
      const all = both(rows, "weak");
      expect(all.shape).toEqual([5, 3, 1, 1]);
      expect([...labeledOf(all, rows).toNumbers()]).toEqual(new Array(6).fill(1));
      expect([...unlabeledOf(all, rows).toNumbers()]).toEqual(new Array(9).fill(2));
    }));

  test("classCost is the sum over labeled rows over B (batch) or Bl (labeled)", () =>
    scope(() => {
      const [z, y] = [
        [
          [1, -2, 0.5],
          [0.3, 0.1, -1],
        ],
        [2, 0],
      ];
      const sum = z.reduce(
        (s, row, i) => s + slowEntropy(new Array(3).fill(0).fill(1, y[i], y[i]! + 1), softmaxRow(row)),
        0,
      );
      const cost = (classReduction: "batch" | "labeled") =>
        classCost(rowsTensor(z), labelsTensor(y), batch(), { classReduction }).item();
      expect(cost("batch")).toBeCloseTo(sum / 5, 10);
      expect(cost("labeled")).toBeCloseTo(sum / 2, 10);
    }));

  test("the consistency cost divides by B, whether labeled rows take part or not", () =>
    scope(() => {
      const all = rowsTensor([[1], [2], [3], [4], [5]]);
      const rowsFor = (consistencyOnLabeled: boolean) => consistencyRows(batch(), { consistencyOnLabeled });
      expect([...rowsFor(true).among(all).toNumbers()]).toEqual([1, 2, 3, 4, 5]);
      expect([...rowsFor(false).among(all).toNumbers()]).toEqual([3, 4, 5]);
      expect([rowsFor(true).divideBy, rowsFor(false).divideBy]).toEqual([5, 5]);
    }));
});
