import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import type { Model } from "../../src/nn/index.js";
import { drawMixUp } from "../../src/targets/index.js";
import { cat, noGrad, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { CLASSES, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { bothRoutes, type Options, slowClassification } from "./formulas.js";

const STEP = 3;
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const still = { mode: "train", updateStatistics: false } as const;

/** The shares that the step draws. */
function sharesOf({ setup }: TinyRun, rows: number, { mixAlpha = 0.5, mixPer = "row" }: Options): number[] {
  const rng = setup.rng.split(`mix-up:${STEP}`);
  return drawMixUp(rng, rows, { alpha: mixAlpha, per: mixPer, partner: "reversed" }).share.toNumbers();
}

/** Row by row: share t_i + (1 - share) t_(N-1-i). */
function mixSlowly(t: Tensor, shares: readonly number[]): Tensor {
  const row = (i: number) => t.narrow(0, i, 1);
  const n = shares.length;
  return cat(
    shares.map((share, i) =>
      row(i)
        .mul(share)
        .add(row(n - 1 - i).mul(1 - share)),
    ),
  );
}

function terms(run: TinyRun, batch: Batch<Views, Views>, given: Options) {
  const { consistencyWeight = 50, rampUpSteps = 8 } = given;
  const { student, teacher } = run.method.models as { student: Model; teacher: Model };
  const u = batch.unlabeled.x.image!;
  const [rows, others] = [batch.labeled.index.size(0), u.size(0)];
  const shares = sharesOf(run, others, given);
  const zl = student.forward(batch.labeled.x.image!, still);
  const target = mixSlowly(
    noGrad(() => softmax(teacher.forward(u, still))),
    shares,
  );
  const p = softmax(student.forward(mixSlowly(u, shares), still));
  const consistency = p
    .sub(target)
    .pow(2)
    .sum()
    .div(others * CLASSES);
  const classification = slowClassification(zl, batch, given.classReduction === "batch" ? rows + others : rows);
  const weight = consistencyWeight * (rampUpSteps === 0 ? 1 : Math.min(1, STEP / rampUpSteps));
  return { classification, consistency, loss: classification.add(consistency.mul(weight)) };
}

describeEngine("ict: loss and gradient equal the formula's", () => {
  const strong = { consistencyWeight: 500, rampUpSteps: 0 };
  const variants: TinyRunOptions[] = [
    {},
    { method: strong },
    { method: { ...strong, mixPer: "batch" } },
    { method: { ...strong, mixAlpha: 0 } },
    { method: { ...strong, mixAlpha: 2, classReduction: "batch" } },
    { method: { consistencyWeight: 30, rampUpSteps: 5, emaBuffers: "own" } },
    { method: strong, unlabeled: 7 }, // the middle row is its own partner
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const { got, expected } = bothRoutes("ict", variant, terms, STEP);
      for (const [metric, value] of Object.entries(expected.metrics))
        expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-7 });
      expect(expected.metrics.consistency).toBeGreaterThan(1e-6);
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => g!.map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-3);
      for (const [name, gradient] of Object.entries(expected.gradients))
        expect(got.gradients[name], name).toBeCloseToTensor(gradient!, { rtol: 1e-3, atol: 1e-5 * largest });
    });
  }
});

describeEngine("ict", () => {
  test("only the pass over the labeled rows updates the student's statistics, and the teacher takes those over", () => {
    const run = tinyRun("ict", { method: { emaBuffers: "copy" } });
    const plain = tinyRun("ict");
    run.steps(1);
    scope(() => plain.student.forward(plain.batch(0).labeled.x.image!, "train"));
    const buffers = ({ buffers }: Model) => buffers.map(({ tensor: t }) => t.toArray());
    expect(buffers(run.student)).toEqual(buffers(plain.student));
    expect(buffers(run.method.models.teacher!)).toEqual(buffers(plain.student));
    const own = tinyRun("ict", { method: { emaBuffers: "own" } });
    own.steps(1);
    expect(buffers(own.method.models.teacher!)).not.toEqual(buffers(plain.student));
    for (const made of [run, plain, own]) made.release();
  });

  test("the teacher's weights get no gradient", () => {
    const run = tinyRun("ict", { method: { rampUpSteps: 0 } });
    run.steps(2);
    for (const { tensor: t } of run.method.models.teacher!.parameters) expect(t.grad).toBeUndefined();
    run.release();
  });

  for (const [option, value] of Object.entries({
    mixAlpha: 0,
    mixPer: "batch",
    rampUpSteps: 1,
    classReduction: "batch",
    emaDecay: 0.2,
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun("ict", { method });
        run.steps(3);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }
});
