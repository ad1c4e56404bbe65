import { describe, expect, test } from "vitest";
import { cosineUp, TSA_SCHEDULES, tsaThreshold } from "../../src/schedules/index.js";

describe("tsaThreshold", () => {
  const golden = {
    linear: [0.1, 0.325, 0.55, 0.775, 1],
    exp: [0.1061, 0.1212, 0.1739, 0.3579, 1],
    log: [0.1, 0.7421, 0.9261, 0.9788, 0.9939],
  } as const;
  for (const [schedule, values] of Object.entries(golden)) {
    test(`${schedule} has its golden values for 10 classes at 0, 1/4, 1/2, 3/4, 1`, () => {
      for (const [i, value] of values.entries()) {
        expect(Math.abs(tsaThreshold(schedule as "linear", i / 4, 10) - value)).toBeLessThan(5.1e-5);
      }
    });
  }
  test("none is 1 from the start", () => {
    for (const r of [0, 0.5, 1]) expect(tsaThreshold("none", r, 10)).toBe(1);
  });
  test("every schedule only rises, lies in 1/K .. 1, and does not move outside 0 .. 1", () => {
    for (const schedule of TSA_SCHEDULES) {
      const values = Array.from({ length: 101 }, (_, i) => tsaThreshold(schedule, i / 100, 4));
      for (const [i, value] of values.entries()) {
        expect(value).toBeGreaterThanOrEqual(0.25);
        expect(value).toBeLessThanOrEqual(1);
        if (i > 0) expect(value).toBeGreaterThanOrEqual(values[i - 1]!);
      }
      expect(tsaThreshold(schedule, -1, 4)).toBe(values[0]);
      expect(tsaThreshold(schedule, 2, 4)).toBe(values[100]);
    }
  });
});

test("cosineUp goes from 0 over 1/2 to 1 and stays there: AdaMatch's 0.5 - cos(min(pi, 2 pi t / T)) / 2", () => {
  expect(cosineUp(-1, 10)).toBe(0);
  expect(cosineUp(5, 10)).toBeCloseTo(0.5, 12);
  expect(cosineUp(99, 10)).toBe(1);
  expect(cosineUp(0, 0)).toBe(1);
  for (let t = 0; t <= 20; t++) {
    expect(cosineUp(t, 10)).toBeCloseTo(0.5 - Math.cos(Math.min(Math.PI, (2 * Math.PI * t) / 20)) / 2, 12);
  }
});
