import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { packagedMethods } from "../../src/methods/index.js";
import { describeEngine } from "../support/engine.js";
import { tinyRun } from "../support/method-run.js";

const STEPS = 4;
const averaging = packagedMethods.filter(({ options }) => "emaBuffers" in options).map(({ name }) => name);

/** The running statistics of every role, the average among them, after `count` steps of 4. */
function statistics(name: string, emaBuffers: string, count: number): number[][] {
  const run = tinyRun(name, { method: { emaBuffers }, totalSteps: STEPS });
  // As many as measuring takes.
  Object.assign(run.setup, { statisticsRows: Int32Array.from({ length: 64 }, (_, i) => i % 40) });
  run.steps(count);
  const models = Object.values(run.method.models);
  const found = models.flatMap(({ buffers }) => buffers.map(({ tensor }) => tensor.toNumbers()));
  run.release();
  return found;
}

describeEngine("the average's running statistics", () => {
  test("there are methods to ask", () => expect(averaging.length).toBeGreaterThan(10));

  test.each(averaging)("%s: recompute measures them anew after the last step, and not before", (name) => {
    expect(statistics(name, "recompute", STEPS - 1)).toEqual(statistics(name, "average", STEPS - 1));
    expect(statistics(name, "recompute", STEPS)).not.toEqual(statistics(name, "average", STEPS));
  });
});

describeEngine("the images that the statistics are measured on", () => {
  test.each([
    [63, []],
    [100, [100]],
    [150, [75, 75]],
    [191, [95, 96]],
    [256, [64, 64, 64, 64]],
  ])("of %i all are used, in groups of %j", (count, groups) => {
    const run = tinyRun("supervised", { totalSteps: STEPS });
    const { trainingImages } = run.setup;
    const asked: number[][] = [];
    Object.assign(run.setup, {
      statisticsRows: Int32Array.from({ length: count }, (_, i) => i),
      trainingImages(rows: Int32Array) {
        asked.push([...rows]);
        return trainingImages(rows.map((row) => row % 40));
      },
    });
    run.steps(STEPS);
    run.release();
    expect(asked.map(({ length }) => length)).toEqual(groups);
    expect(asked.flat()).toEqual(Array.from({ length: groups.length > 0 ? count : 0 }, (_, i) => i));
  });
});

describeEngine("emaDecayRampUp", () => {
  /** Steps for which it holds: a share of 0 keeps the average at the student, and 1 behind it lets it stay where it is. */
  function held(name: string, method: Record<string, unknown>, totalSteps: number): number {
    const given = { emaDecay: 1, emaDecayRampUp: 0, emaWarmup: "none", ...method };
    const run = tinyRun(name, { method: given, totalSteps });
    const weights = (role: string) => run.method.models[role]!.parameters.map(({ tensor }) => tensor.toNumbers());
    let steps = 0;
    for (let same = true; same && steps < totalSteps; steps += same ? 1 : 0) {
      run.steps(1, steps);
      same = isDeepStrictEqual(weights("student"), weights("teacher"));
    }
    run.release();
    return steps;
  }

  test.each([
    ["vat", {}, 10, 4],
    ["vat", { rampUpSteps: 2 }, 10, 2],
    ["mixmatch", {}, 128, 2],
    ["remixmatch", {}, 128, 2],
    ["pi-model", {}, 15, 4],
    ["temporal-ensembling", {}, 15, 4],
    ["pseudo-label", {}, 10, 6],
    ["pseudo-label", { form: "confidence" }, 10, 4],
    ["pseudo-label", { rampEnd: 3 }, 10, 3],
    ["adamatch", { warmUp: true }, 10, 5],
  ] as const)("%s %j, %i steps: holds for the ramp-up of the method's weight", (name, method, totalSteps, steps) => {
    expect(held(name, method, totalSteps)).toBe(steps);
  });

  test.each(["supervised", "uda", "fixmatch", "adamatch"])("%s has no ramp-up: holds for 4/15 of the steps", (name) => {
    expect(held(name, {}, 15)).toBe(4);
  });
});
