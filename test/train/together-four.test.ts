/** Four processes train as one does. All methods are tried with two: together.test.ts. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { describeWorld } from "../support/processes.js";
import { difference, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 8;
const exact = { steps: STEPS, batch: 16, labeledBatch: 4, seen: 0, syncBatchNorm: true, "optimizer.name": "sgd" };
const mlp = { model: "mlp", "model.width": undefined, "model.hidden": 16, "optimizer.lr": 0.1 };

const runs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "meta-pseudo-labels": { ...mlp, "method.finetuneSteps": 2 },
  mixmatch: { ...mlp, batch: 24, labeledBatch: 12 }, // rows are mixed across processes
  flexmatch: { ...mlp, "method.threshold": 0.12 }, // a bank by image
  "mean-teacher": { "optimizer.lr": 0.003 }, // batch norm
};

describeWorld("four processes", () => {
  it("end where one ends", { timeout: 120_000 }, async () => {
    const of = (method: string, where: string) =>
      configure(join(folder, `${method}-${where}`), { ...exact, method, ...runs[method] });
    const methods = Object.keys(runs);
    await trainTogether(
      4,
      folder,
      methods.map((method) => of(method, "four")),
    );
    for (const method of methods) {
      const one = of(method, "one");
      await trainToEnd(one);
      const { owner, share } = difference(one.out, of(method, "four").out, STEPS);
      expect(share, `${method}: ${owner}`).toBeLessThan(1e-5);
    }
  });
});
