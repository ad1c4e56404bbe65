import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import { cat, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { gradients, numbers, snapshot, type TinyRunOptions, tinyRun } from "../support/method-run.js";

const quiet = { dropout: 0, inputNoise: 0 };

/** The same images under the roles of another method. */
function rename(batch: Batch<Views, Views>, roles: Readonly<Record<string, string>>): Batch<Views, Views> {
  const views = (x: Readonly<Record<string, Tensor>>) =>
    Object.fromEntries(Object.entries(roles).map(([to, from]) => [to, x[from]!]));
  const { labeled, unlabeled } = batch;
  return { labeled: { ...labeled, x: views(labeled.x) }, unlabeled: { ...unlabeled, x: views(unlabeled.x) } };
}

describeEngine("pi-model and mean-teacher agree where they must", () => {
  /** Metrics of both at step 1, after one update each, on the Pi-model's images. */
  function metricsOfBoth(
    mt: Record<string, unknown>,
    modelOptions: Record<string, unknown>,
    piOptions: Record<string, unknown> = {},
  ) {
    const pi = tinyRun("pi-model", { modelOptions, method: { rampUpSteps: 0, ...piOptions } });
    const teacher = tinyRun("mean-teacher", { modelOptions, method: { rampUpSteps: 0, ...mt } });
    const both = [0, 1].map((step) =>
      scope(() => {
        const batch = pi.batch(step);
        const now = { step, epoch: 0, totalSteps: 20 };
        const byTeacher = numbers(teacher.method.step(rename(batch, { student: "first", teacher: "second" }), now));
        return [numbers(pi.method.step(batch, now)), byTeacher] as const;
      }),
    );
    const weights = [snapshot(pi.student), snapshot(teacher.student)] as const;
    pi.release();
    teacher.release();
    return { step0: both[0]!, step1: both[1]!, weights };
  }

  test("an EMA decay of 0 (no warm-up): the same loss at every step, given the same draws", () => {
    const exact = { emaDecay: 0, emaWarmup: "none" };
    const { step0, step1, weights } = metricsOfBoth(exact, quiet, { stopGrad: "target" });
    expect(step0[1].consistency).toBeCloseTo(step0[0].consistency!, 7);
    expect(step1[0].consistency).toBeGreaterThan(0);
    expect(step1[1].consistency).toBe(step1[0].consistency);
    expect(step1[1].classification).toBe(step1[0].classification);
    expect(weights[1]).toEqual(weights[0]);
  });

  test("with a decay of 0.999 they part after the first update", () => {
    const { step1 } = metricsOfBoth({ emaDecay: 0.999, emaWarmup: "none" }, quiet);
    expect(step1[1].consistency).not.toBe(step1[0].consistency);
  });

  test("target student is the Pi-model in the same graph, dropout and noise included: the same steps bit for bit", () => {
    const { step1, weights } = metricsOfBoth({ target: "student" }, {});
    expect(step1[1].consistency).toBe(step1[0].consistency);
    expect(weights[1]).toEqual(weights[0]);
  });
});

describeEngine("pi-model", () => {
  test("in expectation over symmetric noise the both-branch gradient is twice the one-sided one", () => {
    // The noise is which of two views comes first: each order as likely as the other, so the mean over both is exact.
    const consistencyGradient = (stopGrad: string, swap: boolean) => {
      let seen: ReturnType<typeof gradients> = {};
      const options: TinyRunOptions = {
        modelOptions: quiet,
        labeled: 0,
        method: { stopGrad, sameFlip: false, rampUpSteps: 0 },
        onStep: () => (seen = gradients(run.student)),
      };
      const run = tinyRun("pi-model", options);
      scope(() => {
        const roles = swap ? { first: "second", second: "first" } : { first: "first", second: "second" };
        run.method.step(rename(run.batch(0), roles), { step: 0, epoch: 0, totalSteps: 20 });
      });
      run.release();
      return seen;
    };
    const both = [false, true].map((swap) => consistencyGradient("none", swap));
    const one = [false, true].map((swap) => consistencyGradient("target", swap));
    let largest = 0;
    for (const name of Object.keys(both[0]!)) {
      const mean = (pair: typeof both) => pair[0]![name]!.map((g, i) => (g + pair[1]![name]![i]!) / 2);
      const twice = mean(one).map((g) => 2 * g);
      expect(mean(both), name).toBeCloseToTensor(twice, { rtol: 1e-3, atol: 1e-6 });
      largest = Math.max(largest, ...twice.map(Math.abs));
    }
    expect(largest).toBeGreaterThan(1e-3);
    expect(one[0]).not.toEqual(one[1]); // one-sided gradients do depend on the order
  });

  const draws = (options: TinyRunOptions) => {
    const run = tinyRun("pi-model", { labeled: 10, unlabeled: 20, ...options });
    const views = scope(() => {
      const { labeled, unlabeled } = run.batch(2);
      return [labeled, unlabeled].map(({ x }) => [x.first!.toArray(), x.second!.toArray()]);
    });
    run.release();
    return views;
  };

  test("sameFlip shares the flip between the views of every row, and false does not", () => {
    for (const [first, second] of draws({ translate: 0 })) expect(second).toEqual(first);
    for (const [first, second] of draws({ translate: 0, method: { sameFlip: false } })) {
      expect(second).not.toEqual(first);
    }
    const flipped = draws({ translate: 0 });
    const plain = draws({ translate: 0, flip: false });
    expect(flipped).not.toEqual(plain); // shared, not off
  });

  test("sameFlip does not share the translation", () => {
    for (const [first, second] of draws({ translate: 2, flip: false })) expect(second).not.toEqual(first);
  });

  test("zeroFirstEpoch sets the weight to 0 in the first pass over the data, then follows the ramp", () => {
    const run = tinyRun("pi-model", { method: { zeroFirstEpoch: true, rampUpSteps: 0, consistencyWeight: 3 } });
    const weights = run.steps(7).map(({ weight }) => weight); // an epoch is 5 steps here
    expect(weights).toEqual([0, 0, 0, 0, 0, 3, 3]);
    run.release();
  });

  test("is judged by the network itself; the average of its weights is there beside it and teaches nobody", () => {
    const run = tinyRun("pi-model");
    expect(run.method.predictor).toBe("student");
    const untouched = tinyRun("pi-model", { method: { emaDecay: 0.1 } });
    run.steps(3);
    untouched.steps(3);
    expect(snapshot(untouched.student)).toEqual(snapshot(run.student));
    expect(snapshot(untouched.method.models.teacher!)).not.toEqual(snapshot(run.method.models.teacher!));
    run.release();
    untouched.release();
  });

  test("the second branch leaves the running statistics alone", () => {
    const run = tinyRun("pi-model");
    const first = tinyRun("pi-model");
    run.steps(1);
    scope(() => {
      const { labeled, unlabeled } = first.batch(0);
      const x = [labeled.x.first!, unlabeled.x.first!];
      first.student.forward(cat(x), "train");
    });
    expect(run.student.buffers.map(({ tensor: t }) => t.toArray())).toEqual(
      first.student.buffers.map(({ tensor: t }) => t.toArray()),
    );
    run.release();
    first.release();
  });

  for (const [option, value] of Object.entries({
    stopGrad: "target",
    sameFlip: false,
    zeroFirstEpoch: true,
    consistencyOnLabeled: false,
    scaleByLabels: true,
    rampUpSteps: 2,
    classReduction: "labeled",
    emaBuffers: "copy",
    emaStart: "zeros",
    emaWarmup: "none",
    emaDecayRampUp: 0.1,
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun("pi-model", { method });
        run.steps(3);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }
});
