import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { metaPseudoLabels } from "../../src/methods/meta-pseudo-labels.js";
import { finetunePhases } from "../../src/methods/parts/finetune.js";
import type { Model } from "../../src/nn/index.js";
import { hardLabels, sampleLabels } from "../../src/targets/index.js";
import { cat, noGrad, oneHot, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import {
  CLASSES,
  gradientNorm,
  gradients,
  saveState,
  snapshot,
  type TinyRun,
  type TinyRunOptions,
  tinyRun,
} from "../support/method-run.js";
import {
  checkpointFiles,
  configure,
  continued,
  removeFolder,
  temporaryFolder,
  trainToEnd,
} from "../support/train-run.js";
import { slowClassification } from "./formulas.js";

const NAME = "meta-pseudo-labels";
const still = { mode: "train", updateStatistics: false } as const;
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));

interface StepSeen {
  readonly metrics: Record<string, number>;
  readonly teacher: Record<string, number[] | undefined>;
  readonly student: Record<string, number[] | undefined>;
  /** Labeled loss of the student by itself (batch statistics, no dropout, no noise), after the step. */
  readonly labeledLoss: number;
}

const labeledLossOf = (run: TinyRun) =>
  scope(() =>
    noGrad(() => {
      const batch = run.batch(0);
      return slowClassification(run.student.forward(batch.labeled.x.image!, "probe"), batch, 4).item();
    }),
  );

/** The first step: metrics, and the gradients it leaves on both networks. */
function firstStep(options: TinyRunOptions): StepSeen {
  const run = tinyRun(NAME, options);
  const metrics = run.steps(1)[0]!;
  const seen = {
    metrics,
    teacher: gradients(run.method.models.teacher!),
    student: gradients(run.student),
    labeledLoss: labeledLossOf(run),
  };
  run.release();
  return seen;
}

interface Options {
  readonly labelMode?: string;
  readonly labelTemperature?: number;
  readonly labelSmoothing?: number;
  readonly udaThreshold?: number;
  readonly udaTemperature?: number;
  readonly udaWeight?: number;
  readonly supervisedWeight?: number;
  readonly feedbackWeight?: number;
}

/** The same by the formulas of the paper, in plain operators; `newLoss` is the labeled loss after the student's step. */
function expectedStep(options: TinyRunOptions, newLoss: number) {
  const run = tinyRun(NAME, options);
  const given = (options.method ?? {}) as Options;
  const { labelMode = "sample", labelTemperature = 1, labelSmoothing = 0.15, udaThreshold = 0.6 } = given;
  const { udaTemperature = 0.7, udaWeight = 8, supervisedWeight = 1, feedbackWeight = 1 } = given;
  const oldLoss = labeledLossOf(run);
  const result = scope(() => {
    const batch = run.batch(0);
    const [xl, weak, strong] = [batch.labeled.x.image!, batch.unlabeled.x.weak!, batch.unlabeled.x.strong!];
    const teacher = run.method.models.teacher!;
    const z = teacher.forward(cat([xl, weak, strong]), still);
    const [tl, tw, ts] = [z.narrow(0, 0, 4), z.narrow(0, 4, 6), z.narrow(0, 10, 6)];
    const p = softmax(ts);
    const q = softmax(tw.detach().div(udaTemperature));
    const mask = q.amax([1]).ge(udaThreshold).float();
    const kl = q.mul(q.log().sub(p.log())).sum([1]).mul(mask).sum().div(6);

    const drawn = () => sampleLabels(p, run.setup.rng.split("labels:0"));
    const hard = labelMode === "sample" ? drawn() : hardLabels(labelMode === "argmaxWeak" ? tw : ts);
    const label = labelMode === "soft" ? softmax(ts.detach().div(labelTemperature)) : oneHot(hard, CLASSES);
    const entropy = (probs: Tensor) => label.mul(probs.log()).sum().div(-6);
    const classification = slowClassification(tl, batch, 4, labelSmoothing);
    // The weight ramps up as (t + 1) / L with L = 20 / 60 steps, rounded to 0: full at once.
    const loss = classification
      .mul(supervisedWeight)
      .add(kl.mul(udaWeight))
      .add(entropy(p).mul(6 * feedbackWeight * 0.99 * (oldLoss - newLoss))); // h - b with b = 0.01 h; the sum over 6 rows
    loss.backward();

    const su = softmax(run.student.forward(cat([strong, xl]), still).narrow(0, 0, 6));
    const smoothed = label.mul(1 - labelSmoothing).add(labelSmoothing / CLASSES);
    const pseudo = smoothed.mul(su.log()).sum().div(-6);
    pseudo.backward();
    const differ = hardLabels(tw).ne(hardLabels(ts)).float().sum().item();
    const metrics = {
      classification: classification.item(),
      consistency: kl.item(),
      confident: mask.mean().item(),
      pseudo: pseudo.item(),
      feedback: oldLoss - newLoss,
      centeredFeedback: 0.99 * (oldLoss - newLoss),
      udaWeight,
    };
    return { metrics, teacher: gradients(teacher), student: gradients(run.student), differ };
  });
  run.release();
  return result;
}

function expectClose(got: Record<string, number[] | undefined>, expected: Record<string, number[] | undefined>): void {
  expect(Object.keys(got)).toEqual(Object.keys(expected));
  for (const [name, values] of Object.entries(expected)) {
    const scale = Math.max(...values!.map(Math.abs));
    expect(got[name]!, name).toBeCloseToTensor(values!, { rtol: 1e-3, atol: 1e-4 * scale + 1e-7 });
  }
}

describeEngine("meta-pseudo-labels: the step equals the formulas", () => {
  /** Weak pictures of a weak network: about half of the rows pass this threshold. A large rate moves the student. */
  const base: TinyRunOptions = {
    method: { udaThreshold: 0.37, udaTemperature: 0.5, feedbackWeight: 20, feedback: "paired" },
    optimizer: { name: "sgd", lr: 0.5 },
  };
  const variants: Record<string, Readonly<Record<string, unknown>>> = {
    sample: { labelMode: "sample" },
    "the most probable class of the weak view": { labelMode: "argmaxWeak" },
    "the most probable class of the strong view": { labelMode: "argmaxStrong" },
    "without the UDA loss": { udaWeight: 0 },
    "without labels of its own": { supervisedWeight: 0 },
    "feedback alone": { supervisedWeight: 0, udaWeight: 0 },
    "without feedback": { feedbackWeight: 0 },
    "without smoothing": { labelSmoothing: 0 },
  };
  test.each(Object.entries(variants))("%s", (_, method) => {
    const options = { ...base, method: { ...base.method, ...method } };
    const got = firstStep(options);
    const expected = expectedStep(options, got.labeledLoss);
    for (const [name, value] of Object.entries(expected.metrics)) {
      expect([got.metrics[name]!], name).toBeCloseToTensor([value], { rtol: 1e-4, atol: 2e-6 });
    }
    expect(got.metrics.confident).toBeGreaterThan(0);
    expect(got.metrics.confident).toBeLessThan(1);
    expect(Math.abs(got.metrics.feedback!)).toBeGreaterThan(1e-3);
    expect(expected.differ).toBeGreaterThan(0); // weak and strong labels are not the same by chance
    expectClose(got.teacher, expected.teacher);
    expectClose(got.student, expected.student);
  });
});

describeEngine("meta-pseudo-labels: feedback", () => {
  const alone = { supervisedWeight: 0, udaWeight: 0 };

  test.each([
    [{ labelMode: "sample" }],
    [{ labelMode: "argmaxWeak" }],
    [{ labelMode: "argmaxStrong" }],
    [{ labelMode: "soft" }],
    [{ labelMode: "soft", labelTemperature: 0.5 }],
  ])("gives the teacher a gradient: %o", (method) => {
    const norm = (feedbackWeight: number) => {
      const run = tinyRun(NAME, { method: { ...alone, ...method, feedbackWeight } });
      run.steps(1);
      const value = gradientNorm(run.method.models.teacher!);
      run.release();
      return value;
    };
    expect(norm(1)).toBeGreaterThan(1e-7);
    expect(norm(0)).toBe(0);
  });

  test.each([1, 0.5])(
    "soft labels at temperature %f: the teacher's gradient is the label's own, class by class",
    (temperature) => {
      // No draws in the student's pass, so that it can be made again here.
      const options: TinyRunOptions = {
        method: { ...alone, labelMode: "soft", labelTemperature: temperature },
        modelOptions: { dropout: 0, inputNoise: 0 },
        optimizer: { name: "sgd", lr: 0.5 },
      };
      const [run, twin] = [tinyRun(NAME, options), tinyRun(NAME, options)];
      const { feedback } = run.steps(1)[0]!;
      const gL = run.student.parameters.map(({ tensor: t }) => t.grad!.toNumbers()); // of the labeled loss, after the step
      const along = () =>
        twin.student.parameters.reduce((sum, { tensor: t }, i) => {
          const g = t.grad!.toNumbers();
          t.clearGrad();
          return sum + g.reduce((s, v, k) => s + v * gL[i]![k]!, 0);
        }, 0);
      scope(() => {
        const { labeled, unlabeled } = twin.batch(0);
        const [xl, uw, us] = [labeled.x.image!, unlabeled.x.weak!, unlabeled.x.strong!];
        const teacher = twin.method.models.teacher!;
        const ts = teacher.forward(cat([xl, uw, us]), still).narrow(0, 10, 6);
        const yhat = softmax(ts.div(temperature));
        const logS = () => softmax(twin.student.forward(cat([us, xl]), still).narrow(0, 0, 6)).log();
        // One backward pass for each row and class: <gL, grad log S_k(u)>.
        const slopes = Float32Array.from({ length: 6 * CLASSES }, (_, at) => {
          logS()
            .reshape([6 * CLASSES])
            .narrow(0, at, 1)
            .sum()
            .backward();
          return (0.5 / 6) * 0.85 * along();
        });
        yhat
          .mul(tensor(slopes, [6, CLASSES]))
          .sum()
          .backward();
        const scale = Math.max(...gL.flat().map(Math.abs));
        expect(scale).toBeGreaterThan(1e-3);
        const expected = Object.values(gradients(teacher)).flatMap((g) => g ?? []);
        const found = Object.values(gradients(run.method.models.teacher!)).flatMap((g) => g ?? []);
        const error = Math.hypot(...found.map((g, i) => g - expected[i]!)) / Math.hypot(...expected);
        expect(error).toBeLessThan(0.05); // max pooling and leaky ReLU have kinks: no derivative to the last digit
        logS()
          .mul(
            yhat
              .detach()
              .mul(0.85)
              .add(0.15 / CLASSES),
          )
          .sum()
          .div(-6)
          .backward();
        expect(feedback).toBeCloseTo(0.5 * along(), 4);
      });
      for (const r of [run, twin]) r.release();
    },
  );

  test.each(["paired", "legacy", "dot", "cosine"])("%s changes its sign with feedbackSign", (feedback) => {
    const [a, b] = ["oldMinusNew", "newMinusOld"].map((feedbackSign) =>
      firstStep({ method: { feedback, feedbackSign } }),
    );
    expect(a!.metrics.feedback).not.toBe(0);
    expect(b!.metrics.feedback).toBe(-a!.metrics.feedback!);
    expect(b!.student).toEqual(a!.student); // the student learns the same either way, at first
  });

  test.each([
    ["paired", true],
    ["legacy", false],
  ])("%s feedback of a student that stands still is 0: %s", (feedback, zero) => {
    const run = tinyRun(NAME, { method: { feedback }, onStep() {} });
    for (const metrics of run.steps(3)) expect(metrics.feedback === 0).toBe(zero);
    run.release();
  });

  test("what counts is its distance from a moving average that starts at 0 and takes the new value in first", () => {
    const run = tinyRun(NAME, { method: { baselineDecay: 0.7 } });
    let b = 0;
    for (const { feedback, centeredFeedback } of run.steps(5)) {
      b = 0.7 * b + 0.3 * feedback!;
      expect(centeredFeedback).toBeCloseTo(feedback! - b, 6);
    }
    run.release();
    const plain = tinyRun(NAME, { method: { baseline: "none" } });
    for (const { feedback, centeredFeedback } of plain.steps(2)) expect(centeredFeedback).toBe(feedback);
    expect(Object.keys(plain.method.state)).not.toContain("baseline");
    plain.release();
  });

  test("soft labels leave the student where its optimizer put it", () => {
    const weights = (method: Readonly<Record<string, unknown>>) => {
      const run = tinyRun(NAME, { method: { labelMode: "soft", ...method }, optimizer: { name: "sgd" } });
      run.steps(1);
      const values = run.student.parameters.map(({ tensor: t }) => t.toArray());
      run.release();
      return values;
    };
    expect(weights({})).toEqual(weights({ feedbackWeight: 0, supervisedWeight: 3 }));
  });

  test("the student's running statistics come from its joint pass alone, whatever the feedback", () => {
    const statistics = (method: Readonly<Record<string, unknown>>) => {
      const run = tinyRun(NAME, { method });
      run.steps(1);
      const values = run.student.buffers.map(({ tensor: t }) => t.toArray());
      run.release();
      return values;
    };
    const expected = statistics({});
    for (const feedback of ["legacy", "paired", "cosine"]) expect(statistics({ feedback })).toEqual(expected);
  });
});

describeEngine("meta-pseudo-labels: a student that waits", () => {
  test.each([
    ["studentWaitSteps", { method: { studentWaitSteps: 2 } }],
    ["a learning rate of 0", { method: {}, optimizer: { schedule: "gmpl", waitSteps: 2, warmupSteps: 0 } }],
  ])("(%s) stands still and gives no feedback, while the teacher learns", (_, options) => {
    const run = tinyRun(NAME, options);
    const { student, studentAverage, teacher } = run.method.models as Record<string, Model>;
    const [s, a, t] = [student!, studentAverage!, teacher!].map(snapshot);
    const waiting = run.steps(2);
    expect([snapshot(student!), snapshot(studentAverage!)]).toEqual([s, a]);
    expect(snapshot(teacher!)).not.toEqual(t);
    for (const metrics of waiting) expect(metrics).not.toHaveProperty("feedback");
    expect(run.steps(1, 2)[0]).toHaveProperty("feedback");
    expect(snapshot(student!)).not.toEqual(s);
    expect(snapshot(studentAverage!)).not.toEqual(a);
    run.release();
  });
});

test("a student that would wait until fine-tuning, or longer, is refused", () => {
  const waiting = (studentWaitSteps: number) => {
    tinyRun(NAME, { totalSteps: 6, method: { studentWaitSteps, finetuneSteps: 2 } }).release();
  };
  for (const steps of [4, 6]) expect(() => waiting(steps)).toThrow(/studentWaitSteps: .* less than the 4 steps.* got/);
  expect(() => waiting(3)).not.toThrow();
});

describe("meta-pseudo-labels: the fine-tuning phase", () => {
  const options = { finetuneSteps: undefined, finetuneLr: 1e-3, finetuneBatch: undefined };

  test("is the last 1/60 of the steps unless told otherwise, of labeled rows alone", () => {
    expect(finetunePhases(options, 6000)).toEqual([
      { name: "pseudo-labels", steps: 5900, rows: "both" },
      { name: "finetune", steps: 100, rows: "labeled" },
    ]);
    expect(finetunePhases({ ...options, finetuneSteps: 7, finetuneBatch: 512 }, 20)).toEqual([
      { name: "pseudo-labels", steps: 13, rows: "both" },
      { name: "finetune", steps: 7, rows: "labeled", batch: 512 },
    ]);
    expect(finetunePhases({ ...options, finetuneSteps: 0 }, 20)).toHaveLength(1);
  });

  test("must leave a step before it", () => {
    expect(() => finetunePhases({ ...options, finetuneSteps: 20 }, 20)).toThrow(/less than the 20 steps/);
  });

  describeEngine("with the engine", () => {
    const tuned: TinyRunOptions = { totalSteps: 6, method: { finetuneSteps: 3, finetuneLr: 0.1 } };

    test("moves the kept student and nobody else", () => {
      const run = tinyRun(NAME, tuned);
      run.steps(3);
      const { student, studentAverage, teacher } = run.method.models as Record<string, Model>;
      const before = [student!, teacher!, studentAverage!].map(snapshot);
      const [metrics] = run.steps(1, 3);
      expect(Object.keys(metrics!)).toEqual(["finetune"]);
      expect([student!, teacher!].map(snapshot)).toEqual(before.slice(0, 2));
      const after = snapshot(studentAverage!);
      const same = Object.keys(after).filter((key) => JSON.stringify(after[key]) === JSON.stringify(before[2]![key]));
      expect(same).toEqual([]);
      run.release();
    });

    test("descends on the smoothed cross-entropy of the labeled rows, with Nesterov's momentum and no dropout", () => {
      const run = tinyRun(NAME, { ...tuned, modelOptions: { inputNoise: 0 } });
      run.steps(3);
      const average = run.method.models.studentAverage!;
      const before = snapshot(average) as Record<string, Float32Array>;
      const gradient = scope(() => {
        for (const { tensor: t } of average.parameters) t.requiresGrad_();
        const batch = run.batch(3);
        const z = average.forward(batch.labeled.x.image!, { ...still, dropout: 0 });
        slowClassification(z, batch, 4, 0.15).backward();
        const values = gradients(average);
        for (const { tensor: t } of average.parameters) t.clearGrad();
        return values;
      });
      run.steps(1, 3);
      for (const { name, tensor: t } of average.parameters) {
        const expected = gradient[name]!.map((g, i) => before[name]![i]! - 0.1 * 1.9 * g); // g + mu v with v = g
        expect(t, name).toBeCloseToTensor(expected, { rtol: 1e-3, atol: 1e-5 });
      }
      run.release();
    });

    for (const at of [2, 3, 4]) {
      test(`continues bit for bit when saved after step ${at} of 3 + 3`, () => {
        const [whole, resumed] = [tinyRun(NAME, tuned), tinyRun(NAME, tuned)];
        whole.steps(at);
        const saved = saveState(whole.method);
        expect(Object.keys(saved)).toEqual(expect.arrayContaining(["student", "studentAverage", "teacher"]));
        whole.steps(6 - at, at);
        for (const [owner, state] of Object.entries(saved)) resumed.method.state[owner]!.loadStateDict(state);
        resumed.steps(6 - at, at);
        const values = ({ method }: TinyRun) => Object.values(method.models).map(snapshot);
        expect(values(resumed)).toEqual(values(whole));
        for (const { tensors } of Object.values(saved)) for (const t of Object.values(tensors)) t.release();
        for (const run of [whole, resumed]) run.release();
      });
    }

    describe("a whole run", () => {
      let folder: string;
      beforeAll(() => {
        folder = temporaryFolder();
      });
      afterAll(() => removeFolder(folder));

      for (const stopAfter of [3, 6]) {
        test(`stopped after step ${stopAfter} of 5 + 3 and continued leaves the same checkpoint`, async () => {
          const given = {
            method: NAME,
            steps: 8,
            "method.finetuneSteps": 3,
            "method.finetuneBatch": 40,
            strong: "weak",
          };
          const [a, b] = ["whole", "stopped"].map((name) => join(folder, `${name}-${stopAfter}`)) as [string, string];
          const whole = await trainToEnd(configure(a, given));
          await trainToEnd(configure(b, given), stopAfter);
          const rest = await trainToEnd(continued(b));
          expect(checkpointFiles(b, 8)).toEqual(checkpointFiles(a, 8));
          expect(rest.result!.error).toBe(whole.result!.error);
          expect(whole.result!.predictor).toBe("studentAverage");
        });
      }
    });
  });
});

describeEngine("meta-pseudo-labels: every option changes something", () => {
  const rows: Record<string, readonly [unknown, TinyRunOptions?]> = {
    labelMode: ["argmaxWeak"],
    labelTemperature: [0.3, { method: { labelMode: "soft" } }],
    feedback: ["paired"],
    feedbackReduction: ["mean"],
    feedbackSign: ["newMinusOld"],
    feedbackWeight: [3],
    baseline: ["none"],
    baselineDecay: [0.5],
    supervisedWeight: [2],
    udaWeight: [2],
    udaRampSteps: [10],
    udaTemperature: [0.3],
    udaThreshold: [0.35],
    labelSmoothing: [0],
    studentWaitSteps: [1],
    teacherLr: [0.001],
    studentDropout: [0.1],
    teacherDropout: [0.1],
    emaDecay: [0.5, { method: { emaWarmup: "none" } }],
    emaStart: ["zeros"],
    emaWarmup: ["none"],
    emaBuffers: ["copy"],
    finetuneSteps: [2],
    finetuneLr: [0.1, { method: { finetuneSteps: 2 } }],
  };
  /** Rows of a batch, which the sampler makes. */
  const elsewhere = ["finetuneBatch"];

  const end = (options: TinyRunOptions) => {
    const run = tinyRun(NAME, { ...options, totalSteps: 4, method: { udaThreshold: 0, ...options.method } });
    run.steps(4);
    const values = Object.values(run.method.models).map(snapshot);
    run.release();
    return values;
  };

  test("and each has its row here", () => {
    expect([...Object.keys(rows), ...elsewhere].sort()).toEqual(Object.keys(metaPseudoLabels.options).sort());
  });

  for (const [option, [value, needs = {}]] of Object.entries(rows)) {
    test(`${option} ${value}`, () => {
      const changed = { ...needs, method: { ...needs.method, [option]: value } };
      expect(end(changed)).not.toEqual(end(needs));
    });
  }
});
