import { describe, expect, it, test } from "vitest";
import {
  mean,
  median,
  pairedTest,
  quantile,
  spread,
  spreadOf,
  tQuantile,
  tTwoSided,
  wilson,
} from "../src/statistics.js";

test("median is the middle one, or the mean of the two in the middle, whatever their order", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
  expect(median([])).toBeNaN();
});

test("quantiles lie between neighbors, and one half is the median", () => {
  expect(quantile([10, 0], 0.1)).toBeCloseTo(1);
  expect(quantile([5, 1, 9, 3], 0.5)).toBe(median([5, 1, 9, 3]));
  expect(quantile([], 0.5)).toBeNaN();
});

test("Wilson's interval holds the shares from which the count is 1.96 deviations away, and is never empty", () => {
  for (const [hits, n] of [
    [3, 20],
    [1, 5],
    [60, 200],
  ] as const) {
    const { share, low, high } = wilson(hits, n);
    expect(share).toBe(hits / n);
    for (const p of [low, high]) expect(Math.abs(share - p) / Math.sqrt((p * (1 - p)) / n)).toBeCloseTo(1.96, 3);
  }
  expect(wilson(0, 10).low).toBe(0);
  expect(wilson(0, 10).high).toBeCloseTo(0.2775, 4);
  expect(wilson(10, 10).high).toBe(1);
  expect(wilson(0, 0)).toMatchObject({ low: 0, high: 1 });
});

test("spread divides by n - 1, and is 0 for one value", () => {
  expect(mean([2, 4, 9])).toBe(5);
  expect(spread([2, 4, 9])).toBeCloseTo(Math.sqrt((9 + 1 + 16) / 2));
  expect(spread([3])).toBe(0);
  expect([mean([]), spread([])]).toEqual([Number.NaN, Number.NaN]);
});

describe("repetitions", () => {
  it("t quantiles equal the printed tables", () => {
    // Two-sided 95 % points of Student's t: any statistics book.
    const table = [12.7062, 4.30265, 3.18245, 2.77645, 2.57058];
    for (const [i, value] of table.entries()) expect(tQuantile(0.975, i + 1)).toBeCloseTo(value, 4);
    expect(tQuantile(0.975, 9)).toBeCloseTo(2.26216, 4);
    expect(tQuantile(0.975, 1e6)).toBeCloseTo(1.95997, 4);
  });

  it("p values of one and two degrees of freedom equal their closed forms", () => {
    for (const t of [0.1, 1, 3.5, 40]) {
      expect(tTwoSided(t, 1)).toBeCloseTo(1 - (2 / Math.PI) * Math.atan(t), 10);
      expect(tTwoSided(t, 2)).toBeCloseTo(1 - t / Math.sqrt(2 + t * t), 10);
    }
  });

  it("mean, deviation with n - 1 and interval of known values", () => {
    const { mean, sd, half95, n } = spreadOf([2, 4, 4, 4, 5, 5, 7, 9]);
    expect([n, mean]).toEqual([8, 5]);
    expect(sd).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(half95).toBeCloseTo((2.364624 * Math.sqrt(32 / 7)) / Math.sqrt(8), 5);
    expect(spreadOf([3]).sd).toBeNaN();
    expect(spreadOf([3]).half95).toBeNaN();
  });

  it("the paired t test of Student's own sleep data gives p = 0.00283", () => {
    const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
    const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
    const { difference, pT, pSignFlip, half95 } = pairedTest(first, second);
    expect(difference).toBeCloseTo(-1.58, 10);
    expect(pT).toBeCloseTo(0.00283289, 7);
    expect(half95).toBeCloseTo(0.879886, 5); // R: -2.4598858 .. -0.7001142
    expect(pSignFlip).toBe(4 / 1024); // nine differences of one sign and one 0, whose sign does not matter
  });

  it("sign flips are exact: three pairs of one sign cannot go below 1/4", () => {
    expect(pairedTest([1, 2, 3], [0, 0, 0]).pSignFlip).toBe(0.25);
    expect(pairedTest([1, -1], [0, 0]).pSignFlip).toBe(1);
    expect(pairedTest([1], [0]).pT).toBeNaN();
    expect(pairedTest([2, 3], [1, 2]).pT).toBe(0);
    expect(pairedTest([2, 3], [2, 3]).pT).toBe(1);
  });
});
