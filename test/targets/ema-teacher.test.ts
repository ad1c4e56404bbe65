import { describe, expect, test } from "vitest";
import {
  batchNorm2d,
  createModel,
  globalAvgPool,
  linear,
  type Model,
  network,
  sequential,
} from "../../src/nn/index.js";
import { Rng } from "../../src/rng.js";
import { EmaTeacher, emaDecay } from "../../src/targets/index.js";
import { full, liveTensors, noGrad, normal, scope, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { references, type StoredArray, stored } from "../support/references.js";

describe("emaDecay", () => {
  test("has the golden values of Mean Teacher's floor at updates 1, 2, 9, 99 and 999", () => {
    const golden = { 1: 0.5, 2: 2 / 3, 9: 0.9, 99: 0.99, 999: 0.999 };
    for (const [t, decay] of Object.entries(golden)) {
      expect(emaDecay(Number(t), { decayAfterRampup: 0.9999, biasWarmup: "oneMinusOneOverT" })).toBeCloseTo(decay, 12);
    }
  });
  test("has the golden values of TensorFlow's floor at steps 0, 10 and 1000, one before the update", () => {
    const golden = { 0: 0.1, 10: 0.55, 1000: 0.9911 };
    for (const [step, decay] of Object.entries(golden)) {
      expect(emaDecay(Number(step) + 1, { decayAfterRampup: 0.995, biasWarmup: "tf10" })).toBeCloseTo(decay, 4);
    }
  });
  test("never exceeds the decay asked for", () => {
    for (const biasWarmup of ["oneMinusOneOverT", "tf10"] as const) {
      expect(emaDecay(1_000_000, { decayAfterRampup: 0.97, biasWarmup })).toBe(0.97);
    }
  });
  test("changes from the ramp-up's decay to the other after rampUpSteps updates", () => {
    const options = { decayDuringRampup: 0.99, decayAfterRampup: 0.999, rampUpSteps: 40 };
    expect([1, 40, 41].map((t) => emaDecay(t, options))).toEqual([0.99, 0.99, 0.999]);
    expect(emaDecay(1, { decayAfterRampup: 0.5, rampUpSteps: 40 })).toBe(0.5);
    expect(emaDecay(1)).toBe(0.999);
  });
});

/** Three channels, a batch norm, a linear layer; weights from `seed`, running statistics that differ as well. */
function makeModel(seed: number): Model {
  const features = sequential({ norm: batchNorm2d(3), pool: globalAvgPool() });
  const rng = Rng.fromSeed(seed);
  const model = createModel(network({ features, fc: linear(3, 2) }), { rng, precision: "fp32", device: "cpu" });
  shift(model, seed);
  return model;
}

/** Other values everywhere. */
function shift(model: Model, seed: number): void {
  const rng = Rng.fromSeed(seed).split("shift");
  scope(() =>
    noGrad(() => {
      for (const { tensor: t } of [...model.parameters, ...model.buffers]) t.add_(normal(t.shape, 0, 0.3, rng).abs());
    }),
  );
}

const weights = (m: Model) => m.parameters.map((p) => p.tensor.toNumbers());
const statistics = (m: Model) => m.buffers.map((b) => b.tensor.toNumbers());
const mix = (d: number, a: number[][], b: number[][]) =>
  a.map((row, i) => row.map((x, j) => d * x + (1 - d) * b[i]![j]!));
const expectClose = (got: number[][], expected: number[][]) => {
  for (const [i, row] of got.entries()) expect(row).toBeCloseToTensor(expected[i]!);
};

describeEngine("EmaTeacher", () => {
  test("starts as a copy of the student, weights and running statistics, unless told otherwise", () => {
    const [student, other] = [makeModel(1), makeModel(2)];
    const own = weights(other);
    const random = new EmaTeacher(student, other, { emaStart: "random" });
    expect(weights(random.model)).toEqual(own);
    expect(statistics(random.model)).not.toEqual(statistics(student));
    const copy = new EmaTeacher(student, other);
    expect(weights(copy.model)).toEqual(weights(student));
    expect(statistics(copy.model)).toEqual(statistics(student));
  });
  test("zeros starts at 0, but at 1 for batch norm's bias and variance", () => {
    const { model } = new EmaTeacher(makeModel(1), makeModel(2), { emaStart: "zeros" });
    const values = [...model.parameters, ...model.buffers].map(({ name, tensor: t }) => [
      name,
      ...new Set(t.toNumbers()),
    ]);
    expect(Object.fromEntries(values)).toEqual({
      "features.norm.weight": 0,
      "features.norm.bias": 1,
      "fc.weight": 0,
      "fc.bias": 0,
      "features.norm.running_mean": 0,
      "features.norm.running_var": 1,
    });
  });
  test("follows teacher <- d teacher + (1 - d) student over updates, with the decay of each", () => {
    const student = makeModel(1);
    const options = { biasWarmup: "oneMinusOneOverT", decayAfterRampup: 0.7 } as const;
    const teacher = new EmaTeacher(student, makeModel(2), options);
    let expected = weights(student);
    for (let t = 1; t <= 5; t++) {
      shift(student, 10 + t);
      const d = Math.min(1 - 1 / (t + 1), 0.7);
      expected = mix(d, expected, weights(student));
      expect(teacher.update()).toBeCloseTo(d, 12);
      expect(teacher.updates).toBe(t);
      expectClose(weights(teacher.model), expected);
    }
  });
  test("with the floor 1 - 1/(t+1) and no ceiling is the plain mean of the start and all students", () => {
    const student = makeModel(1);
    const teacher = new EmaTeacher(student, makeModel(2), { biasWarmup: "oneMinusOneOverT", decayAfterRampup: 1 });
    const seen = [weights(student)];
    for (let t = 1; t <= 4; t++) {
      shift(student, 20 + t);
      teacher.update();
      seen.push(weights(student));
    }
    const mean = seen[0]!.map((row, i) => row.map((_, j) => seen.reduce((a, w) => a + w[i]![j]!, 0) / seen.length));
    expectClose(weights(teacher.model), mean);
  });
  test("with decay 0 equals the student after one update", () => {
    const student = makeModel(1);
    const teacher = new EmaTeacher(student, makeModel(2), { emaStart: "random", decayAfterRampup: 0 });
    teacher.update();
    expect(weights(teacher.model)).toEqual(weights(student));
  });
  test("averages, copies or leaves alone the running statistics", () => {
    for (const buffers of ["average", "copy", "own"] as const) {
      const student = makeModel(1);
      const teacher = new EmaTeacher(student, makeModel(2), { buffers, decayAfterRampup: 0.75 });
      const before = statistics(teacher.model);
      shift(student, 3);
      teacher.update();
      const now = statistics(student);
      const expected = { average: mix(0.75, before, now), copy: now, own: before }[buffers];
      expectClose(statistics(teacher.model), expected);
    }
  });
  test("copies integer buffers, never averages them", () => {
    const withCounter = (model: Model, count: number): Model => {
      const counter = tensor(BigInt64Array.of(BigInt(count)), [1]).keep();
      return { ...model, buffers: [...model.buffers, { name: "features.norm.count", tensor: counter }] };
    };
    for (const buffers of ["average", "copy"] as const) {
      const student = withCounter(makeModel(1), 7);
      const teacher = new EmaTeacher(student, withCounter(makeModel(2), 2), { buffers, emaStart: "random" });
      teacher.update();
      expect(teacher.model.buffers.at(-1)!.tensor.toNumbers()).toEqual([7]);
    }
  });
  test("gives its weights no gradient, and moves while the student keeps its own", () => {
    const student = makeModel(1);
    const teacher = new EmaTeacher(student, makeModel(2));
    scope(() => {
      const x = full([2, 3, 2, 2], 0.5);
      const loss = student.forward(x, "train").sub(teacher.model.forward(x, "train")).pow(2).sum();
      loss.backward();
      expect(teacher.model.parameters.map((p) => p.tensor.grad)).toEqual([undefined, undefined, undefined, undefined]);
      expect(student.parameters.every((p) => p.tensor.grad !== undefined)).toBe(true);
      teacher.update();
    });
  });
  test("continues after a restore as if it had never stopped, bit for bit", () => {
    const options = { biasWarmup: "tf10", buffers: "average" } as const;
    const [a, b] = [makeModel(1), makeModel(1)];
    const whole = new EmaTeacher(a, makeModel(2), options);
    const first = new EmaTeacher(b, makeModel(2), options);
    for (let t = 0; t < 3; t++)
      for (const [student, teacher] of [
        [a, whole],
        [b, first],
      ] as const) {
        shift(student, t);
        teacher.update();
      }
    const second = new EmaTeacher(b, makeModel(3), options);
    second.model.loadStateDict({ ...first.model.stateDict(), values: {} });
    second.loadStateDict(JSON.parse(JSON.stringify(first.stateDict())));
    for (const [student, teacher] of [
      [a, whole],
      [b, second],
    ] as const) {
      shift(student, 9);
      teacher.update();
    }
    expect(second.updates).toBe(4);
    expect(weights(second.model)).toEqual(weights(whole.model));
    expect(statistics(second.model)).toEqual(statistics(whole.model));
    expect(() => second.loadStateDict({ tensors: {}, values: {} })).toThrow(/expected a number "updates"/);
  });
  test("refuses a teacher of another shape, naming the tensors", () => {
    const wide = createModel(network({ features: globalAvgPool(), fc: linear(4, 2) }), {
      rng: Rng.fromSeed(0),
      precision: "fp32",
      device: "cpu",
    });
    expect(() => new EmaTeacher(makeModel(1), wide)).toThrow(
      /has features\.norm\.weight \[3\] where it has fc\.weight \[2, 4\]/,
    );
  });
  test("leaves no tensors behind", () => {
    const student = makeModel(1);
    const teacher = new EmaTeacher(student, makeModel(2), { buffers: "copy" });
    teacher.update();
    const before = liveTensors();
    for (let t = 0; t < 5; t++) teacher.update();
    expect(liveTensors()).toBe(before);
  });
});

interface Case {
  readonly decay: number;
  readonly start: Readonly<Record<string, StoredArray>>;
  readonly steps: readonly Readonly<Record<"student" | "teacher", Readonly<Record<string, StoredArray>>>>[];
}

describeEngine("EmaTeacher agrees with PyTorch's averaged model", () => {
  for (const [name, { decay, start, steps }] of references<Case>("ema")) {
    test(name, () => {
      const make = (seed: number) =>
        createModel(network({ features: globalAvgPool(), fc: linear(3, 2) }), {
          rng: Rng.fromSeed(seed),
          precision: "fp32",
          device: "cpu",
        });
      const student = make(0);
      const set = (values: Readonly<Record<string, StoredArray>>) =>
        noGrad(() => {
          for (const p of student.parameters) p.tensor.copy_(stored(values[p.name.replace("fc.", "")]!));
        });
      set(start);
      const teacher = new EmaTeacher(student, make(1), { decayAfterRampup: decay });
      for (const step of steps) {
        set(step.student);
        teacher.update();
        for (const p of teacher.model.parameters)
          expect(p.tensor).toBeCloseToTensor(step.teacher[p.name.replace("fc.", "")]!);
      }
    });
  }
});
