/** Labels out of probabilities, against plain loops. */
import { expect, test } from "vitest";
import { Rng } from "../../src/rng.js";
import {
  alignDistribution,
  confidenceMask,
  hardLabels,
  RunningMean,
  sampleLabels,
  sharpen,
} from "../../src/targets/index.js";
import { scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { randomRows, rowsTensor, softmaxRow } from "../support/slow.js";

const rows = randomRows(5, 40, 4).map(softmaxRow);

describeEngine("pseudo-labels", () => {
  test("hardLabels takes the most probable class", () => {
    const found = scope(() => hardLabels(rowsTensor(rows)).toNumbers());
    expect(found).toEqual(rows.map((row) => row.indexOf(Math.max(...row))));
  });

  test("sampleLabels draws each class as often as its probability says, and never one of probability 0", () => {
    const probs = [0.5, 0, 0.2, 0.3];
    const n = 20_000;
    const drawn = scope(() =>
      sampleLabels(rowsTensor(Array.from({ length: n }, () => probs)), Rng.fromSeed(3)).toNumbers(),
    );
    const share = probs.map((_, k) => drawn.filter((label) => label === k).length / n);
    expect(share[1]).toBe(0);
    for (const k of [0, 2, 3]) expect(Math.abs(share[k]! - probs[k]!)).toBeLessThan(0.015);
  });

  test("sharpen is p^(1/T) renormalized; T = 1 changes nothing", () => {
    const expected = rows.map((row) => {
      const powers = row.map((p) => p ** 2);
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((p) => p / sum);
    });
    scope(() => {
      const found = sharpen(rowsTensor(rows), 0.5).toNumbers();
      expected.flat().forEach((p, i) => void expect(found[i]).toBeCloseTo(p, 10));
      const same = sharpen(rowsTensor(rows), 1).toNumbers();
      rows.flat().forEach((p, i) => void expect(same[i]).toBeCloseTo(p, 10));
    });
  });

  test("sharpen of nearly equal probabilities at a small temperature is a distribution, not 0 / 0", () => {
    for (const [classes, temperature] of [
      [10, 0.02],
      [100, 0.04],
      [1000, 0.001],
    ] as const) {
      const row = Array.from({ length: classes }, (_, k) => (1 + (k === 3 ? 0.01 : 0)) / (classes + 0.01));
      scope(() => {
        const found = sharpen(tensor(Float32Array.from(row), [1, classes]), temperature).toNumbers();
        const other = 1.01 ** (-1 / temperature); // of the largest
        expect(found[3]).toBeCloseTo(1 / (1 + (classes - 1) * other), 4);
        expect(found.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5);
      });
    }
  });

  test("confidenceMask counts a probability equal to the threshold only where it is not strict", () => {
    const probs = tensor(Float64Array.of(0.75, 0.25, 0.5, 0.5), [2, 2]);
    scope(() => {
      expect(confidenceMask(probs, 0.75).toNumbers()).toEqual([1, 0]);
      expect(confidenceMask(probs, 0.75, { strict: true }).toNumbers()).toEqual([0, 0]);
      expect(confidenceMask(probs, tensor(Float64Array.of(0.8, 0.5), [2])).toNumbers()).toEqual([0, 1]);
    });
    probs.release();
  });

  test("alignDistribution multiplies by wanted over actual and renormalizes", () => {
    const [wanted, actual] = [
      [0.25, 0.25, 0.25, 0.25],
      [0.4, 0.3, 0.2, 0.1],
    ];
    const expected = rows.map((row) => {
      const moved = row.map((p, k) => (p * wanted[k]!) / actual[k]!);
      const sum = moved.reduce((a, b) => a + b, 0);
      return moved.map((p) => p / sum);
    });
    scope(() => {
      const found = alignDistribution(
        rowsTensor(rows),
        tensor(Float64Array.from(wanted), [4]),
        tensor(Float64Array.from(actual), [4]),
      ).toNumbers();
      expected.flat().forEach((p, i) => void expect(found[i]).toBeCloseTo(p, 10));
    });
  });
});

describeEngine("a running mean", () => {
  const values = [tensor(Float32Array.of(1, 2), [2]), tensor(Float32Array.of(3, 6), [2])] as const;

  test("takes its first update whole, or mixes it with its start", () => {
    const [fresh, started] = [
      new RunningMean({ decay: 0.9, shape: [2] }),
      new RunningMean({ decay: 0.9, shape: [2], start: 0.5 }),
    ];
    expect(fresh.update(values[0]).toNumbers()).toEqual([1, 2]);
    const [a, b] = started.update(values[0]).toNumbers();
    expect(a).toBeCloseTo(0.55, 6);
    expect(b).toBeCloseTo(0.65, 6);
    expect(fresh.update(values[1]).toNumbers()[0]).toBeCloseTo(1.2, 6);
  });

  test("continues from a saved state, whether it has started or not", () => {
    const [saved, other] = [new RunningMean({ decay: 0.5, shape: [2] }), new RunningMean({ decay: 0.5, shape: [2] })];
    other.update(values[1]);
    other.loadStateDict(saved.stateDict());
    expect(other.update(values[0]).toNumbers()).toEqual([1, 2]);
    saved.update(values[1]);
    other.loadStateDict(saved.stateDict());
    expect(other.update(values[0]).toNumbers()).toEqual([2, 4]);
  });
});
