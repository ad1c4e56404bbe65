/** The consistency weight over time. */
import { expect, test } from "vitest";
import { consistencyWeight } from "../../../src/methods/parts/shared-options.js";

const setup = { totalSteps: 100, numLabeled: 10, numTraining: 40, numClasses: 4 };
const given = {
  consistencyWeight: 8,
  scaleByLabels: false,
  rampUpSteps: 50,
  rampUp: "sigmoid",
  rampEvery: "step",
} as const;

test("scaleByLabels is labeled over the images that training shows: 1 with all labels", () => {
  const end = { step: 99, epoch: 9 };
  expect(consistencyWeight(setup, { ...given, scaleByLabels: true })(end)).toBeCloseTo(8 / 4, 12);
  expect(consistencyWeight({ ...setup, numLabeled: 40 }, { ...given, scaleByLabels: true })(end)).toBe(8);
});

test("scaled ceilings have their golden values: CIFAR-10 with 4,000 labels, SVHN with 500", () => {
  const ceiling = (weight: number, numLabeled: number, numTraining: number) =>
    consistencyWeight(
      { ...setup, numLabeled, numTraining },
      { ...given, consistencyWeight: weight, scaleByLabels: true },
    )({ step: 99, epoch: 9 });
  expect([ceiling(100, 4000, 50_000), ceiling(30, 4000, 50_000)]).toEqual([8, 2.4]);
  expect(ceiling(100, 500, 73_257)).toBeCloseTo(0.6825, 4);
  expect(ceiling(30, 500, 73_257)).toBeCloseTo(0.2048, 4);
});

test("the weight by default is K for squared errors and 1 for kl", () => {
  const end = { step: 99, epoch: 9 };
  const open = { ...given, consistencyWeight: undefined };
  expect(consistencyWeight(setup, open)(end)).toBe(4);
  expect(consistencyWeight(setup, { ...open, cost: "mse" })(end)).toBe(4);
  expect(consistencyWeight(setup, { ...open, cost: "kl" })(end)).toBe(1);
});

test("the linear ramp-up is at a half where half of it is over, and at the end with its last step", () => {
  const weight = consistencyWeight(setup, { ...given, rampUp: "linear" });
  expect([0, 25, 49, 50, 90].map((step) => weight({ step, epoch: 0 }))).toEqual([0, 4, 8 * 0.98, 8, 8]);
  expect(consistencyWeight(setup, given)({ step: 25, epoch: 0 })).toBeCloseTo(8 * Math.exp(-1.25), 12);
});

test("rampEvery epoch holds the weight for an epoch, at what it is in the epoch's first step", () => {
  const [byStep, byEpoch] = [
    consistencyWeight(setup, given),
    consistencyWeight(setup, { ...given, rampEvery: "epoch" }),
  ];
  for (let step = 0; step < 60; step++) {
    const start = Math.floor(step / 7) * 7;
    expect(byEpoch({ step, epoch: step / 7 })).toBe(byStep({ step: start, epoch: start / 7 }));
  }
  expect(byEpoch({ step: 8, epoch: 8 / 7 })).not.toBe(byStep({ step: 8, epoch: 8 / 7 }));
});
