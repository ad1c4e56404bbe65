/** What tests that go through all methods share: short runs of each. */
import { join } from "node:path";
import { methods } from "../../src/methods/index.js";

/** Options with which the method has something to do in 20 steps; `folder` holds `predictionsOf`. */
export function busyOptions(name: string, folder: string): Record<string, unknown> {
  const { options } = methods.find((method) => method.name === name)!;
  const thresholds = Object.keys(options).filter((key) => /threshold$/i.test(key) && options[key]!.type === "number");
  const given = Object.fromEntries(thresholds.map((key) => [`method.${key}`, 0.12]));
  const own: Record<string, Record<string, unknown>> = {
    "meta-pseudo-labels": { "method.finetuneSteps": 5, "method.studentWaitSteps": 2 },
    "reduced-meta-pseudo-labels": { "method.finetuneSteps": 5, "method.table": join(folder, "predictions.table") },
    crmatch: { "optimizer.lr": 0.003 },
    // A trial step near to nothing is made of rounding.
    vat: { "method.xi": 6 },
    "pseudo-label": { "method.form": "confidence" },
    // Their sub-batches must divide by two as well.
    mixmatch: { batch: 24, labeledBatch: 12 },
    remixmatch: { batch: 24, labeledBatch: 12, "method.strongViews": 2 },
    "self-training": { "method.rounds": 1 },
  };
  return { ...given, ...own[name] };
}
