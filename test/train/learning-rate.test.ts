/** The learning rate that the log and a failure name is that of the optimizer which steps. */
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeEngine } from "../support/engine.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

describeEngine("the learning rate of the log", () => {
  test.each(["meta-pseudo-labels", "reduced-meta-pseudo-labels"])(
    "%s: the fine-tuning's in its phase",
    async (method) => {
      const table = method.startsWith("reduced") ? { "method.table": await predictionsOf(folder) } : {};
      const given = {
        ...{ method, ...table, steps: 4, "method.finetuneSteps": 2, "method.finetuneLr": 0.123 },
        ...{ "optimizer.lr": 0.01, "optimizer.schedule": "constant", "optimizer.warmupSteps": 0, strong: "weak" },
      };
      const { events } = await trainToEnd(configure(join(folder, method), given));
      const rates = events.flatMap((event) => (event.type === "step" ? [event.learningRate] : []));
      expect(rates).toEqual([0.01, 0.01, 0.123, 0.123]);
    },
  );
});
