import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import { drawMixUp } from "../../src/targets/index.js";
import { cat, noGrad, oneHot, scope, type Tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { CLASSES, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { bothRoutes, type Options } from "./formulas.js";

const STEP = 3;
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const still = { mode: "train", updateStatistics: false } as const;
const rowsOf = (t: Tensor) => Array.from({ length: t.size(0) }, (_, i) => t.narrow(0, i, 1));

/** Guess, mixture and passes once more, row by row; `zs` and `ys` in the order [labeled, first, second]. */
function slowly(run: TinyRun, batch: Batch<Views, Views>, given: Options, updateFirst = false) {
  const { mixAlpha = 0.5, mixPer = "row", temperature = 0.5 } = given;
  const { student } = run;
  const { first, second } = batch.unlabeled.x as { first: Tensor; second: Tensor };
  const q = noGrad(() => {
    const mean = softmax(student.forward(first, still))
      .add(softmax(student.forward(second, still)))
      .mul(0.5);
    const powers = mean.log().div(temperature).exp(); // p^(1/T) of the mean of probabilities, not of logits
    return powers.div(powers.sum([1], true));
  });
  const xs = rowsOf(cat([batch.labeled.x.image!, first, second]));
  const ys = rowsOf(cat([oneHot(batch.labeled.y, CLASSES), q, q]));
  const rng = run.setup.rng.split(`mix-up:${STEP}`);
  const { share, partner } = drawMixUp(rng, xs.length, { alpha: mixAlpha, per: mixPer, partner: "shuffled" });
  const [shares, partners] = [share.toNumbers(), partner.toNumbers()];
  const mixed = (rows: readonly Tensor[]) =>
    rows.map((row, i) => row.mul(shares[i]!).add(rows[partners[i]!]!.mul(1 - shares[i]!)));
  const mx = mixed(xs);
  const zs = new Array<Tensor>(xs.length);
  for (let s = 0; s < 3; s++) {
    const chosen = mx.map((_, i) => i).filter((i) => i % 3 === s);
    const pass = { mode: "train", updateStatistics: updateFirst && s === 0 } as const;
    const z = rowsOf(student.forward(cat(chosen.map((i) => mx[i]!)), pass));
    chosen.forEach((i, at) => {
      zs[i] = z[at]!;
    });
  }
  return { zs, ys: mixed(ys) };
}

function terms(run: TinyRun, batch: Batch<Views, Views>, given: Options) {
  const { consistencyWeight = 100, rampUpSteps = 0, classReduction = "labeled" } = given;
  const [rows, others] = [batch.labeled.index.size(0), batch.unlabeled.index.size(0)];
  const { zs, ys } = slowly(run, batch, given);
  const part = (list: readonly Tensor[], labeled: boolean) => cat(labeled ? list.slice(0, rows) : list.slice(rows));
  const [zl, yl, zu, yu] = [part(zs, true), part(ys, true), part(zs, false), part(ys, false)];
  const classification = yl
    .mul(softmax(zl).log())
    .sum()
    .div(-(classReduction === "batch" ? rows + others : rows));
  const consistency = softmax(zu)
    .sub(yu)
    .pow(2)
    .sum()
    .div(2 * others * CLASSES);
  const weight = consistencyWeight * (rampUpSteps === 0 ? 1 : Math.min(1, STEP / rampUpSteps));
  return { classification, consistency, loss: classification.add(consistency.mul(weight)) };
}

describeEngine("mixmatch: loss and gradient equal the formula's", () => {
  const variants: TinyRunOptions[] = [
    {},
    { method: { rampUpSteps: 6 } },
    { method: { temperature: 0.2, mixPer: "batch" } },
    { method: { temperature: 1, mixAlpha: 0 } },
    { method: { mixAlpha: 0.75, classReduction: "batch", consistencyWeight: 7 } },
    { labeled: 5, unlabeled: 5 },
    { labeled: 1, unlabeled: 6 },
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const { got, expected } = bothRoutes("mixmatch", variant, terms, STEP);
      for (const [metric, value] of Object.entries(expected.metrics))
        expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-7 });
      expect(expected.metrics.consistency).toBeGreaterThan(1e-5);
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => g!.map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-3);
      for (const [name, gradient] of Object.entries(expected.gradients))
        expect(got.gradients[name], name).toBeCloseToTensor(gradient!, { rtol: 1e-3, atol: 1e-5 * largest });
    });
  }
});

describeEngine("mixmatch", () => {
  test("the first of the interleaved sub-batches alone updates running statistics: guesses and the others do not", () => {
    const [run, plain] = [tinyRun("mixmatch"), tinyRun("mixmatch")];
    run.steps(1, STEP);
    scope(() => void slowly(plain, plain.batch(STEP), {}, true));
    const buffers = ({ student }: TinyRun) => student.buffers.flatMap(({ tensor: t }) => t.toNumbers());
    const fresh = tinyRun("mixmatch");
    expect(buffers(run)).toBeCloseToTensor(buffers(plain), { rtol: 1e-4, atol: 1e-6 });
    expect(buffers(run)).not.toEqual(buffers(fresh));
    for (const made of [run, plain, fresh]) made.release();
  });

  for (const [option, value] of Object.entries({
    temperature: 1,
    mixAlpha: 0,
    mixPer: "batch",
    rampUpSteps: 9,
    classReduction: "batch",
    emaDecay: 0.2,
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun("mixmatch", { method });
        run.steps(3);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }
});
