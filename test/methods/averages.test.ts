import { expect, test } from "vitest";
import { packagedMethods } from "../../src/methods/index.js";
import { describeEngine } from "../support/engine.js";
import { tinyRun } from "../support/method-run.js";

const STEPS = 4;
const averaging = packagedMethods.filter(({ options }) => "emaBuffers" in options).map(({ name }) => name);

/** The running statistics of every role, the average among them, after `count` steps of 4. */
function statistics(name: string, emaBuffers: string, count: number): number[][] {
  const run = tinyRun(name, { method: { emaBuffers }, totalSteps: STEPS });
  // As many as measuring takes: groups of 64.
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
