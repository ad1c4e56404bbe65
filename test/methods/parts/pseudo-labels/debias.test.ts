// Debiased pseudo-labels: the formula, every method that has it, and an unbalanced pool. With the methods' own formulas: weak-strong.test.ts.
import { expect, test } from "vitest";
import { methods } from "../../../../src/methods/index.js";
import { debiasing } from "../../../../src/methods/parts/pseudo-labels/debias.js";
import { noGrad, scope, tensor } from "../../../../src/torch/index.js";
import { describeEngine } from "../../../support/engine.js";
import "../../../support/matchers.js";
import { CLASSES, numbers, snapshot, tinyRun } from "../../../support/method-run.js";
import { rowsTensor, softmaxRow } from "../../../support/slow.js";

const having = methods.filter(({ options }) => "debias" in options).map(({ name }) => name);

test("the methods that label unlabeled images themselves have it", () => {
  const wanted = [
    "pseudo-label",
    "mixmatch",
    "uda",
    "fixmatch",
    "flexmatch",
    "freematch",
    "softmatch",
    "adamatch",
    "crmatch",
  ];
  expect(having).toEqual(wanted);
});

describeEngine("debiasing", () => {
  const logits = [
    [2, 0, -1],
    [1, 0.5, 0],
  ];
  test("takes lambda log p off the target, with p of before, and adds lambda log p of after to what learns", () => {
    const { target, learned, metrics } = debiasing({ debias: 0.5, debiasDecay: 0.9 }, { numClasses: 3, device: "cpu" });
    const after = (p: number[]) =>
      p.map((x, k) => 0.9 * x + 0.1 * ((softmaxRow(logits[0]!)[k]! + softmaxRow(logits[1]!)[k]!) / 2));
    let p = [1 / 3, 1 / 3, 1 / 3];
    for (let step = 0; step < 3; step++) {
      scope(() => {
        const wanted = logits.flatMap((row) => row.map((z, k) => z - 0.5 * Math.log(p[k]!)));
        expect(target(rowsTensor(logits)).toNumbers()).toBeCloseToTensor(wanted, { rtol: 1e-5 });
        p = after(p);
        const margin = logits.flatMap((row) => row.map((z, k) => z + 0.5 * Math.log(p[k]!)));
        expect(learned(rowsTensor(logits)).toNumbers()).toBeCloseToTensor(margin, { rtol: 1e-5 });
        expect(numbers(metrics()).mostPredicted).toBeCloseTo(p[0]!, 5);
      });
    }
  });

  test("off: the very tensors, no state and no metric", () => {
    const off = debiasing({ debias: 0, debiasDecay: 0.9 }, { numClasses: 3, device: "cpu" });
    scope(() => {
      const z = rowsTensor(logits);
      expect(off.learned(z)).toBe(z);
      expect(off.target(z).toNumbers()).toEqual(logits.flat());
    });
    expect([off.state, off.metrics()]).toEqual([{}, {}]);
  });

  test.each(having)("%s: off by default; on, other weights, and the mean in the state", (name) => {
    const spec = methods.find((method) => method.name === name)!.options;
    // Everything is learned from, from the first step on.
    const early = {
      ...("threshold" in spec ? { threshold: 0.2 } : {}),
      ...("rampStart" in spec ? { rampStart: 0, rampEnd: 1 } : {}),
      ...("rampUpSteps" in spec ? { rampUpSteps: 0 } : {}),
    };
    const end = (more: Readonly<Record<string, unknown>>) => {
      const run = tinyRun(name, { method: { ...early, ...more } });
      run.steps(3);
      const found = { weights: snapshot(run.student), owners: Object.keys(run.method.state) };
      run.release();
      return found;
    };
    const [plain, off, on] = [end({}), end({ debias: 0 }), end({ debias: 1, debiasDecay: 0.5 })];
    expect(off.weights).toEqual(plain.weights);
    expect(on.weights).not.toEqual(plain.weights);
    expect([plain, on].map(({ owners }) => owners.includes("debiasMean"))).toEqual([false, true]);
    if (!("debiasMargin" in spec)) return;
    expect(end({ debias: 1, debiasDecay: 0.5, debiasMargin: 0 }).weights).not.toEqual(on.weights);
  });

  test("on a pool with nine pictures of one class to one of each other, the mean prediction is flatter", () => {
    /** Mean prediction for the pictures of the pool, after 40 steps of FixMatch that starts leaning to the frequent class. */
    const meanPrediction = (debias: number) => {
      const run = tinyRun("fixmatch", {
        method: { threshold: 0, ...(debias > 0 ? { debias, debiasDecay: 0.9 } : {}) },
      });
      const { setup, student, method } = run;
      noGrad(() => {
        const bias = student.parameters.find(({ name }) => name === "fc.bias")!.tensor;
        bias.copy_(tensor(Float32Array.of(1, 0, 0, 0), [CLASSES]));
      });
      const images = (rows: readonly number[]) => setup.trainingImages(Int32Array.from(rows));
      const index = (rows: readonly number[]) => tensor(BigInt64Array.from(rows, BigInt), [rows.length]);
      const rows = (of: readonly number[]) => ({ index: index(of), rows: Int32Array.from(of) });
      const labeled = [0, 1, 2, 3];
      const pool = [4, 8, 12, 16, 20, 24, 28, 32, 36, 5, 6, 7];
      for (let step = 0; step < 40; step++) {
        scope(() => {
          const x = images(pool);
          const batch = {
            labeled: { x: { weak: images(labeled) }, y: index(labeled), ...rows(labeled) },
            unlabeled: { x: { weak: x, strong: x }, y: index(pool.map(() => 0)), ...rows(pool) },
          };
          method.step(batch, { step, epoch: 0, totalSteps: 40 });
        });
      }
      const pass = { mode: "train", updateStatistics: false } as const;
      const mean = scope(() => noGrad(() => student.forward(images(pool), pass).softmax(1).mean([0]).toNumbers()));
      run.release();
      return mean;
    };
    const entropy = (p: number[]) => -p.reduce((sum, x) => sum + x * Math.log(x), 0);
    const [off, on] = [meanPrediction(0), meanPrediction(0.5)];
    expect(Math.max(...on)).toBeLessThan(Math.max(...off) - 0.05);
    expect(entropy(on)).toBeGreaterThan(entropy(off) + 0.05);
  });
});
