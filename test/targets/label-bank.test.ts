import { expect, test } from "vitest";
import { LabelBank } from "../../src/targets/index.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { labelsTensor } from "../support/slow.js";

const chosen = (...flags: number[]) => tensor(Uint8Array.from(flags), [flags.length]).to("bool");

describeEngine("a label bank", () => {
  test("starts without labels, stores the chosen rows, and keeps the others", () => {
    const bank = new LabelBank({ numExamples: 5 });
    expect(bank.labels.toNumbers()).toEqual([-1, -1, -1, -1, -1]);
    scope(() => bank.update(labelsTensor([3, 0, 1]), labelsTensor([2, 1, 1]), chosen(1, 0, 1)));
    expect(bank.labels.toNumbers()).toEqual([-1, 1, -1, 2, -1]);
    scope(() => bank.update(labelsTensor([3, 1]), labelsTensor([0, 0]), chosen(1, 0)));
    expect(bank.labels.toNumbers()).toEqual([-1, 1, -1, 0, -1]);
  });
  test("an image that comes twice in a batch keeps its confident label, whichever comes first", () => {
    for (const flags of [
      [1, 0],
      [0, 1],
    ]) {
      const bank = new LabelBank({ numExamples: 3 });
      scope(() => bank.update(labelsTensor([1, 1]), labelsTensor([2, 2]), chosen(...flags)));
      expect(bank.labels.toNumbers()).toEqual([-1, 2, -1]);
    }
  });
  test("counts images by label, those without one not at all", () => {
    const bank = new LabelBank({ numExamples: 6 });
    scope(() => bank.update(labelsTensor([0, 2, 4, 5]), labelsTensor([1, 1, 3, 0]), chosen(1, 1, 1, 0)));
    expect(scope(() => bank.counts(4).toNumbers())).toEqual([0, 2, 0, 1]);
  });
  test("takes a batch of no rows", () => {
    const bank = new LabelBank({ numExamples: 2 });
    scope(() => bank.update(labelsTensor([]), labelsTensor([]), chosen()));
    expect(bank.labels.toNumbers()).toEqual([-1, -1]);
  });
  test("continues from a saved state, and refuses one of another size", () => {
    const [saved, other] = [new LabelBank({ numExamples: 3 }), new LabelBank({ numExamples: 3 })];
    scope(() => saved.update(labelsTensor([1]), labelsTensor([2]), chosen(1)));
    other.loadStateDict(saved.stateDict());
    expect(other.labels.toNumbers()).toEqual([-1, 2, -1]);
    expect(() => new LabelBank({ numExamples: 4 }).loadStateDict(saved.stateDict())).toThrow(
      /label bank.*\[4\].*\[3\]/,
    );
  });
});
