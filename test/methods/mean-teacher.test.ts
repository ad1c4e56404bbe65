import { expect, test } from "vitest";
import { meanTeacher } from "../../src/methods/mean-teacher.js";
import { parseOptions } from "../../src/options.js";
import { noGrad, scope } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { gradientNorm, numbers, snapshot, type TinyRunOptions, tinyRun } from "../support/method-run.js";

/** No dropout, no noise, no augmentation. */
const quiet: TinyRunOptions = { modelOptions: { dropout: 0, inputNoise: 0 }, translate: 0, flip: false };

/** Gradient norm of the first step with unlabeled rows alone. */
function unsupervisedNorm(options: TinyRunOptions): number {
  let norm = Number.NaN;
  const run = tinyRun("mean-teacher", { ...options, labeled: 0, onStep: () => (norm = gradientNorm(run.student)) });
  run.steps(1);
  run.release();
  return norm;
}

describeEngine("mean-teacher: where gradients go", () => {
  test("the teacher gets none, and its weights ask for none", () => {
    let looked = false;
    const run = tinyRun("mean-teacher", {
      modelOptions: { heads: 2 },
      onStep() {
        looked = true;
        for (const { name, tensor: t } of run.method.models.teacher!.parameters) {
          expect([t.grad, t.requiresGrad], name).toEqual([undefined, false]);
        }
        expect(gradientNorm(run.student)).toBeGreaterThan(0);
      },
    });
    run.steps(2);
    expect(looked).toBe(true);
    run.release();
  });

  test("teacher equal to student, no noise of any kind: the consistency gradient is exactly 0", () => {
    expect(unsupervisedNorm(quiet)).toBe(0);
  });

  const sources: Record<string, TinyRunOptions> = {
    dropout: { ...quiet, modelOptions: { dropout: 0.5, inputNoise: 0 } },
    "input noise": { ...quiet, modelOptions: { dropout: 0, inputNoise: 0.15 } },
    translation: { ...quiet, translate: 2 },
    flips: { ...quiet, flip: true },
    "a teacher that started at random": { ...quiet, method: { emaStart: "random" } },
    "dropout of the student alone": { ...quiet, method: { studentDropout: 0.5 } },
    "dropout of the teacher alone": { ...quiet, method: { teacherDropout: 0.5 } },
    "noise of the student alone": { ...quiet, method: { studentNoise: 0.3 } },
    "noise of the teacher alone": { ...quiet, method: { teacherNoise: 0.3 } },
    "translation of the student alone": { ...quiet, method: { studentTranslate: 2 } },
    "translation of the teacher alone": { ...quiet, method: { teacherTranslate: 2 } },
    "flips of the student alone": { ...quiet, flip: true, method: { teacherFlip: false } },
    "flips of the teacher alone": { ...quiet, flip: true, method: { studentFlip: false } },
  };
  for (const [source, options] of Object.entries(sources)) {
    test(`${source} makes it more than 0`, () => expect(unsupervisedNorm(options)).toBeGreaterThan(0));
  }

  const silenced: Record<string, TinyRunOptions> = {
    dropout: { modelOptions: { dropout: 0.5, inputNoise: 0 }, method: { studentDropout: 0, teacherDropout: 0 } },
    noise: { modelOptions: { dropout: 0, inputNoise: 0.5 }, method: { studentNoise: 0, teacherNoise: 0 } },
    translation: { translate: 2, method: { studentTranslate: 0, teacherTranslate: 0 } },
    flips: { flip: true, method: { studentFlip: false, teacherFlip: false } },
  };
  for (const [source, options] of Object.entries(silenced)) {
    test(`both sides' switches silence ${source} altogether`, () => {
      expect(unsupervisedNorm({ ...quiet, ...options })).toBe(0);
    });
  }
});

describeEngine("mean-teacher: the Pi-model in the same graph (target student)", () => {
  const consistency = (method: Record<string, unknown>) => {
    const run = tinyRun("mean-teacher", { ...quiet, method: { target: "student", ...method } });
    const value = run.steps(1)[0]!.consistency!;
    run.release();
    return value;
  };

  test("the second branch has the teacher's dropout and noise: Figure 4b's ablation", () => {
    expect(consistency({})).toBe(0);
    for (const option of ["teacherDropout", "teacherNoise", "studentDropout", "studentNoise"]) {
      expect(consistency({ [option]: 0.5 }), option).toBeGreaterThan(0);
    }
    expect(consistency({ teacherDropout: 0.2 })).not.toBe(consistency({ teacherDropout: 0.7 }));
  });

  test("a cost that is not symmetric is refused", () => {
    for (const method of [{ cost: "kl" }, { cost: "tau", tau: 0.5 }]) {
      expect(() => consistency(method)).toThrow(/target student .* only a symmetric cost allows: expected cost mse/);
    }
    expect(consistency({ cost: "tau", tau: 0 })).toBe(0);
  });
});

describeEngine("mean-teacher: strong views", () => {
  test("are the student's or the teacher's alone, where asked for", () => {
    const views = (method: Record<string, unknown>) =>
      meanTeacher.views(parseOptions(meanTeacher.options, method, "mean-teacher")).unlabeled;
    expect(views({}).student.augment).toBe("weak");
    const strong = views({ studentView: "strong" });
    expect([strong.student.augment, strong.teacher.augment]).toEqual(["strong", "weak"]);
    expect(views({ teacherView: "strong" }).teacher.augment).toBe("strong");
  });
});

describeEngine("mean-teacher: the teacher", () => {
  test("starts as a copy, and after a step is a th' + (1 - a) th of the student as it is then", () => {
    const run = tinyRun("mean-teacher", { method: { emaDecay: 0.9, emaWarmup: "none" } });
    const { student, teacher } = run.method.models;
    const before = snapshot(teacher!) as Record<string, Float32Array>;
    for (const { name, tensor: t } of student!.parameters) expect(t.toArray()).toEqual(before[name]);
    run.steps(1);
    for (const [i, { name, tensor: t }] of student!.parameters.entries()) {
      const expected = t.toNumbers().map((v, k) => 0.9 * before[name]![k]! + 0.1 * v);
      expect(teacher!.parameters[i]!.tensor).toBeCloseToTensor(expected, { rtol: 1e-5, atol: 1e-6 });
    }
    run.release();
  });

  test("keeps running statistics of its own, from its own view", () => {
    const run = tinyRun("mean-teacher");
    const expected = scope(() => {
      // The same network and weights on the teacher's view, whatever the teacher draws: input statistics differ.
      const other = tinyRun("mean-teacher", { method: { teacherNoise: 3 } });
      other.steps(1);
      const values = snapshot(other.method.models.teacher!);
      other.release();
      return values;
    });
    const before = snapshot(run.method.models.teacher!);
    run.steps(1);
    const { student, teacher } = run.method.models;
    for (const [i, { name, tensor: t }] of teacher!.buffers.entries()) {
      expect(t.toArray(), name).not.toEqual(before[name]);
      expect(t.toArray(), name).not.toEqual(student!.buffers[i]!.tensor.toArray());
      expect(t.toArray(), name).not.toEqual(expected[name]);
    }
    run.release();
  });

  test("the student's running statistics are from its first pass alone, whatever the target", () => {
    const buffersAfter = (method: Record<string, unknown>) => {
      const run = tinyRun("mean-teacher", { method });
      run.steps(1);
      const values = run.student.buffers.map(({ tensor: t }) => t.toArray());
      run.release();
      return values;
    };
    const expected = buffersAfter({});
    expect(buffersAfter({ target: "student" })).toEqual(expected);
    expect(buffersAfter({ logBothCosts: true })).toEqual(expected);
  });

  test("two heads: its class head gives the target of the student's consistency head", () => {
    const consistencyWith = (perturbed: string) => {
      const run = tinyRun("mean-teacher", { modelOptions: { heads: 2 } });
      noGrad(() => {
        const found = run.method.models.teacher!.parameters.find(({ name }) => name === perturbed);
        found?.tensor.copy_(scope(() => found.tensor.mul(5)));
      });
      const { consistency } = run.steps(1)[0]!;
      run.release();
      return consistency;
    };
    const plain = consistencyWith("none");
    expect(consistencyWith("fc2.weight")).toBe(plain);
    expect(consistencyWith("fc.weight")).not.toBe(plain);
  });

  test("two heads: the class loss is of the class head, the consistency of the other", () => {
    const metricsWith = (perturbed: string) => {
      const run = tinyRun("mean-teacher", { modelOptions: { heads: 2 } });
      noGrad(() => {
        const found = run.student.parameters.find(({ name }) => name === perturbed);
        found?.tensor.copy_(scope(() => found.tensor.mul(5)));
      });
      const metrics = run.steps(1)[0]!;
      run.release();
      return metrics;
    };
    const plain = metricsWith("none");
    const [first, second] = [metricsWith("fc.weight"), metricsWith("fc2.weight")];
    expect([first.classification === plain.classification, first.consistency === plain.consistency]).toEqual([
      false,
      true,
    ]);
    expect([second.classification === plain.classification, second.consistency === plain.consistency]).toEqual([
      true,
      false,
    ]);
  });

  test("one head has no logit distance, two have", () => {
    for (const heads of [1, 2]) {
      const run = tinyRun("mean-teacher", { modelOptions: { heads } });
      expect("logitDistance" in run.steps(1)[0]!).toBe(heads === 2);
      run.release();
    }
  });
});

describeEngine("mean-teacher: rows and weights", () => {
  test("consistencyOnLabeled false ignores labeled rows but still divides by all of them", () => {
    // A perceptron: no batch norm, so rows do not see each other.
    const options: TinyRunOptions = {
      model: "mlp",
      modelOptions: { hidden: 6, inputNoise: 0.2 },
      method: { emaStart: "random" },
    };
    const consistency = (more: TinyRunOptions, spoilLabeled: boolean) => {
      const run = tinyRun("mean-teacher", { ...options, ...more });
      const value = scope(() => {
        const batch = run.batch(0);
        if (spoilLabeled) batch.labeled.x.student!.mul_(-3);
        return numbers(run.method.step(batch, { step: 0, epoch: 0, totalSteps: 20 })).consistency!;
      });
      run.release();
      return value;
    };
    const without = { method: { ...options.method, consistencyOnLabeled: false } };
    expect(consistency(without, true)).toBeCloseTo(consistency(without, false), 7);
    expect(consistency({}, true)).not.toBeCloseTo(consistency({}, false), 5);
    expect(consistency(without, false)).toBeGreaterThan(0);
    expect(consistency(without, false)).toBeLessThan(consistency({}, false));
  });

  test("the weight ramps up as exp(-5 (1 - t / L)^2), from e^-5 at step 0 to 1 at L and after", () => {
    const run = tinyRun("mean-teacher", { method: { consistencyWeight: 100, rampUpSteps: 5 } });
    const weights = run.steps(7).map(({ weight }) => weight!);
    expect(weights).toBeCloseToTensor([0.67379, 4.07622, 16.52989, 44.9329, 81.87308, 100, 100], { atol: 1e-4 });
    run.release();
  });

  test("the ramp takes 4/15 of the steps unless told otherwise, and 0 means none", () => {
    const first = (method: Record<string, unknown>, totalSteps: number) => {
      const run = tinyRun("mean-teacher", { method, totalSteps });
      const weights = run.steps(9).map(({ weight }) => weight!);
      run.release();
      return weights;
    };
    const weights = first({ consistencyWeight: 1 }, 30); // L = 8
    expect(weights[7]).toBeCloseTo(Math.exp(-5 / 64), 6);
    expect(weights[8]).toBe(1);
    expect(new Set(first({ consistencyWeight: 1, rampUpSteps: 0 }, 30))).toEqual(new Set([1]));
  });

  test("scaleByLabels multiplies it by labeled over all images", () => {
    const run = tinyRun("mean-teacher", { method: { consistencyWeight: 10, rampUpSteps: 0, scaleByLabels: true } });
    expect(run.steps(1)[0]!.weight).toBeCloseTo((10 * 8) / 40, 6);
    run.release();
  });

  test("classReduction labeled is the batch's times B / Bl", () => {
    const classification = (classReduction: string) => {
      const run = tinyRun("mean-teacher", { method: { classReduction }, labeled: 4, unlabeled: 6 });
      const value = run.steps(1)[0]!.classification!;
      run.release();
      return value;
    };
    expect(classification("labeled")).toBeCloseTo(classification("batch") * 2.5, 5);
  });

  test("both views show the same images in the same order", () => {
    const run = tinyRun("mean-teacher", quiet);
    scope(() => {
      const { labeled, unlabeled } = run.batch(3);
      for (const { x, index } of [labeled, unlabeled]) {
        expect(x.teacher!.toArray()).toEqual(x.student!.toArray());
        expect(new Set(index.toNumbers()).size).toBe(index.numel);
      }
    });
    run.release();
  });
});

describeEngine("mean-teacher: every option changes something", () => {
  const heads = { modelOptions: { heads: 2 } };
  const rows: Record<string, readonly [unknown, TinyRunOptions?]> = {
    classReduction: ["labeled"],
    consistencyWeight: [3],
    scaleByLabels: [true],
    rampUpSteps: [2],
    rampUp: ["linear"],
    rampEvery: ["epoch"],
    consistencyOnLabeled: [false],
    emaDecay: [0.1],
    emaDecayRampUp: [0.1],
    emaStart: ["zeros"],
    emaWarmup: ["none"],
    cost: ["kl"],
    tau: [0.5, { method: { cost: "tau" } }],
    legacyScale: [true, { method: { cost: "tau" } }],
    target: ["student"],
    logitDistanceWeight: [1, heads],
    logitDistanceClasses: ["sum", heads],
    studentDropout: [0.2],
    teacherDropout: [0.2],
    studentNoise: [0.5],
    teacherNoise: [0.5],
    studentTranslate: [0],
    teacherTranslate: [0],
    studentFlip: [false],
    teacherFlip: [false],
  };
  /** Reports something and moves nothing, or is the loader's, which has no strong view here. */
  const elsewhere = ["logBothCosts", "studentView", "teacherView"];

  /** Weights of both models after a few steps. */
  const end = (options: TinyRunOptions) => {
    const run = tinyRun("mean-teacher", { translate: 2, ...options });
    run.steps(3);
    const values = Object.values(run.method.models).map(snapshot);
    run.release();
    return values;
  };

  test("and each has its row here", () => {
    expect([...Object.keys(rows), ...elsewhere].sort()).toEqual(Object.keys(meanTeacher.options).sort());
  });

  for (const [option, [value, needs = {}]] of Object.entries(rows)) {
    test(`${option} ${value}`, () => {
      const changed = { ...needs, method: { ...needs.method, [option]: value } };
      expect(end(changed)).not.toEqual(end(needs));
    });
  }

  for (const cost of ["mse", "kl", "tau"]) {
    test(`cost ${cost} differs from the others`, () => {
      for (const other of ["mse", "kl", "tau"].filter((c) => c !== cost)) {
        expect(end({ method: { cost } })).not.toEqual(end({ method: { cost: other } }));
      }
    });
  }
  for (const [a, b] of [
    ["copy", "random"],
    ["random", "zeros"],
  ]) {
    test(`emaStart ${a} differs from ${b}`, () => {
      expect(end({ method: { emaStart: a } })).not.toEqual(end({ method: { emaStart: b } }));
    });
  }

  test("logBothCosts reports the cost against the other target", () => {
    for (const [target, other] of [
      ["teacher", "consistencyWithStudent"],
      ["student", "consistencyWithTeacher"],
    ]) {
      const run = tinyRun("mean-teacher", { method: { target, logBothCosts: true } });
      const [, second] = run.steps(2);
      expect(second![other!]).toBeGreaterThan(0);
      expect(second![other!]).not.toBe(second!.consistency);
      run.release();
    }
  });

  test("logBothCosts does not change what is trained", () => {
    const modelOptions = { dropout: 0.3, inputNoise: 0.2 };
    expect(end({ modelOptions, method: { logBothCosts: true } })).toEqual(end({ modelOptions }));
  });

  test("emaDecay 1 holds the teacher's weights still, 0 makes them the student's", () => {
    for (const emaDecay of [0, 1]) {
      const run = tinyRun("mean-teacher", { method: { emaDecay, emaWarmup: "none" } });
      const { student, teacher } = run.method.models;
      const before = teacher!.parameters.map(({ tensor: t }) => t.toArray());
      run.steps(2);
      const after = teacher!.parameters.map(({ tensor: t }) => t.toArray());
      expect(after).toEqual(emaDecay === 1 ? before : student!.parameters.map(({ tensor: t }) => t.toArray()));
      run.release();
    }
  });
});
