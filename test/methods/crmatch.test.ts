import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import type { Model } from "../../src/nn/index.js";
import { cat, noGrad, oneHot, type Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { CLASSES, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { bothRoutes, type Options } from "./formulas.js";

const STEP = 3;
const still = { mode: "train", updateStatistics: false } as const;
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const rowsOf = (t: Tensor) => Array.from({ length: t.size(0) }, (_, i) => t.narrow(0, i, 1));
const sideOf = ({ method }: TinyRun, role: string) => method.state[role] as unknown as Model;

function terms(run: TinyRun, batch: Batch<Views, Views>, given: Options) {
  const { threshold = 0.95, consistencyWeight = 1, distanceWeight = 1, rotationWeight = 1 } = given;
  const { student, setup } = run;
  const [bl, bu] = [batch.labeled.index.size(0), batch.unlabeled.index.size(0)];
  const { weak, strong } = batch.unlabeled.x as { weak: Tensor; strong: Tensor };
  const { logits, features } = student.forwardHeads(cat([batch.labeled.x.weak!, weak, strong]), {
    ...still,
    withFeatures: true,
  });
  const labels = oneHot(batch.labeled.y, CLASSES);
  const classification = softmax(logits.narrow(0, 0, bl))
    .log()
    .mul(labels)
    .sum()
    .div(-bl);
  const projected = rowsOf(sideOf(run, "projection").forward(features!, "train"));
  const [zw, zs] = [rowsOf(logits.narrow(0, bl, bu)), rowsOf(logits.narrow(0, bl + bu, bu))];
  let consistency = tensor([0], []);
  let distance = tensor([0], []);
  for (let u = 0; u < bu; u++) {
    const q = noGrad(() => softmax(zw[u]!).toNumbers());
    const best = q.indexOf(Math.max(...q));
    if (q[best]! < threshold) continue;
    consistency = consistency.sub(softmax(zs[u]!).log().narrow(1, best, 1).sum().div(bu));
    const [a, b] = [projected[bl + u]!, projected[bl + bu + u]!];
    const cosine = a
      .mul(b)
      .sum()
      .div(a.pow(2).sum().sqrt().mul(b.pow(2).sum().sqrt()));
    if (cosine.item() > 0) distance = distance.add(cosine.div(bu));
  }
  const loss = classification.add(consistency.mul(consistencyWeight)).add(distance.mul(distanceWeight));
  if (rotationWeight === 0) return { classification, consistency, distance, loss };

  // How a picture is turned: remixmatch.test.ts, pixel by pixel.
  const order = Array.from(setup.rng.split(`rotation:${STEP}`).permutation(bu));
  const turns = [0, 1, 2, 3].map((turn) => order.filter((_, at) => at % 4 === turn));
  const flipped = (x: Tensor, turn: number): Tensor => {
    let now = x;
    for (let t = 0; t < turn; t++) {
      const side = Array.from({ length: now.size(3) }, (_, i) => now.narrow(3, now.size(3) - 1 - i, 1));
      now = cat(side, 3).transpose(2, 3);
    }
    return now;
  };
  const pictures = turns.flatMap((rows, turn) => rows.map((i) => flipped(weak.narrow(0, i, 1), turn)));
  const h = student.features(cat(pictures).contiguous("channelsLast"), still);
  const truth = tensor(BigInt64Array.from(turns.flatMap((rows, turn) => rows.map(() => BigInt(turn)))), [bu]);
  const z = sideOf(run, "rotationHead").forward(h, "train");
  const rotation = softmax(z).log().mul(oneHot(truth, 4)).sum().div(-bu);
  return { classification, consistency, distance, rotation, loss: loss.add(rotation.mul(rotationWeight)) };
}

describeEngine("crmatch: loss and gradient equal the formula's", () => {
  const variants: TinyRunOptions[] = [
    { method: { threshold: 0.27 }, unlabeled: 9 },
    { method: { threshold: 0, distanceWeight: 5, rotationWeight: 0 } },
    { method: { threshold: 0, consistencyWeight: 3, rotationWeight: 4 }, labeled: 2 },
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const { got, expected } = bothRoutes("crmatch", variant, terms, STEP);
      for (const [metric, value] of Object.entries(expected.metrics))
        expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 1e-4, atol: 1e-6 });
      expect(expected.metrics.distance).toBeGreaterThan(1e-3);
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => g!.map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-3);
      for (const [name, gradient] of Object.entries(expected.gradients))
        expect(got.gradients[name], name).toBeCloseToTensor(gradient!, { rtol: 1e-3, atol: 1e-5 * largest });
    });
  }
});

describeEngine("crmatch", () => {
  test("projection and rotation head learn beside the network", () => {
    const run = tinyRun("crmatch", { method: { threshold: 0 } });
    const heads = ["projection", "rotationHead"].map((role) => sideOf(run, role));
    const before = heads.map(snapshot);
    run.steps(1);
    for (const [i, head] of heads.entries()) expect(snapshot(head)).not.toEqual(before[i]);
    run.release();
  });
});
