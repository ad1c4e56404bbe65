import { expect, test } from "vitest";
import { mean, median, quantile, spread } from "../src/statistics.js";

test("median is the middle one, or the mean of the two in the middle, whatever their order", () => {
  expect([median([3, 1, 2]), median([4, 1, 3, 2]), median([7])]).toEqual([2, 2.5, 7]);
  expect(median([])).toBeNaN();
});

test("quantiles lie between neighbors, and one half is the median", () => {
  expect(quantile([10, 0], 0.1)).toBeCloseTo(1);
  expect(quantile([5, 1, 9, 3], 0.5)).toBe(median([5, 1, 9, 3]));
  expect(quantile([], 0.5)).toBeNaN();
});

test("spread divides by n - 1, and is 0 for one value", () => {
  expect(mean([2, 4, 9])).toBe(5);
  expect(spread([2, 4, 9])).toBeCloseTo(Math.sqrt((9 + 1 + 16) / 2));
  expect(spread([3])).toBe(0);
  expect([mean([]), spread([])]).toEqual([Number.NaN, Number.NaN]);
});
