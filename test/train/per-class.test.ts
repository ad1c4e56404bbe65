/** Errors by class in every report, from runs with long tails. */

import { expect, test } from "vitest";
import { evaluationLines } from "../../src/cli/commands/evaluate.js";
import { worstClasses } from "../../src/cli/commands/train.js";
import { errorsOf } from "../../src/cli/progress.js";
import { flatten } from "../../src/config/given.js";
import { resolveConfig } from "../../src/config/resolve.js";
import { UsageError } from "../../src/errors.js";
import { evaluateRun } from "../../src/inference/evaluate.js";
import { classResults } from "../../src/train/evaluate.js";
import { train } from "../../src/train/run.js";
import { describeEngine } from "../support/engine.js";
import { configure, continued, folderOfThisFile, smallRun, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();

test("the error of a class is the share of its images taken for another, and none without images", () => {
  const confusion = [
    [3, 1, 0],
    [0, 0, 0],
    [2, 0, 6],
  ];
  expect(classResults({ confusion }, ["a", "b", "c"])).toEqual([
    { class: "a", error: 25, n: 4 },
    { class: "b", error: Number.NaN, n: 0 },
    { class: "c", error: 25, n: 8 },
  ]);
});

test("the summary names the three worst classes and the best, and says nothing of two classes", () => {
  const of = (...errors: number[]) => errors.map((error, k) => ({ class: `c${k}`, error, n: error < 0 ? 0 : 10 }));
  expect(worstClasses(of(10, 50, 0, 20, 30))).toEqual([
    "worst classes: c1 50.00 %, c4 30.00 %, c3 20.00 %; best: c2 0.00 %",
  ]);
  expect(worstClasses(of(10, 50, 0))).toEqual(["worst classes: c1 50.00 %, c0 10.00 %; best: c2 0.00 %"]);
  expect(worstClasses(of(10, 50))).toEqual([]);
  expect(worstClasses(of(0, 0, 0))).toEqual([]);
  expect(
    worstClasses(of(10, Number.NaN, 5, 7).map((one) => (one.class === "c1" ? { ...one, n: 0 } : one)))[0],
  ).not.toMatch(/c1/);
  expect(worstClasses(undefined)).toEqual([]);
});

describeEngine("top-k error", () => {
  test("is in events, result, file and evaluation, for every role, and in the tables people read", async () => {
    const out = `${folder}/top-3`;
    const { events, result } = await trainToEnd(configure(out, { steps: 3, topK: 3 }));
    for (const role of ["student", "teacher"]) {
      const { error, top3Error } = result!.test[role]!;
      expect(top3Error).toBeGreaterThan(0);
      expect(top3Error).toBeLessThanOrEqual(error);
    }
    expect(events.filter((e) => e.type === "evaluation").map((e) => e.test)).toEqual([result!.test]);
    const evaluation = await evaluateRun(out, { split: "test" });
    expect(evaluation.result.test).toEqual(result!.test);
    const lines = evaluationLines(evaluation).join("\n");
    expect(lines).toMatch(/error +top-3 error +loss +images/);
    expect(lines).toContain(`${result!.test.teacher!.top3Error!.toFixed(2)} %`);
    expect(errorsOf(result!.test)).toMatch(/^student [\d.]+ % \(top-3 [\d.]+ %\) {2}teacher/);
  });

  test("with 10 classes it is not there unless asked for; a k of all classes is refused before the first step", async () => {
    const { result } = await trainToEnd(configure(`${folder}/no-top`, { steps: 1 }));
    expect(Object.keys(result!.test.teacher!)).toEqual(["error", "loss", "n"]);
    const events: string[] = [];
    const refused = (async () => {
      for await (const { type } of train(configure(`${folder}/top-10`, { steps: 1, topK: 10 }))) events.push(type);
    })();
    await expect(refused).rejects.toThrow(/--top-k 10: expected less than the 10 classes/);
    expect(events).toEqual([]);
  });

  test("Mean Teacher logs the class cost of its teacher on training rows, and trains the same", async () => {
    const { events } = await trainToEnd(configure(`${folder}/class-cost`, { steps: 2, method: "mean-teacher" }));
    const [first] = events.flatMap((e) => (e.type === "step" ? [e.metrics] : []));
    // Both start as the same network, but see other views and draws.
    expect(first!.teacherClassification).toBeGreaterThan(0);
    expect(Math.abs(first!.teacherClassification! - first!.classification!)).toBeLessThan(0.5);
  });
});

describeEngine("a run with a long tail", () => {
  const tail = { labels: 29, imbalance: 10, unlabeledImbalance: 4, classBalanced: true, steps: 4, checkpointEvery: 2 };

  test("reports the predictor's errors by class, which add up to its error, and evaluation reports the same", async () => {
    const out = `${folder}/tail`;
    const { events, result } = await trainToEnd(configure(out, tail));
    const start = events.find((event) => event.type === "start")!;
    expect(start.data.labeled).toBe(29);
    // 12 of each digit: at ratio 4, floor(12 4^(-k / 9)) = 12, 10, 8, 7, 6, 5, 4, 4, 3, 3.
    expect(start.data.unlabeled).toBe(62);
    const { perClass } = result!;
    expect(perClass.map((one) => one.class)).toEqual(start.data.classes);
    expect(perClass.reduce((sum, { n }) => sum + n, 0)).toBe(60);
    const wrong = perClass.reduce((sum, { error, n }) => sum + (error * n) / 100, 0);
    expect((100 * wrong) / 60).toBeCloseTo(result!.error, 9);
    const evaluation = await evaluateRun(out, { split: "test" });
    expect(evaluation.result.perClass).toEqual(perClass);
    expect(evaluation.perClass[result!.predictor]).toEqual(perClass);
  });

  test("goes on after a stop exactly as if it had not", async () => {
    const out = `${folder}/stopped`;
    await trainToEnd(configure(out, tail), 2);
    const { result } = await trainToEnd(continued(out));
    const whole = await trainToEnd(configure(`${folder}/whole`, tail));
    expect(result!.test).toEqual(whole.result!.test);
  });

  test("crops of larger pictures: the network sees their size, and a stop changes nothing", async () => {
    const photo = { weak: "imagenet-mt", crop: 16, flip: false, method: "fixmatch", steps: 4, checkpointEvery: 2 };
    const out = `${folder}/photo`;
    await trainToEnd(configure(out, photo), 2);
    const { result } = await trainToEnd(continued(out));
    const whole = await trainToEnd(configure(`${folder}/photo-whole`, photo));
    expect(result!.test).toEqual(whole.result!.test);
    // A network with one weight for every pixel.
    const { "model.width": width, ...small } = smallRun;
    const crops = { model: "mlp", weak: "photo", crop: 8, steps: 1, out: `${folder}/mlp` };
    const { events } = await trainToEnd(resolveConfig(flatten({ ...small, ...crops })));
    const start = events.find((event) => event.type === "start")!;
    // Layers of 8, 8 and 10 units on 3x8x8 numbers, with biases.
    expect(start.parameters).toBe(8 * (3 * 64 + 1) + 8 * 9 + 10 * 9);
    const run = (given: object) => trainToEnd(configure(`${folder}/no`, { steps: 1, ...given }));
    await expect(run({ crop: 16 })).rejects.toThrow(/has no crop/);
    await expect(run({ weak: "photo", translate: 4 })).rejects.toThrow(/--translate means nothing/);
    await expect(run({ weak: "photo", normalize: "zca" })).rejects.toThrow(UsageError);
  });
});
