/** The feedback of Meta Pseudo Labels against derivatives taken by hand, on linear students in float64. */
import { describe, expect, test } from "vitest";
import { crossEntropy } from "../../../src/losses/index.js";
import {
  FEEDBACKS,
  type FeedbackOptions,
  feedbackOptions,
  learnWithFeedback,
  type ReinforcementOptions,
  reinforcement,
} from "../../../src/methods/parts/feedback.js";
import { softReinforcement, softSlopes } from "../../../src/methods/parts/soft-feedback.js";
import { findModel } from "../../../src/models/index.js";
import { createModel, type Model } from "../../../src/nn/index.js";
import { Sgd } from "../../../src/optim/index.js";
import { parseOptions } from "../../../src/options.js";
import { Rng } from "../../../src/rng.js";
import { scope, type Tensor, tensor } from "../../../src/torch/index.js";
import { describeEngine } from "../../support/engine.js";
import { labelsTensor, type Rows, randomRows, rowsTensor, softmaxRow } from "../../support/slow.js";

const NOW = { step: 0, totalSteps: 1 };
type Feedback = FeedbackOptions["feedback"];

/** x `[N, D]` -> x W `[N, K]`; the only parameter is W `[D, K]` in float64. */
function linearModel(weight: Rows): Model {
  const w = rowsTensor(weight).keep().requiresGrad_();
  const forward = (x: Tensor) => x.matmul(w);
  return { parameters: [{ name: "w", tensor: w }], buffers: [], forward } as unknown as Model;
}

function plainSgd(model: Model, lr: number, more: object = {}) {
  return new Sgd(model.parameters, {
    learningRate: () => lr,
    momentum: 0,
    nesterov: false,
    weightDecay: 0,
    decayScope: "all",
    clipNorm: 0,
    ...more,
  });
}

const product = (x: Rows, w: Rows) =>
  x.map((row) => w[0]!.map((_, k) => row.reduce((s, v, d) => s + v * w[d]![k]!, 0)));
/** X' R / N */
const transposed = (x: Rows, r: Rows) =>
  x[0]!.map((_, d) => r[0]!.map((_, k) => x.reduce((s, row, i) => s + (row[d]! * r[i]![k]!) / x.length, 0)));
const dot = (a: Rows, b: Rows) => a.flat().reduce((s, v, i) => s + v * b.flat()[i]!, 0);
const moved = (w: Rows, g: Rows, eta: number) => w.map((row, d) => row.map((v, k) => v - eta * g[d]![k]!));

/** 5 labeled rows with targets of a quadratic loss, 7 unlabeled rows with hard labels, one weight matrix. */
const xl = randomRows(1, 5, 3, 1);
const targets = randomRows(2, 5, 2, 1);
const xu = randomRows(3, 7, 3, 1);
const hard = [0, 1, 1, 0, 1, 0, 0];
const w0 = randomRows(4, 3, 2, 0.5);

/** grad of (1/N) sum_i H(y_i, softmax(x_i W)) */
function pseudoGradient(w: Rows): number[][] {
  const residual = product(xu, w).map((z, i) => softmaxRow(z).map((p, k) => p - (k === hard[i] ? 1 : 0)));
  return transposed(xu, residual);
}
/** (1/2N) sum_i |x_i W - t_i|^2, and its gradient */
function quadratic(w: Rows): { loss: number; gradient: number[][] } {
  const residual = product(xl, w).map((z, i) => z.map((v, k) => v - targets[i]![k]!));
  return { loss: dot(residual, residual) / (2 * xl.length), gradient: transposed(xl, residual) };
}

/** h of one step of a linear student on the hard labels, its labeled loss the quadratic one. */
function quadraticFeedback(feedback: Feedback, eta: number, more: object = {}): number {
  return scope(() => {
    const student = linearModel(w0);
    const labeledLoss = () =>
      student
        .forward(rowsTensor(xl), "probe")
        .sub(rowsTensor(targets))
        .pow(2)
        .sum()
        .div(2 * xl.length);
    const h = learnWithFeedback(
      student,
      plainSgd(student, eta, more),
      {
        loss: crossEntropy(student.forward(rowsTensor(xu), "train"), labelsTensor(hard)),
        labeledLoss,
        jointLoss: labeledLoss,
      },
      { feedback, feedbackSign: "oldMinusNew" },
      NOW,
    ).item();
    student.parameters[0]!.tensor.release();
    return h;
  });
}

describeEngine("feedback on a linear student with a quadratic labeled loss", () => {
  const gS = pseudoGradient(w0);
  const gradientAfter = (eta: number) => quadratic(moved(w0, gS, eta)).gradient;

  test("the finite difference is the loss before less the loss after the step", () => {
    for (const eta of [0.5, 0.01]) {
      const expected = quadratic(w0).loss - quadratic(moved(w0, gS, eta)).loss;
      expect(quadraticFeedback("paired", eta)).toBeCloseTo(expected, 12);
    }
  });

  test("it equals eta <gL, gS> up to a remainder that halving eta divides by 4", () => {
    const remainder = (eta: number) => quadraticFeedback("paired", eta) - eta * dot(gradientAfter(eta), gS);
    for (const eta of [0.4, 0.1, 0.02]) {
      expect(Math.abs(remainder(eta))).toBeGreaterThan(1e-8);
      expect(remainder(eta) / remainder(eta / 2)).toBeCloseTo(4, 5);
    }
  });

  test("dot is eta <gL, gS> with gL after the step, cosine the same without lengths", () => {
    const eta = 0.3;
    const gL = gradientAfter(eta);
    expect(quadraticFeedback("dot", eta)).toBeCloseTo(eta * dot(gL, gS), 12);
    const cosine = dot(gL, gS) / Math.sqrt(dot(gL, gL) * dot(gS, gS));
    expect(quadraticFeedback("cosine", eta)).toBeCloseTo(cosine, 10);
    expect(Math.abs(cosine)).toBeGreaterThan(0.05);
  });

  test("dot and cosine are of the gradient itself, whatever the optimizer does to it in place", () => {
    const spoiled = { clipNorm: 1e-3, weightDecay: 0.5 };
    // A step this small leaves gL as it is.
    for (const feedback of ["dot", "cosine"] as const) {
      expect(quadraticFeedback(feedback, 1e-9, spoiled) / quadraticFeedback(feedback, 1e-9)).toBeCloseTo(1, 6);
    }
  });

  test("the finite difference measures the update that was made, clipping and decay included", () => {
    const [clip, decay, eta] = [0.05, 0.3, 0.2];
    const scale = Math.min(1, clip / (Math.sqrt(dot(gS, gS)) + 1e-6));
    const update = gS.map((row, d) => row.map((g, k) => g * scale + decay * w0[d]![k]!));
    const expected = quadratic(w0).loss - quadratic(moved(w0, update, eta)).loss;
    expect(quadraticFeedback("paired", eta, { clipNorm: clip, weightDecay: decay })).toBeCloseTo(expected, 10);
  });
});

describeEngine("feedback where a parameter has a rate of its own", () => {
  const [eta, factor] = [0.3, 0.25];
  /** The student's weight is the sum of two, of which the first moves at `factor` times the rate: it moves at 1 + `factor` times. */
  function twoParts(): { student: Model; optimizer: Sgd } {
    const half = w0.map((row) => row.map((v) => v / 2));
    const parts = ["backbone", "head"].map((part) => ({
      name: part,
      part: part as "backbone" | "head",
      tensor: rowsTensor(half).keep().requiresGrad_(),
    }));
    const forward = (x: Tensor) => x.matmul(parts[0]!.tensor).add(x.matmul(parts[1]!.tensor));
    const student = { parameters: parts, buffers: [], forward } as unknown as Model;
    const rateFactor = ({ part }: { part?: "backbone" | "head" }) => (part === "backbone" ? factor : 1);
    return { student, optimizer: plainSgd(student, eta, { rateFactor }) };
  }
  function onePart() {
    const student = linearModel(w0);
    return { student, optimizer: plainSgd(student, eta * (1 + factor)) };
  }
  const lossesOf = (student: Model) => {
    const labeledLoss = () => student.forward(rowsTensor(xl), "probe").sub(rowsTensor(targets)).pow(2).sum();
    return { labeledLoss, jointLoss: labeledLoss };
  };
  const release = ({ parameters }: Model) => parameters.forEach(({ tensor: t }) => void t.release());

  test.each(FEEDBACKS)("%s is that of the update that is made", (feedback) => {
    const measure = ({ student, optimizer }: ReturnType<typeof onePart>) =>
      scope(() => {
        const loss = crossEntropy(student.forward(rowsTensor(xu), "train"), labelsTensor(hard));
        const options = { feedback, feedbackSign: "oldMinusNew" } as const;
        const h = learnWithFeedback(student, optimizer, { loss, ...lossesOf(student) }, options, NOW).item();
        release(student);
        return h;
      });
    expect(measure(twoParts())).toBeCloseTo(measure(onePart()), 10);
  });

  test("the slopes of soft labels too", () => {
    const measure = ({ student, optimizer }: ReturnType<typeof onePart>) =>
      scope(() => {
        const logits = () => student.forward(rowsTensor(xu), "train");
        const yhat = rowsTensor(randomRows(9, 7, 2, 1).map((row) => softmaxRow(row)));
        const step = { loss: crossEntropy(logits(), yhat), ...lossesOf(student), logits, smoothing: 0 };
        const { slopes, h } = softSlopes(student, optimizer, step, { feedbackSign: "oldMinusNew" }, NOW, 1e-4);
        const found = [...slopes.toNumbers(), h.item()];
        release(student);
        return found;
      });
    const [two, one] = [measure(twoParts()), measure(onePart())];
    expect(Math.max(...one.map(Math.abs))).toBeGreaterThan(1e-3);
    for (const [i, expected] of one.entries()) expect(two[i]).toBeCloseTo(expected, 7);
  });
});

describeEngine("feedback and the momentum of earlier batches", () => {
  /** h of a step whose own labels say nothing (gradient 0), after a step that left a velocity. */
  function feedbackOfAnEmptyStep(feedback: Feedback): number {
    return scope(() => {
      const student = linearModel(w0);
      const optimizer = plainSgd(student, 0.3, { momentum: 0.9 });
      const labeledLoss = () => student.forward(rowsTensor(xl), "probe").sub(rowsTensor(targets)).pow(2).sum();
      const step = (weight: number) => {
        const loss = crossEntropy(student.forward(rowsTensor(xu), "train"), labelsTensor(hard)).mul(weight);
        const learning = { loss, labeledLoss, jointLoss: labeledLoss };
        return learnWithFeedback(student, optimizer, learning, { feedback, feedbackSign: "oldMinusNew" }, NOW).item();
      };
      step(1);
      const h = step(0);
      student.parameters[0]!.tensor.release();
      return h;
    });
  }

  test("paired credits it to labels that did nothing; dot and cosine do not", () => {
    expect(Math.abs(feedbackOfAnEmptyStep("paired"))).toBeGreaterThan(1e-3);
    expect(Math.abs(feedbackOfAnEmptyStep("dot"))).toBe(0);
    expect(Math.abs(feedbackOfAnEmptyStep("cosine"))).toBe(0);
  });

  test("dot is the default, and its derived reduction the sum", () => {
    expect(feedbackOptions.feedback.default).toBe("dot");
    expect(feedbackOptions.feedbackReduction.default).toBe("sum");
  });
});

describeEngine("what the teacher is taught", () => {
  /** Two classes, three unlabeled rows: all 8 labelings can be gone through. */
  const [u, l, y] = [xu.slice(0, 3), xl, [0, 1, 1, 0, 1]];
  const teacher0 = randomRows(5, 3, 2, 0.7);
  const eta = 0.8;
  const labelings = Array.from({ length: 8 }, (_, code) => [code & 1, (code >> 1) & 1, (code >> 2) & 1]);
  const labeledLoss = (w: Rows) => product(l, w).reduce((s, z, i) => s - Math.log(softmaxRow(z)[y[i]!]!) / l.length, 0);
  const likelihood = (w: Rows, label: readonly number[]) =>
    product(u, w).reduce((p, z, i) => p * softmaxRow(z)[label[i]!]!, 1);

  /** Mean over the teacher's labelings of the student's labeled loss after its step: what the teacher minimizes. */
  function expectedNewLoss(teacher: Rows, eta = 0.8): number {
    return labelings.reduce((sum, label) => {
      const residual = product(u, w0).map((z, i) => softmaxRow(z).map((p, k) => p - (k === label[i] ? 1 : 0)));
      return sum + likelihood(teacher, label) * labeledLoss(moved(w0, transposed(u, residual), eta));
    }, 0);
  }

  interface Variant extends Partial<ReinforcementOptions> {
    readonly feedback?: Feedback;
    readonly feedbackSign?: FeedbackOptions["feedbackSign"];
    readonly eta?: number;
  }

  /** Mean over labelings of the gradient of the term that is added to the teacher's loss. */
  function meanTeacherGradient(variant: Variant = {}): number[] {
    const { feedback = "paired", feedbackSign = "oldMinusNew", eta = 0.8, ...more } = variant;
    const shipped = { feedbackReduction: feedbackOptions.feedbackReduction.default, feedbackWeight: 1, ...more };
    const mean = new Array<number>(6).fill(0);
    for (const label of labelings) {
      scope(() => {
        const [student, teacher] = [linearModel(w0), linearModel(teacher0)];
        const images = rowsTensor(u);
        const h = learnWithFeedback(
          student,
          plainSgd(student, eta),
          {
            loss: crossEntropy(student.forward(images, "train"), labelsTensor(label)),
            labeledLoss: () => crossEntropy(student.forward(rowsTensor(l), "probe"), labelsTensor(y)),
            jointLoss: () => tensor([0], []),
          },
          { feedback, feedbackSign },
          NOW,
        );
        reinforcement(teacher.forward(images, "train"), labelsTensor(label), h, shipped).backward();
        const gradient = teacher.parameters[0]!.tensor.grad!.toNumbers();
        for (const [i, g] of gradient.entries()) mean[i]! += likelihood(teacher0, label) * g;
        for (const model of [student, teacher]) model.parameters[0]!.tensor.release();
      });
    }
    return mean;
  }

  /** By the teacher's weights. */
  const derivativeOf = (f: (teacher: Rows) => number) =>
    teacher0.flatMap((row, d) =>
      row.map((_, k) => {
        const at = (shift: number) => f(teacher0.map((r, i) => r.map((v, j) => (i === d && j === k ? v + shift : v))));
        return (at(1e-5) - at(-1e-5)) / 2e-5;
      }),
    );
  const derivative = derivativeOf((teacher) => expectedNewLoss(teacher));

  test("the mean over labelings of what REINFORCE adds is the derivative of the expected new loss", () => {
    const mean = meanTeacherGradient();
    expect(Math.max(...derivative.map(Math.abs))).toBeGreaterThan(1e-3);
    for (const [i, expected] of derivative.entries()) expect(mean[i]).toBeCloseTo(expected, 8);
  });

  test("newMinusOld is its opposite: it makes the student worse", () => {
    const mean = meanTeacherGradient({ feedbackSign: "newMinusOld" });
    for (const [i, expected] of derivative.entries()) expect(mean[i]).toBeCloseTo(-expected, 8);
  });

  test("feedbackReduction mean is 1 / Bu of it, feedbackWeight a factor", () => {
    const mean = meanTeacherGradient({ feedbackReduction: "mean", feedbackWeight: 6 });
    for (const [i, expected] of derivative.entries()) expect(mean[i]).toBeCloseTo((6 / u.length) * expected, 8);
  });

  test("dot gives the same to first order in eta: the relative error falls with eta", () => {
    const error = (eta: number) => {
      const exact = derivativeOf((teacher) => expectedNewLoss(teacher, eta));
      const mean = meanTeacherGradient({ feedback: "dot", eta });
      return Math.hypot(...mean.map((g, i) => g - exact[i]!)) / Math.hypot(...exact);
    };
    expect(error(0.02)).toBeLessThan(0.02);
    expect(error(0.04) / error(0.02)).toBeCloseTo(2, 1);
  });

  test.each([
    [1, 0],
    [0.5, 0],
    [2, 0.15],
  ])(
    "a soft label at temperature %f, smoothing %f: the exact derivative of the new loss by the teacher",
    (temperature, smoothing) => {
      /** L_l after the student's step on softmax(z / temperature), smoothed. */
      const newLoss = (teacher: Rows) => {
        const label = product(u, teacher).map((z) => softmaxRow(z.map((v) => v / temperature)));
        const smoothed = label.map((row) => row.map((p) => (1 - smoothing) * p + smoothing / row.length));
        const residual = product(u, w0).map((z, i) => softmaxRow(z).map((p, k) => p - smoothed[i]![k]!));
        return labeledLoss(moved(w0, transposed(u, residual), eta));
      };
      const exact = derivativeOf(newLoss);
      const found = scope(() => {
        const [student, teacher] = [linearModel(w0), linearModel(teacher0)];
        const images = rowsTensor(u);
        const yhat = teacher.forward(images, "train").div(temperature).softmax(1);
        const logits = () => student.forward(images, "train");
        const step = {
          loss: crossEntropy(logits(), yhat, { smoothing }),
          labeledLoss: () => crossEntropy(student.forward(rowsTensor(l), "probe"), labelsTensor(y)),
          logits,
          smoothing,
        };
        const sign = { feedbackSign: "oldMinusNew" } as const;
        const { slopes } = softSlopes(student, plainSgd(student, eta), step, sign, NOW, 1e-4);
        softReinforcement(yhat, slopes, { feedbackReduction: "sum", feedbackWeight: 1 }).backward();
        const gradient = teacher.parameters[0]!.tensor.grad!.toNumbers();
        for (const model of [student, teacher]) model.parameters[0]!.tensor.release();
        return gradient;
      });
      expect(Math.max(...exact.map(Math.abs))).toBeGreaterThan(1e-3);
      for (const [i, expected] of exact.entries()) expect(found[i]).toBeCloseTo(expected, 7);
    },
  );

  test("a soft label of the same softmax, taken as a constant, has no gradient at all, one of another temperature has", () => {
    const norm = (temperature: number) =>
      scope(() => {
        const z = rowsTensor(product(u, teacher0)).requiresGrad_();
        crossEntropy(z, z.detach().div(temperature).softmax(1)).backward();
        return Math.hypot(...z.grad!.toNumbers());
      });
    expect(norm(1)).toBeLessThan(1e-15);
    expect(norm(0.5)).toBeGreaterThan(1e-2);
  });
});

describeEngine("feedback of a student that does not move", () => {
  /** Batch norm, dropout and input noise; the step has learning rate 0. */
  function still(feedback: Feedback): { h: number; changed: boolean } {
    const { definition } = findModel("convnet-tiny");
    const input = { channels: 3, height: 8, width: 8, numClasses: 4 };
    const network = definition.create(input, parseOptions(definition.options, { width: 0.25 }, "model"));
    const student = createModel(network, { rng: Rng.fromSeed(3), precision: "fp32", device: "cpu" });
    const images = (seed: number, n: number) =>
      tensor(Float32Array.from(randomRows(seed, n, 192, 1).flat()), [n, 3, 8, 8]);
    const result = scope(() => {
      const y = labelsTensor([0, 1, 2, 3, 0, 1]);
      const [x, u] = [images(6, 6), images(7, 10)];
      const labeledLoss = (pass: Parameters<Model["forward"]>[1]) => crossEntropy(student.forward(x, pass), y);
      const loss = crossEntropy(student.forward(u, "train"), labelsTensor([0, 1, 2, 3, 0, 1, 2, 3, 0, 1]));
      const before = student.buffers.map(({ tensor: t }) => t.toNumbers());
      const learning = { loss, labeledLoss, jointLoss: () => labeledLoss({ mode: "train", updateStatistics: false }) };
      const options = { feedback, feedbackSign: "oldMinusNew" } as const;
      const h = learnWithFeedback(student, plainSgd(student, 0), learning, options, NOW).item();
      const after = student.buffers.map(({ tensor: t }) => t.toNumbers());
      return { h, changed: JSON.stringify(after) !== JSON.stringify(before) };
    });
    for (const { tensor: t } of [...student.parameters, ...student.buffers]) t.release();
    return result;
  }

  test("is exactly 0 when paired (and for dot): same statistics before and after, no dropout, no noise", () => {
    expect(still("paired").h).toBe(0);
    expect(still("dot").h === 0).toBe(true);
  });
  test("is noise in the public codes' legacy form", () => expect(Math.abs(still("legacy").h)).toBeGreaterThan(1e-3));

  describe("leaves the running statistics alone:", () => {
    test.each(FEEDBACKS)("%s", (feedback) => expect(still(feedback).changed).toBe(false));
  });
});
