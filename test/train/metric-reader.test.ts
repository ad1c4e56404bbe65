/** When the loop waits for the device: when it logs, evaluates or writes, and at no other step. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { TrainingError } from "../../src/errors.js";
import type { Model } from "../../src/nn/index.js";
import { readEvents } from "../../src/run/index.js";
import { liveTensors, scope, Tensor, tensor } from "../../src/torch/index.js";
import { MetricReader, packMetrics } from "../../src/train/metric-reader.js";
import { describeEngine } from "../support/engine.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
afterEach(() => void vi.restoreAllMocks());

describeEngine("MetricReader", () => {
  const one = (value: number) => tensor([value], []);

  test("returns the latest step's numbers, exactly, in one read, whatever their kind", () => {
    const reader = new MetricReader(() => 0.1);
    const live = liveTensors();
    scope(() => reader.keep(1, packMetrics({ loss: one(0.1), weight: 3 })));
    scope(() => reader.keep(2, packMetrics({ kept: 4, loss: one(1 / 3), count: tensor([7], [1], "int64") })));
    const reads = vi.spyOn(Tensor.prototype, "toArray");
    expect(reader.read()).toEqual({ kept: 4, loss: Math.fround(1 / 3), count: 7 });
    expect(reads).toHaveBeenCalledTimes(1);
    expect(reader.read()).toEqual({ kept: 4, loss: Math.fround(1 / 3), count: 7 });
    expect(reads).toHaveBeenCalledTimes(1);
    expect(liveTensors()).toBe(live);
  });

  test("does not wait for the device within a step; after 500 it is time to read", () => {
    const reader = new MetricReader(() => 0.1);
    const reads = vi.spyOn(Tensor.prototype, "toArray");
    for (let step = 1; step <= 500; step++) {
      expect(reader.isFull).toBe(false);
      scope(() => reader.keep(step, packMetrics({ loss: one(step) })));
    }
    expect(reader.isFull).toBe(true);
    expect(reads).not.toHaveBeenCalled();
    expect(reader.read()).toEqual({ loss: 500 });
    expect(reader.isFull).toBe(false);
  });

  test("names the first bad step of those that waited, with its terms and its rate", () => {
    const reader = new MetricReader((step) => step / 10);
    for (const [i, value] of [1, 2, Number.NaN, 4, Number.POSITIVE_INFINITY].entries())
      scope(() => reader.keep(i + 1, packMetrics({ loss: one(value), weight: i })));
    expect(() => reader.read()).toThrow(TrainingError);
    scope(() => reader.keep(6, packMetrics({ weight: Number.NaN })));
    expect(() => reader.read()).toThrow(/^step 6: the loss is not finite \(weight NaN; learning rate 0.5\)/);
  });
});

describeEngine("a loss that is finite and absurd", () => {
  const batch = (labeled: number[], unlabeled: number[]) => {
    const part = (rows: number[]) => ({ index: tensor(Int32Array.from(rows), [rows.length], "int64") });
    return { labeled: part(labeled), unlabeled: part(unlabeled) };
  };

  test("stops the run too, and the batch's images are named", () => {
    const reader = new MetricReader(() => 0.1);
    const live = liveTensors();
    const many = Array.from({ length: 20 }, (_, i) => 10 + i);
    scope(() => reader.keep(1, packMetrics({ loss: tensor([3], []) }), batch([1], [2])));
    scope(() => reader.keep(2, packMetrics({ loss: tensor([2e5], []), stage: 1 }), batch([7, 8], many)));
    expect(() => reader.read()).toThrow(
      /^step 2: the loss is more than 100000 \(loss 200000, stage 1; learning rate 0.1\). Its batch: training images 7, 8, 10, 11, 12, 13, 14, 15 and 14 more/,
    );
    expect(liveTensors()).toBe(live);
  });

  test("a count that a method reports is no loss", () => {
    const reader = new MetricReader(() => 0.1);
    scope(() => reader.keep(1, packMetrics({ loss: tensor([3], []), images: 1_200_000 })));
    expect(reader.read()).toEqual({ loss: 3, images: 1_200_000 });
  });
});

describeEngine("weights that no loss has seen yet", () => {
  const model = (...values: number[]) =>
    ({
      parameters: values.map((value, i) => ({ name: `p${i}`, tensor: tensor([value, 1], [2]) })),
      buffers: [],
    }) as unknown as Model;

  test("are lost where one of any network is not finite, or too large to be squared", () => {
    const reader = new MetricReader(() => 0.1);
    const live = liveTensors();
    scope(() => {
      reader.checkWeights(3, { student: model(1e15, -2), teacher: model(), none: model(0) });
      for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY, 1e20]) {
        const check = () => reader.checkWeights(3, { student: model(1), teacher: model(1, bad) });
        expect(check).toThrow(TrainingError);
        expect(check).toThrow(
          /^step 3: the weights are not finite, .*learning rate 0.1\)\. There is no checkpoint yet\./,
        );
      }
    });
    expect(liveTensors()).toBe(live);
  });

  test("running statistics are lost where one is not finite, however large they may be", () => {
    const reader = new MetricReader(() => 0.1);
    scope(() => {
      const buffers = (value: number) => [
        { name: "running_var", tensor: tensor([1, value], [2]) },
        { name: "num_batches_tracked", tensor: tensor([7], [], "int64") },
      ];
      const check = (value: number) => reader.checkWeights(3, { student: { ...model(1), buffers: buffers(value) } });
      check(1e30);
      for (const bad of [Number.NaN, Number.NEGATIVE_INFINITY])
        expect(() => check(bad)).toThrow(/^step 3: the running statistics are not finite \(learning rate 0.1\)/);
    });
  });

  test("the failure names the checkpoint that is from before", () => {
    const reader = new MetricReader(
      () => 0.1,
      () => 40,
    );
    scope(() => reader.keep(42, packMetrics({ loss: tensor([Number.NaN], []) })));
    expect(() => reader.read()).toThrow(/^step 42: .*\. The checkpoint of step 40 is from before\. Try a lower/);
  });
});

describeEngine("the loop", () => {
  test("waits for the device when it logs, not at every step", async () => {
    const [item, array] = [vi.spyOn(Tensor.prototype, "item"), vi.spyOn(Tensor.prototype, "toArray")];
    const counts: number[] = [];
    const config = configure(join(folder, "seldom"), { steps: 20, logEvery: 10, method: "mean-teacher" });
    const { stop, count } = { stop: () => false, count: () => item.mock.calls.length + array.mock.calls.length };
    const { trainConfig } = await import("../../src/train/train.js");
    const before: number[] = [];
    const run = trainConfig(config, {
      stop() {
        before.push(count());
        return stop();
      },
    });
    for await (const event of run) if (event.type === "step") counts.push(count());
    const perStep = before.map((value, i) => value - (before[i - 1] ?? before[0]!));
    expect(perStep.slice(1, 9)).toEqual(new Array(8).fill(0));
    expect(perStep[9]).toBe(1);
    expect(counts).toHaveLength(2);
  });

  const explode = {
    "optimizer.name": "sgd",
    "optimizer.lr": 1e30,
    "optimizer.schedule": "constant",
    "optimizer.warmupSteps": 0,
  };
  const failing = async (out: string, given: object) =>
    trainToEnd(configure(join(folder, out), { ...explode, steps: 40, ...given })).then(
      () => "",
      (error: Error) => error.message,
    );
  const savedSteps = (out: string) =>
    readEvents(join(folder, out, "metrics.jsonl")).flatMap((event) =>
      event.type === "checkpoint" ? [event.step] : [],
    );

  test("a loss that goes bad between two log lines names its own step, and no checkpoint of bad weights is written", async () => {
    const [often, seldom] = [await failing("often", {}), await failing("seldom-bad", { logEvery: 40 })];
    expect(often).toMatch(/^step 2: the loss is not finite \(classification.*There is no checkpoint yet/);
    expect(seldom).toBe(often);
    // The loss of step 1 is that of the weights before it: those that it left are lost.
    expect(await failing("saving", { logEvery: 40, checkpointEvery: 1 })).toMatch(
      /^step 1: the weights are not finite/,
    );
    expect(savedSteps("saving")).toEqual([]);
  });

  test("the last step's weights are looked at, though no loss comes after", async () => {
    const message = await failing("last", { steps: 1, "optimizer.lr": 1e38 });
    expect(message).toMatch(/^step 1: the weights are not finite.*There is no checkpoint yet/);
    expect(savedSteps("last")).toEqual([]);
    expect(existsSync(join(folder, "last", "result.json"))).toBe(false);
  });
});
