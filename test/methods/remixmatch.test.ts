import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import { UsageError } from "../../src/errors.js";
import { rotationTask } from "../../src/methods/parts/side-tasks/rotation.js";
import type { Model } from "../../src/nn/index.js";
import { drawMixUp } from "../../src/targets/index.js";
import { cat, noGrad, oneHot, scope, type Tensor, tensor, zeros } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { CLASSES, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { bothRoutes, type Options, sameDraws } from "./formulas.js";

const STEP = 3;
const SIDE = 8;
/** The mean of predictions before the step: skewed, so that alignment shows. */
const skewed = [0.4, 0.3, 0.2, 0.1];
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const still = { mode: "train", updateStatistics: false } as const;
const rowsOf = (t: Tensor) => Array.from({ length: t.size(0) }, (_, i) => t.narrow(0, i, 1));
const crossEntropy = (y: Tensor, z: Tensor) => y.mul(softmax(z).log()).sum().div(-z.size(0));

/** Picture `[1, C, S, S]` turned by quarters, pixel by pixel: (row, column) comes from (column, S - 1 - row). */
function turnedSlowly(x: Tensor, quarters: number): Tensor {
  const values = x.toNumbers();
  let now = values;
  for (let q = 0; q < quarters; q++) {
    const before = now;
    now = values.map((_, at) => {
      const [column, row, channel] = [at % SIDE, Math.floor(at / SIDE) % SIDE, Math.floor(at / SIDE ** 2)];
      return before[channel * SIDE ** 2 + column * SIDE + (SIDE - 1 - row)]!;
    });
  }
  return tensor(Float32Array.from(now), x.shape);
}

function terms(run: TinyRun, batch: Batch<Views, Views>, given: Options) {
  const { strongViews = 8, temperature = 0.5, mixAlpha = 0.75, mixPer = "row", alignDistribution = true } = given;
  const { consistencyWeight = 1.5, anchorWeight = 0.5, rotationWeight = 0.5, rampUpSteps = 0 } = given;
  const { student, method, setup } = run;
  const [bl, bu] = [batch.labeled.index.size(0), batch.unlabeled.index.size(0)];
  const { predicted } = method.state;
  noGrad(() => predicted!.stateDict().tensors.value!.copy_(tensor(Float32Array.from(skewed), [CLASSES])));

  const guess = noGrad(() => {
    const rows = rowsOf(softmax(student.forward(batch.unlabeled.x.weak!, still))).map((row) => {
      const p = row.toNumbers();
      // Two of eight labels are of each class.
      const aligned = alignDistribution ? p.map((v, k) => (v * 0.25) / skewed[k]!) : p;
      const powers = aligned.map((v) => v ** (1 / temperature));
      const sum = powers.reduce((a, b) => a + b, 0);
      return powers.map((v) => v / sum);
    });
    return tensor(Float32Array.from(rows.flat()), [bu, CLASSES]);
  });
  const strong = Array.from({ length: strongViews }, (_, i) => batch.unlabeled.x[`strong${i + 1}`]!);
  const xs = rowsOf(cat([batch.labeled.x.image!, ...strong, batch.unlabeled.x.weak!]));
  const ys = rowsOf(cat([oneHot(batch.labeled.y, CLASSES), ...strong.map(() => guess), guess]));
  const rng = setup.rng.split(`mix-up:${STEP}`);
  const { share, partner } = drawMixUp(rng, xs.length, { alpha: mixAlpha, per: mixPer, partner: "shuffled" });
  const [shares, partners] = [share.toNumbers(), partner.toNumbers()];
  const mixed = (rows: readonly Tensor[]) =>
    rows.map((row, i) => row.mul(shares[i]!).add(rows[partners[i]!]!.mul(1 - shares[i]!)));
  const [mx, my] = [mixed(xs), mixed(ys)];
  const zs = new Array<Tensor>(xs.length);
  const groups = strongViews + 2;
  for (let s = 0; s < Math.min(groups, xs.length); s++) {
    const chosen = mx.map((_, i) => i).filter((i) => i % groups === s);
    const z = rowsOf(student.forward(cat(chosen.map((i) => mx[i]!)), still));
    chosen.forEach((i, at) => {
      zs[i] = z[at]!;
    });
  }
  const classification = crossEntropy(cat(my.slice(0, bl)), cat(zs.slice(0, bl)));
  const consistency = crossEntropy(cat(my.slice(bl)), cat(zs.slice(bl)));
  const anchor = crossEntropy(guess, student.forward(strong[0]!, still));
  const ramp = rampUpSteps === 0 ? 1 : Math.min(1, STEP / rampUpSteps);
  const loss = classification.add(consistency.mul(ramp * consistencyWeight)).add(anchor.mul(ramp * anchorWeight));
  const shown = { classification, consistency, anchor };
  if (rotationWeight === 0) return { ...shown, loss };

  const order = Array.from(setup.rng.split(`rotation:${STEP}`).permutation(bu));
  const turns = [0, 1, 2, 3].map((turn) => order.filter((_, at) => at % 4 === turn));
  const pictures = turns.flatMap((rows, turn) => rows.map((i) => turnedSlowly(strong[0]!.narrow(0, i, 1), turn)));
  const head = method.state.rotationHead as unknown as Model;
  const all = cat(pictures).contiguous("channelsLast"); // as batches are: dropout draws by the order in memory
  const z = head.forward(student.features(all, still), "train");
  const truth = tensor(BigInt64Array.from(turns.flatMap((rows, turn) => rows.map(() => BigInt(turn)))), [bu]);
  const rotation = crossEntropy(oneHot(truth, 4), z);
  return { ...shown, rotation, loss: loss.add(rotation.mul(rotationWeight)) };
}

describeEngine("remixmatch: loss and gradient equal the formula's", () => {
  const variants: TinyRunOptions[] = [
    {},
    { method: { strongViews: 1, rampUpSteps: 6 } },
    { method: { strongViews: 2, temperature: 1, mixPer: "batch", alignDistribution: false } },
    { method: { strongViews: 3, consistencyWeight: 4, anchorWeight: 2, rotationWeight: 3 }, unlabeled: 7 },
    { method: { strongViews: 2, rotationWeight: 0, mixAlpha: 0 }, labeled: 1 },
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const { got, expected } = bothRoutes("remixmatch", variant, terms, STEP);
      for (const [metric, value] of Object.entries(expected.metrics))
        expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-6 });
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => g!.map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-3);
      for (const [name, gradient] of Object.entries(expected.gradients))
        expect(got.gradients[name], name).toBeCloseToTensor(gradient!, { rtol: 1e-3, atol: 1e-5 * largest });
    });
  }
});

describeEngine("remixmatch", () => {
  test("the mean of predictions is taken after it was used, and the rotation head learns", () => {
    const run = tinyRun("remixmatch", { method: { strongViews: 1, alignmentDecay: 0.5 } });
    const head = run.method.state.rotationHead as unknown as Model;
    const before = snapshot(head);
    const mean = sameDraws(run, () =>
      scope(() => {
        const p = noGrad(() => softmax(run.student.forward(run.batch(0).unlabeled.x.weak!, still)).mean([0]));
        return p.toNumbers().map((v) => 0.5 * v + 0.5 / CLASSES);
      }),
    );
    run.steps(1);
    const { value } = run.method.state.predicted!.stateDict().tensors;
    expect(value!.toNumbers()).toBeCloseToTensor(mean, { rtol: 1e-4 });
    expect(snapshot(head)).not.toEqual(before);
    run.release();
  });

  test("pictures that are no squares are refused, saying what to do", () => {
    const run = tinyRun("remixmatch", { method: { strongViews: 1 } });
    const task = rotationTask(run.setup, run.student, "remixmatch");
    const wide = () => scope(() => task.loss(zeros([2, 3, 8, 10]), { step: 0, epoch: 0, totalSteps: 1 }));
    expect(wide).toThrow(UsageError);
    expect(wide).toThrow(/8 x 10.*--method.rotationWeight 0/);
    run.release();
  });
});
