/** Four processes train as one does, with every method; what else they share is tried with two: together.test.ts. */
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { busyOptions } from "../support/every-method.js";
import { describeWorld } from "../support/processes.js";
import { difference, exact, smooth, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 20;
const names = methods.map(({ name }) => name);

const runOf = (method: string, where: string) =>
  configure(join(folder, `${method}-${where}`), {
    ...exact,
    steps: STEPS,
    ...smooth,
    method,
    ...busyOptions(method, folder),
  });
const normalized = (where: string) =>
  configure(join(folder, `batch-norm-${where}`), {
    ...exact,
    steps: STEPS,
    method: "mean-teacher",
    "optimizer.lr": 0.003,
  });

describeWorld("four processes", () => {
  beforeAll(async () => {
    await predictionsOf(folder);
    await trainTogether(4, folder, [...names.map((name) => runOf(name, "four")), normalized("four")]);
  }, 300_000);

  const cases = [
    ...names.map((name) => [name, (where: string) => runOf(name, where)] as const),
    ["batch norm", normalized] as const,
  ];
  it.each(cases)("%s ends where one process ends", async (_, of) => {
    const one = of("one");
    await trainToEnd(one);
    const { owner, share } = difference(one.out, of("four").out, STEPS);
    expect(share, owner).toBeLessThan(1e-5);
  });
});
