import { expect, test } from "vitest";
import { DataError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { PseudoLabelTable, type PseudoLabelTableOptions, selectConfident } from "../../src/targets/index.js";
import { scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { labelsTensor, rowsTensor } from "../support/slow.js";

/** The same by asking, for each prediction, how many of its class come before it. */
function slowSelection(confidence: readonly number[], classes: readonly number[], threshold: number, top: number) {
  const kept: number[] = [];
  for (let i = 0; i < confidence.length; i++) {
    if (confidence[i]! < threshold) continue;
    let better = 0;
    for (let j = 0; j < confidence.length; j++) {
      if (classes[j] !== classes[i]) continue;
      if (confidence[j]! > confidence[i]! || (confidence[j] === confidence[i] && j < i)) better++;
    }
    if (top === 0 || better < top) kept.push(i);
  }
  return kept;
}

test("selectConfident keeps what reaches the threshold, at most so many a class, the most confident ones", () => {
  const rng = Rng.fromSeed(1);
  const confidence = Array.from({ length: 200 }, () => Math.fround((1 + rng.integer(50)) / 50)); // with ties
  const classes = Array.from({ length: 200 }, () => rng.integer(4));
  for (const threshold of [0, 0.5, 0.9, 1]) {
    for (const topPerClass of [0, 1, 7, 1000]) {
      const got = selectConfident(Float32Array.from(confidence), Int32Array.from(classes), { threshold, topPerClass });
      expect([...got]).toEqual(slowSelection(confidence, classes, Math.fround(threshold), topPerClass));
    }
  }
  const few = selectConfident(Float32Array.from(confidence), Int32Array.from(classes), {
    threshold: 0,
    topPerClass: 3,
  });
  expect(few.length).toBe(12);
});

const make = (options: Partial<PseudoLabelTableOptions> = {}) =>
  new PseudoLabelTable({ numExamples: 5, numClasses: 3, soft: false, dataFingerprint: "these", ...options });
const release = (table: PseudoLabelTable) => {
  for (const t of Object.values(table.stateDict().tensors)) t.release();
};

describeEngine("PseudoLabelTable", () => {
  test("gives back what was stored by index, and a mask of the rows that are kept", () => {
    const table = make();
    scope(() => {
      table.store(labelsTensor([4, 1, 2]), labelsTensor([2, 0, 1]));
      table.keepOnly(Int32Array.of(1, 4));
      const { target, rowMask } = table.of(labelsTensor([1, 2, 4, 0, 1]));
      expect(target.toNumbers()).toEqual([0, 1, 2, 0, 0]);
      expect(rowMask.toNumbers()).toEqual([1, 0, 1, 0, 1]);
      table.keepOnly(Int32Array.of(2));
      expect(table.of(labelsTensor([1, 2])).rowMask.toNumbers()).toEqual([0, 1]);
    });
    release(table);
  });

  test("holds probabilities where soft, and comes back from its state", () => {
    const [table, copy] = [make({ soft: true }), make({ soft: true })];
    scope(() => {
      table.store(labelsTensor([3]), rowsTensor([[0.5, 0.25, 0.25]], 3, "float32"));
      table.keepOnly(Int32Array.of(3));
      copy.loadStateDict(table.stateDict());
      const { target, rowMask } = copy.of(labelsTensor([3]));
      expect([target.toNumbers(), rowMask.toNumbers()]).toEqual([[0.5, 0.25, 0.25], [1]]);
    });
    for (const t of [table, copy]) release(t);
  });

  test("refuses labels of other data or of another form", () => {
    const [table, other, soft] = [make(), make({ dataFingerprint: "others" }), make({ soft: true })];
    expect(() => table.loadStateDict(other.stateDict())).toThrow(DataError);
    expect(() => table.loadStateDict(other.stateDict())).toThrow(/these.*others/);
    expect(() => table.loadStateDict(soft.stateDict())).toThrow(/\[5\] int64.*\[5, 3\] float32/);
    for (const t of [table, other, soft]) release(t);
  });
});
