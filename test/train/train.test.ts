import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TrainingError, UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { methods } from "../../src/methods/index.js";
import type { EvaluationEvent, StepEvent } from "../../src/run/events.js";
import { readEvents } from "../../src/run/index.js";
import { liveTensors } from "../../src/torch/index.js";
import { trainConfig } from "../../src/train/train.js";
import { describeEngine } from "../support/engine.js";
import {
  checkpointFiles,
  configure,
  continued,
  folderOfThisFile,
  predictionsOf,
  trainToEnd,
} from "../support/train-run.js";

const folder = folderOfThisFile();

const resultFields = {
  method: "string",
  model: "string",
  dataset: "string",
  labels: "number",
  steps: "number",
  seed: "number",
  device: "string",
  precision: "string",
  predictor: "string",
  error: "number",
  test: "object",
  perClass: "object",
  imagesPerSecond: "number",
  stepSecondsMedian: "number",
  elapsedSeconds: "number",
  peakMemoryMB: "number",
  final: "object",
  medianLast20: "object",
};
const typesOf = (record: object) =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, typeof value]));

describeEngine("train", () => {
  test("yields start, steps, evaluations, checkpoints and done in order, and logs each as it yields it", async () => {
    const out = join(folder, "order");
    const { events, result } = await trainToEnd(configure(out, { steps: 6, evalEvery: 2, checkpointEvery: 3 }));
    const story = events
      .filter(({ type }) => type !== "warning")
      .map((e) => `${e.type} ${"step" in e ? e.step : ""}`.trim());
    expect(story).toEqual([
      "start",
      "step 1",
      "step 2",
      "evaluation 2",
      "step 3",
      "checkpoint 3",
      "step 4",
      "evaluation 4",
      "step 5",
      "step 6",
      "checkpoint 6",
      "evaluation 6",
      "done",
    ]);
    const logged = readEvents(join(out, "metrics.jsonl")).map(({ time, ...event }) => event);
    expect(logged).toEqual(JSON.parse(JSON.stringify(events)));
    expect(events.at(-1)).toMatchObject({ type: "done", result });
    const record = ["checkpoints", "config.json", "inference.json", "metrics.jsonl", "result.json", "seen"];
    expect(readdirSync(out).sort()).toEqual(record);
  });

  test("step events carry finite metrics, the rate, epochs that grow and a time to go", async () => {
    const { events } = await trainToEnd(configure(join(folder, "steps"), { steps: 20 }));
    const steps = events.filter((e): e is StepEvent => e.type === "step");
    expect(steps).toHaveLength(20);
    for (const [i, { metrics, learningRate, epoch, etaSeconds, totalSteps }] of steps.entries()) {
      expect(Object.values(metrics).every(Number.isFinite)).toBe(true);
      expect(learningRate).toBeGreaterThan(0);
      expect(epoch).toBeCloseTo((i + 1) / 15, 6); // 120 images in chunks of 8
      expect([etaSeconds >= 0, totalSteps]).toEqual([true, 20]);
    }
    expect(steps.at(-1)!.etaSeconds).toBe(0);
  });

  for (const { name: method, options: declared } of methods) {
    const needs = async () => ("table" in declared ? { "method.table": await predictionsOf(folder) } : {});
    test(`${method}: result.json has exactly the contract's fields, and the file is what was returned`, async () => {
      const out = join(folder, `result-${method}`);
      const { result } = await trainToEnd(configure(out, { steps: 3, method, ...(await needs()) }));
      expect(JSON.parse(readFileSync(join(out, "result.json"), "utf8"))).toEqual(result);
      expect(typesOf(result!)).toEqual(resultFields);
      const role = { error: "number", loss: "number", n: "number" };
      expect(Object.keys(result!.test)).toEqual(expect.arrayContaining(["student", result!.predictor]));
      for (const values of Object.values(result!.test)) expect(typesOf(values)).toEqual(role);
      expect(result!.error).toBe(result!.test[result!.predictor]!.error);
      expect(result).toMatchObject({ method, labels: 20, steps: 3, seed: 1, precision: "fp32", device: "cpu" });
    });

    test(`${method}: evaluateRun finds the result's errors again, exactly`, async () => {
      const out = join(folder, `again-${method}`);
      const { result } = await trainToEnd(configure(out, { steps: 4, method, val: 30, ...(await needs()) }));
      for (const split of ["test", "val"] as const) {
        const again = await evaluateRun(out, { split });
        expect(again.result[split]).toEqual(result![split]);
        expect(again.result.error).toBe(result!.error);
        for (const [role, matrix] of Object.entries(again.confusion)) {
          const counted = matrix.flat().reduce((a, b) => a + b, 0);
          const wrong = counted - matrix.reduce((sum, row, k) => sum + row[k]!, 0);
          expect((100 * wrong) / counted).toBeCloseTo(result![split]![role]!.error, 9);
          expect(again.perClass[role]!.reduce((sum, { n }) => sum + n, 0)).toBe(counted);
        }
      }
    });
  }

  test("with a validation part: evaluations on the way use it alone, test comes once, at the end", async () => {
    const out = join(folder, "val");
    const { events, result } = await trainToEnd(configure(out, { steps: 6, evalEvery: 2, val: 30 }));
    const evaluations = events.filter((e): e is EvaluationEvent => e.type === "evaluation");
    expect(evaluations.map(({ step, val, test: t }) => [step, val !== undefined, t !== undefined])).toEqual([
      [2, true, false],
      [4, true, false],
      [6, true, true],
    ]);
    expect(Object.values(result!.val!).map(({ n }) => n)).toEqual([30, 30]);
    expect(Object.values(result!.test).map(({ n }) => n)).toEqual([60, 60]);
    expect(typesOf(result!)).toEqual({ ...resultFields, val: "object" });
    expect(events[0]).toMatchObject({ data: { val: 30, unlabeled: 90, labeled: 20 } });
  });

  test("without one there is no val in the result, and asking for it says why", async () => {
    const out = join(folder, "no-val");
    const { result } = await trainToEnd(configure(out, { steps: 2 }));
    expect("val" in result!).toBe(false);
    await expect(evaluateRun(out, { split: "val" })).rejects.toThrow(UsageError);
    await expect(evaluateRun(out, { split: "val" })).rejects.toThrow(/--val/);
  });

  test("evaluating, checkpointing and logging more often changes nothing in the result", async () => {
    const [often, seldom] = [join(folder, "often"), join(folder, "seldom")];
    await trainToEnd(configure(often, { steps: 8, evalEvery: 1, checkpointEvery: 1 }));
    await trainToEnd(configure(seldom, { steps: 8, logEvery: 8, testBatch: 7 }));
    expect(checkpointFiles(often, 8)).toEqual(checkpointFiles(seldom, 8));
    expect(readdirSync(join(often, "checkpoints")).sort()).toEqual(["step-6", "step-7", "step-8"]);
  });

  test("a run that is still going can be evaluated: what is known at its last checkpoint", async () => {
    const out = join(folder, "going");
    await trainToEnd(configure(out, { steps: 9, checkpointEvery: 3 }), 5);
    const { result, step, totalSteps } = await evaluateRun(out, { split: "test" });
    expect(result).toMatchObject({ steps: 5, error: result.test.teacher!.error, labels: 20 });
    expect([step, totalSteps]).toEqual([5, 9]);
    await trainToEnd(continued(out));
  });

  test("a loss that is not finite stops the run, naming step, terms and rate, and writes nothing half", async () => {
    const out = join(folder, "exploded");
    const config = configure(out, {
      steps: 40,
      "optimizer.name": "sgd",
      "optimizer.lr": 1e30,
      "optimizer.schedule": "constant",
      "optimizer.warmupSteps": 0,
    });
    const error = await trainToEnd(config).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    expect(error).toBeInstanceOf(TrainingError);
    expect(error!.message).toMatch(
      /step (\d+): the loss is not finite \(.*classification (NaN|Infinity).*learning rate 1e\+30/,
    );
    const step = Number(/step (\d+)/.exec(error!.message)![1]);
    expect(existsSync(join(out, "result.json"))).toBe(false);
    const logged = readEvents(join(out, "metrics.jsonl")).flatMap((e) => (e.type === "step" ? [e.step!] : []));
    expect(Math.max(0, ...logged)).toBe(step - 1);
    expect(readdirSync(join(out, "checkpoints"))).toEqual([]);
  });

  test("a folder that holds a run is refused, and stays as it is", async () => {
    const out = join(folder, "taken");
    await trainToEnd(configure(out, { steps: 2 }));
    const before = readFileSync(join(out, "metrics.jsonl"), "utf8");
    await expect(trainToEnd(configure(out, { steps: 2 }))).rejects.toThrow(UsageError);
    expect(readFileSync(join(out, "metrics.jsonl"), "utf8")).toBe(before);
  });

  test("a consumer that walks away leaves no file open and no data behind", async () => {
    const run = trainConfig(configure(join(folder, "left"), { steps: 50 }));
    for await (const event of run) if (event.type === "step" && event.step === 3) break;
    const kept = liveTensors();
    const again = trainConfig(configure(join(folder, "left-2"), { steps: 50 }));
    for await (const event of again) if (event.type === "step") break;
    expect(liveTensors() - kept).toBeLessThanOrEqual(kept); // models of the first may wait for the collector
  });

  test("the number of live tensors is flat from step to step, evaluations and checkpoints included", async () => {
    const run = trainConfig(configure(join(folder, "flat"), { steps: 30, evalEvery: 5, checkpointEvery: 5 }));
    const counts: number[] = [];
    for await (const event of run) if (event.type === "step") counts.push(liveTensors());
    expect(Math.max(...counts.slice(2))).toBeLessThanOrEqual(counts[1]!);
  });

  test("another number of threads ends within rounding; whether bit for bit is printed, not required", async () => {
    const outs = [1, 2].map((threads) => ({ threads, out: join(folder, `threads-${threads}`) }));
    const losses: number[] = [];
    for (const { threads, out } of outs) {
      const { events } = await trainToEnd(
        configure(out, { steps: 10, threads, "model.width": 1, batch: 40, labeledBatch: 10 }),
      );
      losses.push(events.filter((e): e is StepEvent => e.type === "step").at(-1)!.metrics.classification!);
    }
    const [one, two] = outs.map(({ out }) => checkpointFiles(out, 10));
    const equal = JSON.stringify(one) === JSON.stringify(two);
    console.info(
      `convnet-tiny, 10 steps, 1 and 2 threads: the checkpoints are ${equal ? "" : "not "}bit for bit the same`,
    );
    expect(losses[1]).toBeCloseTo(losses[0]!, 3);
  });
});
