import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  Adam,
  betasOf,
  createOptimizer,
  LEARNING_RATE_SCHEDULES,
  optimizerOptions,
  planOf,
  Sgd,
} from "../../src/optim/index.js";
import { parseOptions } from "../../src/options.js";
import { describeEngine } from "../support/engine.js";
import { drawGradients, makeParameters, valuesOf } from "../support/parameters.js";

const parse = (given: Record<string, unknown> = {}) => parseOptions(optimizerOptions, given, "optimizer");
const learningRateOf = (options: ReturnType<typeof parse>, steps: number) => planOf(options, steps).learningRate;
const betas = (options: ReturnType<typeof parse>, steps: number) => betasOf(options, planOf(options, steps));
const near = (got: number, expected: number) => expect(Math.abs(got / expected - 1)).toBeLessThan(1e-9);

test("adam's eps is above 0: a weight without a gradient would be divided by it", () => {
  expect(() => parse({ eps: 0 })).toThrow(/a number of at least 1e-16 for eps, got 0/);
  expect(parse({ eps: 1e-16 }).eps).toBe(1e-16);
});

describe("what optimizer options leave open follows from the number of steps", () => {
  test("sigmoid ramps up over 4/15 and down over 1/6 of the run: 40,000 and 25,000 of 150,000", () => {
    const rate = learningRateOf(parse(), 150_000);
    near(rate(0), 0.003 * Math.exp(-5));
    expect(rate(39_999)).toBeLessThan(0.003);
    expect([40_000, 124_999, 125_000].map(rate)).toEqual([0.003, 0.003, 0.003]);
    expect(rate(125_100)).toBeLessThan(0.003);
    near(rate(137_500), 0.003 * Math.exp(-12.5 / 4));
  });
  test("te is the same on whole epochs of 1/300 of the run, where the ramp-down is 50 epochs", () => {
    const [te, sigmoid] = [learningRateOf(parse({ schedule: "te" }), 30_000), learningRateOf(parse(), 30_000)];
    for (const epoch of [0, 1, 40, 79, 80, 200, 250, 251, 299]) {
      near(te(epoch * 100), sigmoid(epoch * 100));
      expect(te(epoch * 100 + 99)).toBe(te(epoch * 100));
    }
  });
  test("linear-cosine would reach 0 at 7/6 of the run and starts at initialLr", () => {
    const rate = learningRateOf(parse({ schedule: "linear-cosine", lr: 0.05, initialLr: 0.01, warmupSteps: 10 }), 300);
    expect(rate(0)).toBe(0.01);
    near(rate(175), 0.025);
    expect(() => learningRateOf(parse({ schedule: "linear-cosine", cosineSteps: 100 }), 300)).toThrow(/cosineSteps/);
  });
  test("kek and gmpl warm up over 1/60 of the run; the golden values come out at 300,000 steps", () => {
    const kek = learningRateOf(parse({ schedule: "kek", lr: 0.05, waitSteps: 3000 }), 300_000);
    expect([2_999, 3_000, 8_000].map(kek)).toEqual([0, (0.05 * 3000) / 8000, 0.05]);
    const gmpl = learningRateOf(parse({ schedule: "gmpl", lr: 0.05, waitSteps: 3000 }), 300_000);
    expect([2_999, 3_000, 8_000].map(gmpl)).toEqual([0, 0.05 / 5000, 0.05]);
  });
  test("their warm-up ends after the wait before it; other schedules wait for nothing", () => {
    const warming = (schedule: "kek" | "gmpl" | "linear-cosine", step: number, warmupSteps = 5000) =>
      planOf(parse({ schedule, waitSteps: 3000, warmupSteps }), 20_000).warmingUp(step);
    for (const schedule of ["kek", "gmpl"] as const) {
      expect([0, 5000, 7999, 8000].map((step) => warming(schedule, step))).toEqual([true, true, true, false]);
      expect(warming(schedule, 0, 0)).toBe(false);
    }
    expect([4999, 5000].map((step) => warming("linear-cosine", step))).toEqual([true, false]);
  });
  test("a wait as long as the run is refused where the schedule waits", () => {
    const wait = (schedule: "kek" | "gmpl" | "cosine-7-16", waitSteps: number) => () =>
      learningRateOf(parse({ schedule, waitSteps }), 100)(99);
    expect(wait("kek", 99)).not.toThrow();
    expect(wait("kek", 100)).toThrow(/less than the 100 steps of the schedule for waitSteps, got 100.*--steps/);
    expect(wait("gmpl", 3000)).toThrow(/got 3000/);
    expect(wait("cosine-7-16", 3000)).not.toThrow();
  });
  test("constant and cosine-7-16 have no warm-up unless asked", () => {
    expect([0, 99].map(learningRateOf(parse({ schedule: "constant" }), 100))).toEqual([0.003, 0.003]);
    const cosine = learningRateOf(parse({ schedule: "cosine-7-16", lr: 1 }), 100);
    expect(cosine(0)).toBe(1);
    expect(cosine(100)).toBeCloseTo(0.19509, 6);
  });
  test("given lengths win over derived ones, also 0", () => {
    const rate = learningRateOf(parse({ warmupSteps: 0, rampDownSteps: 0 }), 100);
    expect([0, 50, 100].map(rate)).toEqual([0.003, 0.003, 0.003]);
  });
});

describe("Adam's betas", () => {
  test.each(["beta1", "beta1End", "beta2", "beta2RampUp"])("%s of 1 would divide by 0: refused", (name) => {
    expect(() => parse({ [name]: 1 })).toThrow(/expected a number of at least 0 and below 1 for .*, got 1 /);
    expect(parse({ [name]: 0.9999999 })).toMatchObject({ [name]: 0.9999999 });
  });

  test("beta1 falls to beta1End with the ramp-down, and stays where a schedule has none", () => {
    const { beta1 } = betas(parse(), 150_000);
    expect([0, 125_000].map(beta1)).toEqual([0.9, 0.9]);
    near(beta1(137_500), 0.5 + 0.4 * Math.exp(-12.5 / 4));
    expect(beta1(150_000)).toBeCloseTo(0.5, 5);
    expect(betas(parse({ schedule: "constant" }), 100).beta1(100)).toBe(0.9);
    near(betas(parse({ schedule: "te" }), 30_000).beta1(26_000), 0.5 + 0.4 * Math.exp(-0.5));
  });
  test("beta2 is beta2RampUp during the warm-up only, and constant by default", () => {
    const { beta2 } = betas(parse({ beta2RampUp: 0.99 }), 150_000);
    expect([0, 39_999, 40_000].map(beta2)).toEqual([0.99, 0.99, 0.999]);
    expect([0, 40_000].map(betas(parse(), 150_000).beta2)).toEqual([0.999, 0.999]);
  });
});

describe("optimizer options", () => {
  test("refuse what is out of range or unknown, by name", () => {
    expect(() => parse({ schedule: "cosine" })).toThrow(/expected one of .* for schedule, got "cosine"/);
    expect(() => parse({ beta1: 2 })).toThrow(/a number of at least 0 and below 1 for beta1, got 2/);
    expect(() => parse({ learningRate: 1 })).toThrow(/unknown option "learningRate"/);
    expect(() => parse({ weigthDecay: 1 })).toThrow('Did you mean "weightDecay"?');
  });
});

test("docs/schedules-and-losses.md names every optimizer option and every schedule", () => {
  const page = readFileSync(new URL("../../docs/schedules-and-losses.md", import.meta.url), "utf8");
  const names = [...Object.keys(optimizerOptions), ...LEARNING_RATE_SCHEDULES];
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});

describeEngine("createOptimizer", () => {
  test("builds adam by default and sgd on request, with the rate of its schedule", () => {
    const parameters = makeParameters();
    expect(createOptimizer(parameters, parse(), 150)).toBeInstanceOf(Adam);
    const sgd = createOptimizer(parameters, parse({ name: "sgd", schedule: "constant", lr: 0.25 }), 150);
    expect(sgd).toBeInstanceOf(Sgd);
    expect(sgd.learningRate(7)).toBe(0.25);
  });
  test("passes every option on: the step is Nesterov's with weight decay on kernels only", () => {
    const parameters = makeParameters();
    const start = valuesOf(parameters);
    const options = parse({ name: "sgd", schedule: "constant", lr: 0.5, weightDecay: 0.1, decayScope: "kernelsOnly" });
    const optimizer = createOptimizer(parameters, options, 10);
    const drawn = drawGradients(parameters, 3);
    optimizer.step({ step: 0, totalSteps: 10 });
    for (const [i, w] of valuesOf(parameters).entries()) {
      const wd = parameters[i]!.tensor.shape.length >= 2 ? 0.1 : 0;
      // The first velocity is g itself, so Nesterov moves by 1.9 g.
      for (const [j, x] of w.entries())
        expect(x).toBeCloseTo(start[i]![j]! - 0.5 * 1.9 * (drawn[i]![j]! + wd * start[i]![j]!), 10);
    }
  });
});
