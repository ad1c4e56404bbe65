/** What every registered method must do, whatever it is: style.md section 8. */
import { describe, expect, test } from "vitest";
import { methods } from "../../src/methods/index.js";
import { findModel } from "../../src/models/index.js";
import type { Model } from "../../src/nn/index.js";
import type { Option, OptionSpec } from "../../src/options.js";
import { liveTensors } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { gradientNorm, saveState, snapshot, type TinyRunOptions, tinyRun } from "../support/method-run.js";

const STEPS = 4;

/** First step of runs in which unlabeled rows must matter, of 20 in epochs of 5, where that is not so from the start. */
const unlabeledFrom: Readonly<Record<string, number>> = {
  "temporal-ensembling": 3, // needs a first epoch to be consistent with
  "self-training": 8, // before step 10 its teacher learns from the labels alone
};

/** A few steps make no network confident: here every row passes the thresholds. */
function unmasked(name: string, options: TinyRunOptions = {}): TinyRunOptions {
  const declared = methods.find((method) => method.name === name)!.options;
  const thresholds = Object.keys(declared).filter((key) => /threshold$/i.test(key) && declared[key]!.type === "number");
  return { ...options, method: { ...Object.fromEntries(thresholds.map((key) => [key, 0])), ...options.method } };
}

/** Weights at the end of a few steps, of every model the method owns. */
function endOf(name: string, options: TinyRunOptions = {}): Record<string, unknown> {
  const run = tinyRun(name, unmasked(name, options));
  run.steps(STEPS, unlabeledFrom[name]);
  const owned = Object.entries(run.method.state).filter(([, owner]) => "parameters" in owner); // also what sees no images
  const end = Object.fromEntries(owned.map(([role, model]) => [role, snapshot(model as Model)]));
  run.release();
  return end;
}

/** Options that weigh a term of the loss, and what else they need to matter. */
function lossWeights(options: OptionSpec): { name: string; on: number; needs: TinyRunOptions }[] {
  const isWeight = ([name, { type, min, doc }]: [string, Option]) =>
    type === "number" && min === 0 && (/weight$/i.test(name) || /smoothing/i.test(name) || /\bweight of\b/.test(doc));
  return Object.entries(options)
    .filter(isWeight)
    .map(([name, option]) => ({
      name,
      on: (option.default as number) > 0 ? (option.default as number) : 0.3,
      needs: /two heads/.test(option.doc) ? { modelOptions: { heads: 2 } } : {},
    }));
}

// What fits a head to features in its first step has no optimizer and no second step: see test/methods/feature-heads.test.ts.
const training = methods.filter(({ onFeatures = false }) => !onFeatures);

for (const { name, options, usesUnlabeled, usesSecondHead = false, paper, summary } of training) {
  describeEngine(name, () => {
    test("declares its paper, a summary, and documents every option", () => {
      expect(paper).toMatch(/\d{4}\.\d{4,5}|none/);
      expect(summary.length).toBeGreaterThan(10);
      for (const [option, { doc }] of Object.entries(options)) expect(doc.length, option).toBeGreaterThan(15);
    });

    test("its result is one of its models, and its state holds every model and optimizer", () => {
      const run = tinyRun(name);
      const { predictor, models, state } = run.method;
      expect(Object.keys(models)).toContain(predictor);
      const owners = Object.values(state);
      for (const model of Object.values(models)) expect(owners).toContain(model);
      expect(Object.keys(state)).toContain("optimizer");
      run.release();
    });

    for (const heads of [1, 2]) {
      describe(`with ${heads} head${heads > 1 ? "s" : ""}`, () => {
        const base: TinyRunOptions = { modelOptions: { heads } };

        test("metrics are finite", () => {
          const run = tinyRun(name, base);
          for (const metrics of run.steps(STEPS)) {
            expect(Object.keys(metrics).length).toBeGreaterThan(0);
            for (const [metric, value] of Object.entries(metrics))
              expect(Number.isFinite(value), `${metric} ${value}`).toBe(true);
          }
          run.release();
        });

        test("every model moves", () => {
          const run = tinyRun(name, base);
          const before = Object.values(run.method.models).map(snapshot);
          run.steps(STEPS);
          Object.entries(run.method.models).forEach(([role, model], i) => {
            const after = snapshot(model);
            const still = Object.keys(after).filter((key) => same(after[key], before[i]![key]));
            // The student's second head stays where it is if, and only if, the method says that no term of its loss reaches
            // it; in an average of students it may, or move by rounding.
            const idle = heads === 2 && !usesSecondHead ? ["fc2.bias", "fc2.weight"] : [];
            if (role === "student") expect(still.sort()).toEqual(idle);
            else expect(idle, role).toEqual(expect.arrayContaining(still));
          });
          run.release();
        });

        test("save, load and step equals an uninterrupted step, bit for bit", () => {
          const whole = tinyRun(name, base);
          whole.steps(2);
          const saved = saveState(whole.method);
          whole.steps(3, 2);
          const resumed = tinyRun(name, { ...base });
          for (const [owner, state] of Object.entries(saved)) resumed.method.state[owner]!.loadStateDict(state);
          resumed.steps(3, 2);
          expect(arraysOf(resumed)).toEqual(arraysOf(whole));
          for (const { tensors } of Object.values(saved)) for (const t of Object.values(tensors)) t.release();
          whole.release();
          resumed.release();
        });
      });
    }

    test("a state left out of a checkpoint would show: what it holds changes from step to step", () => {
      const run = tinyRun(name);
      run.steps(1);
      const before = JSON.stringify(run.method.state.ema?.stateDict().values);
      const generator = JSON.stringify(run.student.stateDict().values);
      run.steps(1, 1);
      expect(JSON.stringify(run.student.stateDict().values)).not.toBe(generator);
      if (run.method.state.ema) expect(JSON.stringify(run.method.state.ema.stateDict().values)).not.toBe(before);
      run.release();
    });

    test("the same seed ends in the same weights, another seed in others", () => {
      const end = endOf(name);
      expect(endOf(name)).toEqual(end);
      expect(endOf(name, { seed: 2 })).not.toEqual(end);
    });

    for (const { name: weight, on, needs } of lossWeights(options)) {
      test(`${weight} 0 ends in other weights than ${on}`, () => {
        const off = endOf(name, { ...needs, method: { [weight]: 0 } });
        expect(endOf(name, { ...needs, method: { [weight]: on } })).not.toEqual(off);
      });
    }

    if (usesUnlabeled) {
      test("has at least one weight on a term that reads unlabeled rows", () => {
        expect(lossWeights(options).length).toBeGreaterThan(0);
      });

      test("the unlabeled rows alone move the student: gradient norm > 0", () => {
        let norm = 0;
        const run = tinyRun(name, unmasked(name, { labeled: 0, onStep: () => (norm = gradientNorm(run.student)) }));
        run.steps(STEPS, unlabeledFrom[name] ?? 2);
        expect(norm).toBeGreaterThan(0);
        expect(Number.isFinite(norm)).toBe(true);
        run.release();
      });

      test("unlabeled rows never show their label: the step does not read one", () => {
        const run = tinyRun(name);
        const { unlabeled } = run.batch(0);
        expect(Object.keys(unlabeled).sort()).toEqual(["index", "rows", "x"]);
        run.release();
      });
    }

    test("an empty labeled part works", () => {
      const run = tinyRun(name, { labeled: 0, unlabeled: 10 });
      expectSound(run, usesUnlabeled);
      run.release();
    });

    test("an empty labeled part after some steps leaves everything sound", () => {
      const [some, none] = [tinyRun(name), tinyRun(name, { labeled: 0, unlabeled: 10 })];
      some.steps(2);
      const saved = saveState(some.method);
      for (const [owner, state] of Object.entries(saved)) none.method.state[owner]!.loadStateDict(state);
      expectSound(none, usesUnlabeled);
      some.release();
      none.release();
    });

    test("an empty unlabeled part works", () => {
      const run = tinyRun(name, { labeled: 10, unlabeled: 0 });
      expectSound(run);
      run.release();
    });

    test("the count of live tensors is flat after warm-up", () => {
      const run = tinyRun(name);
      run.steps(2);
      const before = liveTensors();
      run.steps(10, 2);
      expect(liveTensors()).toBe(before);
      run.release();
    });

    for (const model of ["mlp", "convnet-tiny"]) {
      test(`runs on ${model} without knowing it`, () => {
        const run = tinyRun(name, { model, modelOptions: model === "mlp" ? { hidden: 6 } : {} });
        expectSound(run);
        expect(findModel(model).definition.name).toBe(model);
        run.release();
      });
    }
  });
}

/** Some steps: metrics and all weights stay finite, and weights move where there is something to learn from. */
function expectSound(run: ReturnType<typeof tinyRun>, learns = true): void {
  const before = snapshot(run.student);
  for (const metrics of run.steps(3, unlabeledFrom[run.name] ?? 5)) {
    for (const [metric, value] of Object.entries(metrics)) expect(Number.isFinite(value), metric).toBe(true);
  }
  for (const [role, model] of Object.entries(run.method.models)) {
    for (const { name, tensor } of [...model.parameters, ...model.buffers]) {
      expect(tensor.toNumbers().every(Number.isFinite), `${role} ${name}`).toBe(true);
    }
  }
  if (learns) expect(snapshot(run.student)).not.toEqual(before);
}

/** Everything the method owns, as plain values. */
function arraysOf({ method }: ReturnType<typeof tinyRun>): unknown {
  return Object.entries(method.state).map(([owner, stateful]) => {
    const { tensors, values } = stateful.stateDict();
    return [owner, values, Object.entries(tensors).map(([name, t]) => [name, t.toArray()])];
  });
}

function same(a: unknown, b: unknown): boolean {
  const [x, y] = [a, b] as [Float32Array, Float32Array];
  return x.length === y.length && x.every((v, i) => v === y[i]);
}
