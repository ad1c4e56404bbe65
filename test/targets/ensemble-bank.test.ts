/** The bank against Laine & Aila's Algorithm 2 as plain loops. */
import { expect, test } from "vitest";
import { DataError } from "../../src/errors.js";
import { Rng } from "../../src/rng.js";
import { EnsembleBank, type EnsembleBankOptions } from "../../src/targets/index.js";
import { liveTensors, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { labelsTensor, randomRows, rowsTensor, softmaxRow } from "../support/slow.js";

const [N, K] = [9, 3];
const make = (options: Partial<EnsembleBankOptions> = {}) =>
  new EnsembleBank({ numExamples: N, numClasses: K, decay: 0.6, dataFingerprint: "these", ...options });

interface Recorded {
  readonly index: readonly number[];
  readonly probs: readonly (readonly number[])[];
}

/** Some batches of an epoch: images may come twice, in one batch or in two, or not at all. */
function epoch(seed: number): Recorded[] {
  const rng = Rng.fromSeed(seed);
  return [0, 1].map((batch) => {
    const index = Array.from({ length: 4 }, () => rng.integer(N - 1)); // the last image never comes
    return { index, probs: randomRows(10 * seed + batch, 4, K).map(softmaxRow) };
  });
}

/** Z, and how often each row was updated, after some epochs. */
function slowBank(epochs: readonly (readonly Recorded[])[], alpha: number) {
  const z = Array.from({ length: N }, () => new Array<number>(K).fill(0));
  const counts = new Array<number>(N).fill(0);
  for (const batches of epochs) {
    const last = new Map<number, readonly number[]>();
    for (const { index, probs } of batches) for (const [i, image] of index.entries()) last.set(image, probs[i]!);
    for (const [image, p] of last) {
      for (let k = 0; k < K; k++) z[image]![k] = alpha * z[image]![k]! + (1 - alpha) * p[k]!;
      counts[image]!++;
    }
  }
  const targets = z.map((row, i) => row.map((x) => (counts[i] === 0 ? 0 : x / (1 - alpha ** counts[i]!))));
  return { z, counts, targets };
}

const everything = Array.from({ length: N }, (_, i) => i);

function fill(bank: EnsembleBank, epochs: readonly (readonly Recorded[])[]): void {
  scope(() => {
    for (const [e, batches] of epochs.entries()) {
      bank.enterEpoch(e);
      for (const { index, probs } of batches) bank.record(labelsTensor(index), rowsTensor(probs, K, "float32"));
    }
    bank.enterEpoch(epochs.length);
  });
}

function targets(bank: EnsembleBank) {
  return scope(() => {
    const { probs, known } = bank.target(labelsTensor(everything));
    return { probs: probs.toNumbers(), known: known.toNumbers() };
  });
}

const release = (bank: EnsembleBank) => {
  for (const t of Object.values(bank.stateDict().tensors)) t.release();
};

describeEngine("EnsembleBank", () => {
  const epochs = [1, 2, 3, 4, 5].map(epoch);

  for (const normalization of ["rowSum", "biasCorrection"] as const) {
    for (const decay of [0.6, 0, 0.95]) {
      test(`${normalization}, decay ${decay}: targets are the paper's, per row, the last prediction of an epoch counting`, () => {
        const bank = make({ normalization, decay });
        fill(bank, epochs);
        const expected = slowBank(epochs, decay);
        const { probs, known } = targets(bank);
        expect(probs).toBeCloseToTensor(expected.targets.flat(), { rtol: 1e-4, atol: 1e-6 });
        expect(known).toEqual(expected.counts.map((c) => (c > 0 ? 1 : 0)));
        expect(known[N - 1]).toBe(0); // never predicted: not a target of zeros, but none
        expect(Math.max(...expected.counts)).toBe(5);
        expect(new Set(expected.counts).size).toBeGreaterThan(2); // some were passed over in some epochs
        release(bank);
      });
    }

    test(`${normalization}: constant predictions are the target after every epoch (1 - 0.6^t is taken out)`, () => {
      const bank = make({ normalization });
      const p = [0.2, 0.5, 0.3];
      for (let e = 0; e < 5; e++) {
        scope(() => bank.record(labelsTensor([2]), rowsTensor([p], K, "float32")));
        bank.enterEpoch(e + 1);
        expect(targets(bank).probs.slice(6, 9)).toBeCloseToTensor(p, { rtol: 1e-5, atol: 1e-7 });
      }
      release(bank);
    });
  }

  test("Z itself is biased as published: the golden 0.4, 0.64, 0.784, 0.8704, 0.92224", () => {
    const bank = make();
    for (const [e, golden] of [0.4, 0.64, 0.784, 0.8704, 0.92224].entries()) {
      scope(() => bank.record(labelsTensor([0]), rowsTensor([[1, 0, 0]], K, "float32")));
      bank.enterEpoch(e + 1);
      expect(bank.stateDict().tensors.ensemble!.toNumbers()[0]).toBeCloseTo(golden, 6);
    }
    release(bank);
  });

  test("an epoch that passes an image over does not change its target (the dropped tail of the published code)", () => {
    const bank = make();
    fill(bank, epochs);
    const before = targets(bank).probs;
    bank.enterEpoch(epochs.length + 1);
    bank.enterEpoch(epochs.length + 2);
    expect(targets(bank).probs).toEqual(before);
    release(bank);
  });

  test("what is recorded does not show before its epoch has ended, and is folded in once", () => {
    const bank = make();
    scope(() => bank.record(labelsTensor([0]), rowsTensor([[1, 0, 0]], K, "float32")));
    bank.enterEpoch(0);
    expect(targets(bank).known[0]).toBe(0);
    bank.enterEpoch(1);
    bank.enterEpoch(1);
    expect(targets(bank).known[0]).toBe(1);
    expect(bank.stateDict().tensors.counts!.toNumbers()[0]).toBe(1);
    release(bank);
  });

  test("no gradient flows into what is stored", () => {
    const bank = make();
    scope(() => {
      const z = rowsTensor([[1, 2, 3]], K, "float32").requiresGrad_();
      bank.record(labelsTensor([0]), z.softmax(1));
      bank.enterEpoch(1);
      expect(bank.target(labelsTensor([0])).probs.requiresGrad).toBe(false);
    });
    release(bank);
  });

  test("float16 takes half the memory and rounds to about 1e-3; rowSum still sums to 1", () => {
    const [half, whole] = [make({ precision: "float16" }), make()];
    for (const bank of [half, whole]) fill(bank, epochs);
    const { tensors } = half.stateDict();
    expect([tensors.ensemble!.dtype, tensors.predictions!.dtype]).toEqual(["float16", "float16"]);
    const [a, b] = [targets(half), targets(whole)];
    expect(a.known).toEqual(b.known);
    expect(a.probs).toBeCloseToTensor(b.probs, { rtol: 3e-3, atol: 1e-3 });
    expect(a.probs).not.toEqual(b.probs);
    for (let i = 0; i < N - 1; i++) {
      if (a.known[i]) expect(a.probs.slice(3 * i, 3 * i + 3).reduce((x, y) => x + y)).toBeCloseTo(1, 5);
    }
    release(half);
    release(whole);
  });

  test("continues from its state in the middle of an epoch, bit for bit", () => {
    const [whole, first, second] = [make(), make(), make()];
    const [before, after] = [epochs.slice(0, 2), epochs[2]!];
    for (const bank of [whole, first]) fill(bank, before);
    const record = (bank: EnsembleBank, batch: Recorded) =>
      scope(() => bank.record(labelsTensor(batch.index), rowsTensor(batch.probs, K, "float32")));
    for (const bank of [whole, first]) record(bank, after[0]!);
    second.loadStateDict({
      tensors: first.stateDict().tensors,
      values: JSON.parse(JSON.stringify(first.stateDict().values)),
    });
    for (const bank of [whole, second]) {
      record(bank, after[1]!);
      bank.enterEpoch(3);
    }
    expect(targets(second)).toEqual(targets(whole));
    expect(targets(second)).not.toEqual(targets(first));
    for (const bank of [whole, first, second]) release(bank);
  });

  test("refuses the state of other data, saying so, and one of another size or precision", () => {
    const bank = make();
    const other = make({ dataFingerprint: "others" });
    expect(() => bank.loadStateDict(other.stateDict())).toThrow(DataError);
    expect(() => bank.loadStateDict(other.stateDict())).toThrow(/these.*others/);
    const larger = make({ numExamples: N + 1 });
    expect(() => bank.loadStateDict(larger.stateDict())).toThrow(/\[9, 3\].*\[10, 3\]/);
    const half = make({ precision: "float16" });
    expect(() => bank.loadStateDict(half.stateDict())).toThrow(/float16/);
    for (const b of [bank, other, larger, half]) release(b);
  });

  test("leaves no tensors behind", () => {
    const bank = make();
    const before = liveTensors();
    fill(bank, epochs);
    targets(bank);
    expect(liveTensors()).toBe(before);
    release(bank);
  });
});
