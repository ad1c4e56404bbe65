/** Several processes share the batch that a method has by default, whatever the method. */
import { join } from "node:path";
import { expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { RunFolder } from "../../src/run/index.js";
import { describeWorld } from "../support/processes.js";
import { smooth, trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, predictionsOf } from "../support/train-run.js";

const folder = folderOfThisFile();

describeWorld("with no option of the batch given", () => {
  it.each([2, 3])("every method trains in %i processes", { timeout: 300_000 }, async (size) => {
    const table = await predictionsOf(folder);
    const runs = methods.map(({ name, options }) =>
      configure(join(folder, `${name}-${size}`), {
        ...{ ...smooth, labels: 100, seen: 0, steps: 2, method: name },
        ...{ batch: undefined, labeledBatch: undefined },
        ...("table" in options ? { "method.table": table } : {}),
      }),
    );
    await trainTogether(size, folder, runs);
    for (const { out } of runs) expect(RunFolder.open(out).result(), out).toBeDefined();
  });
});
