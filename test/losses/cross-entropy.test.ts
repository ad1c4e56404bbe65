import { expect, test } from "vitest";
import { crossEntropy } from "../../src/losses/index.js";
import { scope, tensor, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientMismatch, gradientsOf } from "../support/gradients.js";
import { labelsTensor, randomRows, rowsTensor, slowEntropy, slowMean, softmaxRow } from "../support/slow.js";

const [N, K] = [7, 5];
const logits = randomRows(1, N, K);
const labels = [0, 4, 2, 2, 1, 3, 0];
const soft = randomRows(2, N, K).map(softmaxRow);
const input = { shape: [N, K], data: logits.flat() };
const oneHotRow = (y: number) => Array.from({ length: K }, (_, k) => (k === y ? 1 : 0));
const slow = (targets: readonly (readonly number[])[], divideBy?: number) =>
  slowMean(N, (i) => slowEntropy(targets[i]!, softmaxRow(logits[i]!)), divideBy);

describeEngine("crossEntropy", () => {
  test("equals the loop over rows, for class numbers and for probabilities", () => {
    scope(() => {
      expect(crossEntropy(rowsTensor(logits), labelsTensor(labels)).item()).toBeCloseTo(
        slow(labels.map(oneHotRow)),
        12,
      );
      expect(crossEntropy(rowsTensor(logits), rowsTensor(soft)).item()).toBeCloseTo(slow(soft), 12);
    });
  });
  test("smooths both kinds of target to (1 - s) target + s / K", () => {
    scope(() => {
      const s = 0.15;
      const smooth = (row: readonly number[]) => row.map((q) => (1 - s) * q + s / K);
      const hard = crossEntropy(rowsTensor(logits), labelsTensor(labels), { smoothing: s });
      expect(hard.item()).toBeCloseTo(slow(labels.map(oneHotRow).map(smooth)), 12);
      const mixed = crossEntropy(rowsTensor(logits), rowsTensor(soft), { smoothing: s });
      expect(mixed.item()).toBeCloseTo(slow(soft.map(smooth)), 12);
    });
  });
  test("divides by the rows given, or by divideBy: the two reductions differ by the factor Bl / B", () => {
    scope(() => {
      const overLabeled = crossEntropy(rowsTensor(logits), labelsTensor(labels)).item();
      const overBatch = crossEntropy(rowsTensor(logits), labelsTensor(labels), { divideBy: 100 }).item();
      expect(overBatch).toBeCloseTo(overLabeled * (N / 100), 12);
    });
  });
  test("a row mask zeroes rows without changing the denominator", () => {
    scope(() => {
      const keep = [1, 0, 1, 1, 0, 0, 1];
      const rowMask = tensor(Uint8Array.from(keep), [N], "bool");
      const expected = slowMean(N, (i) => keep[i]! * slowEntropy(oneHotRow(labels[i]!), softmaxRow(logits[i]!)));
      expect(crossEntropy(rowsTensor(logits), labelsTensor(labels), { rowMask }).item()).toBeCloseTo(expected, 12);
    });
  });
  test("is 0 with zero gradients when no row is labeled, whatever it is divided by", () => {
    scope(() => {
      for (const options of [{}, { divideBy: 100 }, { divideBy: 0 }, { smoothing: 0.1 }]) {
        const none = zeros([0, K]).requiresGrad_();
        const loss = crossEntropy(none, labelsTensor([]), options);
        expect(loss.shape).toEqual([]);
        expect(loss.item()).toBe(0);
        loss.backward();
        expect(none.grad?.shape).toEqual([0, K]);
        expect(crossEntropy(zeros([0, K]), zeros([0, K]), options).item()).toBe(0);
      }
    });
  });
  test("an empty labeled part of a batch leaves the gradients of the rest alone", () => {
    const [gradient] = gradientsOf(
      ([z]) => {
        const labeled = crossEntropy(z!.narrow(0, 0, 0), labelsTensor([]), { divideBy: N });
        return labeled.add(z!.sum());
      },
      [input],
    );
    expect(gradient).toEqual(logits.flat().map(() => 1));
  });
  test("is log K for equal logits and about the gap for a confident error", () => {
    scope(() => {
      expect(crossEntropy(zeros([3, K]), labelsTensor([0, 1, 2])).item()).toBeCloseTo(Math.log(K), 6);
      expect(crossEntropy(tensor([1000, 0, 0], [1, 3]), labelsTensor([1])).item()).toBe(1000);
      expect(crossEntropy(tensor([1000, 0, 0], [1, 3]), labelsTensor([0])).item()).toBe(0);
    });
  });
  test("its gradients agree with central differences, and the logits' is (softmax - target) / divideBy", () => {
    expect(
      gradientMismatch(([z]) => crossEntropy(z!, labelsTensor(labels), { smoothing: 0.1 }), [input]),
    ).toBeUndefined();
    expect(gradientMismatch(([z]) => crossEntropy(z!, rowsTensor(soft), { divideBy: 3 }), [input])).toBeUndefined();
    const [gradient] = gradientsOf(([z]) => crossEntropy(z!, labelsTensor(labels), { divideBy: 20 }), [input]);
    const closed = logits.flatMap((z, i) => softmaxRow(z).map((p, k) => (p - oneHotRow(labels[i]!)[k]!) / 20));
    for (const [i, g] of closed.entries()) expect(gradient![i]).toBeCloseTo(g, 12);
  });
  test("sends no gradient into its target", () => {
    const target = { shape: [N, K], data: soft.flat() };
    expect(gradientsOf(([z, q]) => crossEntropy(z!, q!), [input, target])[1]).toBeUndefined();
  });
  test("computes half-precision logits in float32", () => {
    scope(() => {
      const loss = crossEntropy(rowsTensor(logits).to("bfloat16"), labelsTensor(labels));
      expect(loss.dtype).toBe("float32");
    });
  });
  test("says what it expected when shapes or types do not match", () => {
    scope(() => {
      const z = zeros([64, 10]);
      expect(() => crossEntropy(z, zeros([32], { dtype: "int64" }))).toThrow(
        "crossEntropy: expected target [N] int64 or [N, K] float for logits [64, 10], got [32] int64",
      );
      expect(() => crossEntropy(z, zeros([64]))).toThrow(/got \[64\] float32/);
      expect(() => crossEntropy(z, zeros([64, 9]))).toThrow(/got \[64, 9\] float32/);
      expect(() => crossEntropy(zeros([64]), z)).toThrow(
        "crossEntropy: expected logits [N, K] float, got [64] float32",
      );
      expect(() => crossEntropy(z, zeros([64, 10]), { smoothing: 2 })).toThrow("expected smoothing in 0..1, got 2");
      expect(() => crossEntropy(z, zeros([64, 10]), { divideBy: 0 })).toThrow("expected divideBy to be more than 0");
      expect(() => crossEntropy(z, z, { rowMask: zeros([3]) })).toThrow("expected rowMask [64]");
      expect(() => crossEntropy(zeros([1, 3]), labelsTensor([3]))).toThrow();
      expect(() => crossEntropy(zeros([1, 3]), labelsTensor([-1]))).toThrow();
    });
  });
});
