import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import type { EvaluationEvent } from "../../src/run/events.js";
import { EvaluationHistory } from "../../src/train/evaluation-history.js";
import { describeEngine } from "../support/engine.js";
import {
  checkpointFiles,
  configure,
  continued,
  folderOfThisFile,
  type Trained,
  trainToEnd,
} from "../support/train-run.js";

const folder = folderOfThisFile();

/** A learning rate this high makes validation errors go up and down. */
const STEPS = 24;
const given = {
  steps: STEPS,
  evalEvery: 2,
  val: 30,
  keepCheckpoints: 1,
  saveBest: "val",
  "method.emaDecay": 0.2,
  "optimizer.lr": 0.1,
  "optimizer.schedule": "constant",
};

const evaluations = ({ events }: Trained) => events.filter((e): e is EvaluationEvent => e.type === "evaluation");
/** The first step with the lowest logged validation error. */
function bestLogged(run: Trained) {
  const logged = evaluations(run).map(({ step, val }) => ({ step, valError: val!.teacher!.error }));
  const lowest = Math.min(...logged.map(({ valError }) => valError));
  return logged.find(({ valError }) => valError === lowest)!;
}

describeEngine("saveBest val", () => {
  let run: Trained;
  let out: string;
  beforeAll(async () => {
    out = join(folder, "best");
    run = await trainToEnd(configure(out, given));
  });

  test("needs validation images, and says so before anything is loaded", () => {
    expect(() => configure(join(folder, "none"), { ...given, val: 0 })).toThrow(UsageError);
    expect(() => configure(join(folder, "none"), { ...given, val: 0 })).toThrow(/saveBest val needs .* val N/);
  });

  test("selects the first step with the lowest validation error, and here that is not the last", () => {
    const { step, valError } = run.result!.bestVal!;
    expect({ step, valError }).toEqual(bestLogged(run));
    expect(step).toBeLessThan(STEPS);
  });

  test("keeps that checkpoint beside the latest, whatever keepCheckpoints says", () => {
    const { step } = run.result!.bestVal!;
    expect(readdirSync(join(out, "checkpoints")).sort()).toEqual([`step-${STEPS}`, `step-${step}`].sort());
  });

  test("reports the test error of that checkpoint, and error, test and val of the final weights", async () => {
    const { error, test: errors, val, final, bestVal } = run.result!;
    const [best, last] = [
      await evaluateRun(out, { split: "test", checkpoint: "best" }),
      await evaluateRun(out, { split: "test" }),
    ];
    expect([best.step, best.result.error]).toEqual([bestVal!.step, bestVal!.error]);
    expect([last.step, last.result.error, last.result.test]).toEqual([STEPS, error, errors]);
    expect(final).toEqual({ step: STEPS, error });
    const onVal = await evaluateRun(out, { split: "val", checkpoint: "best" });
    expect(onVal.result.val!.teacher!.error).toBe(bestVal!.valError);
    expect(val).toEqual(evaluations(run).at(-1)!.val);
    expect(best.result.test).not.toEqual(last.result.test); // two checkpoints indeed
  });

  test("looks at validation alone: with other test images it selects the same step and the same weights", async () => {
    const other = join(folder, "other-test");
    const again = await trainToEnd(configure(other, { ...given, "dataset.test": 37 }));
    const { step, valError } = run.result!.bestVal!;
    expect(again.result!.bestVal).toMatchObject({ step, valError });
    expect(again.result!.bestVal!.error).not.toBe(run.result!.bestVal!.error); // other images, other error
    expect(checkpointFiles(other, step)).toEqual(checkpointFiles(out, step));
    for (const { step: at, test: onTest } of evaluations(again)) expect(onTest !== undefined).toBe(at === STEPS);
  });

  test("changes nothing in training", async () => {
    const plain = join(folder, "plain");
    await trainToEnd(configure(plain, { ...given, saveBest: "none" }));
    expect(checkpointFiles(plain, STEPS)).toEqual(checkpointFiles(out, STEPS));
    expect(readdirSync(join(plain, "checkpoints"))).toEqual([`step-${STEPS}`]);
  });

  for (const cut of [1, 9, STEPS - 1]) {
    test(`interrupted at step ${cut} and continued, it selects the same step, with the same weights and errors`, async () => {
      const resumed = join(folder, `resumed-${cut}`);
      expect((await trainToEnd(configure(resumed, given), cut)).result).toBeUndefined();
      const { result } = await trainToEnd(continued(resumed));
      const { bestVal, final, medianLast20 } = run.result!;
      expect(result).toMatchObject({ bestVal, final, medianLast20 } as object);
      expect(checkpointFiles(resumed, bestVal!.step)).toEqual(checkpointFiles(out, bestVal!.step));
    });
  }

  test("a best checkpoint that somebody removed is missed with a warning, and the run ends", async () => {
    const removed = join(folder, "removed");
    const { step } = run.result!.bestVal!;
    await trainToEnd(configure(removed, given), STEPS - 1);
    rmSync(join(removed, "checkpoints", `step-${step}`), { recursive: true });
    const { result, events } = await trainToEnd(continued(removed));
    expect(result).toMatchObject({ final: run.result!.final });
    expect(result!.bestVal).toBeUndefined();
    expect(events.find(({ type }) => type === "warning")).toMatchObject({
      message: `the checkpoint of step ${step}, the best on validation, has been removed: the result has no bestVal`,
    });
  });

  test("an unfinished run can be evaluated at its best checkpoint so far", async () => {
    const going = join(folder, "going");
    const part = await trainToEnd(configure(going, given), 15);
    const { step, valError } = bestLogged(part);
    const best = await evaluateRun(going, { split: "val", checkpoint: "best" });
    expect([best.step, best.result.val!.teacher!.error]).toEqual([step, valError]);
  });

  test("without it there is no bestVal, and no best checkpoint to evaluate", async () => {
    const plain = join(folder, "no-best");
    const { result } = await trainToEnd(configure(plain, { steps: 3, val: 30 }));
    expect(result!.bestVal).toBeUndefined();
    await expect(evaluateRun(plain, { split: "test", checkpoint: "best" })).rejects.toThrow(/--save-best val/);
  });
});

describeEngine("medianLast20", () => {
  const median = (values: readonly number[]) => {
    const sorted = [...values].sort((a, b) => a - b);
    return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
  };

  test("is over the last 20 of more evaluations, on the validation images where there are some", async () => {
    const run = await trainToEnd(configure(join(folder, "median"), { ...given, evalEvery: 1, saveBest: "none" }));
    const errors = evaluations(run).map(({ val }) => val!.teacher!.error);
    expect(errors).toHaveLength(STEPS);
    expect(run.result!.medianLast20).toEqual({ split: "val", error: median(errors.slice(-20)), evaluations: 20 });
  });

  test("is over all of fewer, and on the test images without validation", async () => {
    const run = await trainToEnd(configure(join(folder, "median-test"), { ...given, saveBest: "none", val: 0 }));
    const errors = evaluations(run).map(({ test: onTest }) => onTest!.teacher!.error);
    expect(run.result!.medianLast20).toEqual({ split: "test", error: median(errors), evaluations: STEPS / 2 });
  });
});

describe("EvaluationHistory", () => {
  const event = (step: number, error: number, split: "val" | "test" = "val"): EvaluationEvent => ({
    type: "evaluation",
    step,
    [split]: { student: { error: 0, loss: 0, n: 1 }, teacher: { error, loss: 0, n: 1 } },
  });
  const history = (split: "val" | "test", ...events: EvaluationEvent[]) => {
    const made = new EvaluationHistory("teacher", split);
    for (const each of events) made.add(each);
    return made;
  };

  test("the best is the predictor's lowest, the first of equals", () => {
    expect(history("val", event(1, 5), event(2, 3), event(3, 3), event(4, 4)).best()).toEqual({ step: 2, valError: 3 });
  });

  test("test errors select nothing, whatever they are", () => {
    expect(history("test", event(1, 5, "test"), event(2, 3, "test")).best()).toBeUndefined();
    expect(history("val", event(1, 5, "test")).best()).toBeUndefined();
  });

  test("the median is over the last 20: what came before does not count", () => {
    const early = Array.from({ length: 30 }, (_, i) => event(i, 90));
    const late = Array.from({ length: 20 }, (_, i) => event(100 + i, i));
    expect(history("val", ...early, ...late).medianLast20()).toEqual({ split: "val", error: 9.5, evaluations: 20 });
    expect(history("val", ...early, ...late.slice(1)).medianLast20().error).toBe(10.5);
  });

  test("a step evaluated again after a resume counts once; what came after the checkpoint does not count", () => {
    const made = history("val");
    made.recall([event(1, 9), { type: "step", step: 1 }, event(2, 7), event(4, 1)] as never, 2);
    made.add(event(2, 7));
    expect(made.best()).toEqual({ step: 2, valError: 7 });
    expect(made.medianLast20()).toEqual({ split: "val", error: 8, evaluations: 2 });
  });
});
