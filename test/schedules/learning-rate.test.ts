import { describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import {
  constantRate,
  cosine7_16Rate,
  gmplRate,
  kekRate,
  linearCosineRate,
  sigmoidRate,
  stairsRate,
  temporalEnsemblingRate,
} from "../../src/schedules/index.js";

const close = (got: number, expected: number, relative = 1e-10) =>
  expect(Math.abs(got - expected)).toBeLessThanOrEqual(relative * Math.abs(expected));

test("constantRate is the base, after a warm-up whose first step is not 0", () => {
  expect([0, 1, 500].map(constantRate({ base: 0.5 }))).toEqual([0.5, 0.5, 0.5]);
  expect([0, 1, 3, 4].map(constantRate({ base: 1, warmupSteps: 4 }))).toEqual([0.25, 0.5, 1, 1]);
});

describe("sigmoidRate", () => {
  test("reaches only the published peaks in the short supervised runs with a ramp-up of 40,000 steps", () => {
    const peaks = [
      [7_500, 1_000, 9.0e-5],
      [15_000, 2_000, 3.08e-4],
      [30_000, 4_000, 1.63e-3],
      [40_000, 10_000, 2.21e-3],
    ] as const;
    for (const [totalSteps, rampDownSteps, peak] of peaks) {
      const rate = sigmoidRate({ base: 0.003, warmupSteps: 40_000, rampDownSteps, totalSteps });
      let best = 0;
      for (let t = 0; t < totalSteps; t++) best = Math.max(best, rate(t));
      close(best, peak, 6e-3);
    }
  });
  test("is the base between the ramps", () => {
    const rate = sigmoidRate({ base: 0.003, warmupSteps: 40, rampDownSteps: 25, totalSteps: 150 });
    expect([40, 80, 124].map(rate)).toEqual([0.003, 0.003, 0.003]);
    close(rate(0), 0.003 * Math.exp(-5));
    close(rate(150), 0.003 * Math.exp(-12.5));
  });
});

test("temporalEnsemblingRate changes once an epoch and follows the paper's 80 and 50 of 300 epochs", () => {
  const options = { base: 0.003, warmupSteps: 8_000, rampDownSteps: 5_000, totalSteps: 30_000, epochSteps: 100 };
  const rate = temporalEnsemblingRate(options);
  expect(rate(4_099)).toBe(rate(4_000));
  expect(rate(4_100)).not.toBe(rate(4_099));
  close(rate(4_050), 0.003 * Math.exp(-5 * 0.25));
  expect(rate(15_000)).toBe(0.003);
  close(rate(26_000), 0.003 * 0.606531, 1e-5); // 10 epochs into the ramp-down
  expect(() => temporalEnsemblingRate({ ...options, epochSteps: 0 })).toThrow(UsageError);
});

describe("linearCosineRate", () => {
  const options = { base: 0.1, initial: 0.02, warmupSteps: 10, cosineSteps: 350, totalSteps: 300 };
  test("goes from the initial rate over the base to 0 at cosineSteps", () => {
    const rate = linearCosineRate(options);
    expect(rate(0)).toBe(0.02);
    close(rate(5), 0.06 * 0.5 * (1 + Math.cos((Math.PI * 5) / 350)));
    close(rate(175), 0.05);
    expect(rate(350)).toBeCloseTo(0, 15);
    expect(linearCosineRate({ ...options, warmupSteps: 0 })(0)).toBe(0.1);
  });
  test("refuses a cosine that would reach 0 within the run", () => {
    expect(() => linearCosineRate({ ...options, cosineSteps: 299 })).toThrow(/at least the 300 steps/);
  });
});

describe("rates that wait", () => {
  test("kekRate has the golden values at 2999, 3000 and 8000", () => {
    const rate = kekRate({ base: 0.05, waitSteps: 3_000, warmupSteps: 5_000, totalSteps: 300_000 });
    expect(rate(2_999)).toBe(0);
    close(rate(3_000), 0.01875);
    expect(rate(8_000)).toBe(0.05);
    expect(rate(300_000)).toBeCloseTo(0, 15);
  });
  test("gmplRate starts its warm-up from 0 after the wait, ends it at the base, and ends at 0", () => {
    const rate = gmplRate({ base: 0.4, waitSteps: 3_000, warmupSteps: 5_000, totalSteps: 300_000 });
    expect(rate(2_999)).toBe(0);
    close(rate(3_000), 0.4 / 5_000);
    close(rate(7_999), 0.4);
    expect(rate(8_000)).toBe(0.4);
    close(rate(154_000), 0.2);
    expect(rate(300_000)).toBeCloseTo(0, 15);
  });
  test("without wait and warm-up both are the plain half cosine", () => {
    const options = { base: 1, waitSteps: 0, warmupSteps: 0, totalSteps: 100 };
    for (let t = 0; t <= 100; t++) {
      const plain = Math.cos((Math.PI * t) / 200) ** 2;
      expect(kekRate(options)(t)).toBeCloseTo(plain, 12);
      expect(gmplRate(options)(t)).toBeCloseTo(plain, 12);
    }
  });
});

test("cosine7_16Rate ends at 0.1951 of its base, with and without warm-up", () => {
  for (const warmupSteps of [0, 20]) {
    const rate = cosine7_16Rate({ base: 0.03, warmupSteps, totalSteps: 100 });
    close(rate(100), 0.03 * 0.19509, 1e-5);
    expect(rate(warmupSteps)).toBe(0.03);
  }
  close(cosine7_16Rate({ base: 0.03, warmupSteps: 20, totalSteps: 100 })(5), 0.0075);
});

test("stairsRate is the base times the factor for every drop that is over, after a linear warm-up", () => {
  const rate = stairsRate({ base: 0.3, warmupSteps: 4, drops: [10, 20], dropFactor: 0.1 });
  close(rate(0), 0.075);
  for (const [step, wanted] of [
    [3, 0.3],
    [9, 0.3],
    [10, 0.03],
    [19, 0.03],
    [20, 0.003],
    [99, 0.003],
  ] as const) {
    close(rate(step), wanted);
  }
});
