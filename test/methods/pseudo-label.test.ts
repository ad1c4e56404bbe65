import { expect, test } from "vitest";
import { oneHot, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { CLASSES, snapshot, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { checkStep, rowsOf, still } from "./both-ways.js";
import { slowClassification } from "./formulas.js";

const NAME = "pseudo-label";

/** Lee's alpha(t) and FixMatch's linear ramp, at step t of 20. */
const lee = (t: number, t1 = 2, t2 = 12) => 3 * (t < t1 ? 0 : t < t2 ? (t - t1) / (t2 - t1) : 1);
const linear = (t: number) => Math.min(1, t / 8);

describeEngine("pseudo-label: loss and gradient equal the formula's", () => {
  interface Variant extends TinyRunOptions {
    readonly weight: (t: number) => number;
    readonly counts: (p: number) => boolean;
  }
  const confidence = { form: "confidence", confidenceThreshold: 0.4 };
  const variants: Readonly<Record<string, Variant>> = {
    lee: { weight: lee, counts: () => true },
    "lee, T1 3, T2 5, weight 7": {
      method: { rampStart: 3, rampEnd: 5, unlabeledWeight: 7 },
      weight: (t) => (7 / 3) * lee(t, 3, 5),
      counts: () => true,
    },
    confidence: { method: confidence, weight: linear, counts: (p) => p >= 0.4 },
    "confidence without labeled rows": { method: confidence, labeled: 0, weight: linear, counts: (p) => p >= 0.4 },
    "confidence without unlabeled rows": { method: confidence, unlabeled: 0, weight: linear, counts: () => true },
  };
  for (const [title, { weight, counts, ...options }] of Object.entries(variants)) {
    test(title, () => {
      const run = tinyRun(NAME, options);
      run.steps(4);
      let [kept, rows] = [0, 0];
      for (let step = 4; step < 9; step++) {
        checkStep(run, step, (batch) => {
          const { labeled, unlabeled } = batch;
          const [bl, bu] = [labeled.index.size(0), unlabeled.index.size(0)];
          const zl = bl > 0 ? run.student.forward(labeled.x.student!, still) : undefined;
          const zu = bu > 0 ? run.student.forward(unlabeled.x.student!, still) : undefined;
          const classification = zl && slowClassification(zl, batch, bl);
          let pseudo = zu;
          if (zu) {
            const p = zu.exp().div(zu.exp().sum([1], true));
            // Highest probability by a loop; the row counts if that is high enough; the denominator is Bu either way.
            const best = rowsOf(p).map((row) => row.reduce((k, x, i) => (x > row[k]! ? i : k), 0));
            const mask = rowsOf(p).map((row, i) => (counts(row[best[i]!]!) ? 1 : 0));
            kept += mask.filter(Boolean).length;
            rows += bu;
            const labels = oneHot(tensor(BigInt64Array.from(best, BigInt), [bu]), CLASSES);
            pseudo = labels
              .mul(p.log())
              .mul(tensor(Float32Array.from(mask), [bu, 1]))
              .sum()
              .mul(-1 / bu);
          }
          const weighted = pseudo?.mul(weight(step));
          const loss = classification && weighted ? classification.add(weighted) : (classification ?? weighted)!;
          const metrics = {
            classification: classification?.item() ?? 0,
            pseudo: pseudo?.item() ?? 0,
            weight: weight(step),
          };
          return { loss, metrics };
        });
      }
      if (title === "confidence") {
        expect(kept).toBeGreaterThan(0); // some rows count and some do not, or the mask was not tested
        expect(kept).toBeLessThan(rows);
      }
      run.release();
    });
  }
});

describeEngine(NAME, () => {
  const weights = (method: Record<string, unknown>) => {
    const run = tinyRun(NAME, { method, totalSteps: 10, unlabeled: 2, labeled: 2 });
    const seen = run.steps(10).map(({ weight }) => weight!);
    run.release();
    return seen;
  };

  test("lee: weight 0 before T1, linear to 3 at T2, and 3 from there; defaults 1/10 and 6/10 of the run", () => {
    expect(weights({})).toEqual([0, 0, 0.6, 1.2, 1.8, 2.4, 3, 3, 3, 3].map((w) => expect.closeTo(w, 9)));
    expect(weights({ rampStart: 4, rampEnd: 4 })).toEqual([0, 0, 0, 0, 3, 3, 3, 3, 3, 3]);
  });

  test("confidence: weight from 0 to 1 over the first 40 % of the run", () => {
    const expected = [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1].map((w) => expect.closeTo(w, 9));
    expect(weights({ form: "confidence" })).toEqual(expected);
  });

  test("a row at the threshold counts, unless the threshold is strict", () => {
    // A network that says nothing: all logits 0, every probability 1/4.
    const kept = (strictThreshold: boolean) => {
      const run = tinyRun(NAME, {
        method: { form: "confidence", confidenceThreshold: 1 / CLASSES, strictThreshold },
        optimizer: { lr: 0 },
      });
      for (const { name, tensor: t } of run.student.parameters) {
        if (name.startsWith("fc.")) t.detach().zero_();
      }
      const [metrics] = run.steps(1);
      run.release();
      return metrics!.kept;
    };
    expect(kept(false)).toBe(1);
    expect(kept(true)).toBe(0);
  });

  test("nothing above the threshold: the unlabeled rows move no weight, and the loss is 0, not NaN", () => {
    const end = (unlabeledWeight: number) => {
      const method = { form: "confidence", confidenceThreshold: 1, strictThreshold: true, unlabeledWeight };
      const run = tinyRun(NAME, { method });
      const metrics = run.steps(4);
      const weights = snapshot(run.student);
      run.release();
      return { metrics: metrics.map(({ pseudo, kept }) => [pseudo, kept]), weights };
    };
    expect(end(1)).toEqual(end(100));
    expect(end(1).metrics.flat()).toEqual(new Array(8).fill(0));
  });

  test("running statistics come from the labeled rows alone", () => {
    const statistics = (unlabeled: number) => {
      const run = tinyRun(NAME, { unlabeled, optimizer: { lr: 0 }, modelOptions: { dropout: 0, inputNoise: 0 } });
      run.steps(2);
      const values = run.student.buffers.map(({ tensor: t }) => t.toArray());
      run.release();
      return values;
    };
    expect(statistics(2)).toEqual(statistics(20));
    const run = tinyRun(NAME, { labeled: 0 });
    const before = run.student.buffers.map(({ tensor: t }) => t.toArray());
    run.steps(2);
    expect(run.student.buffers.map(({ tensor: t }) => t.toArray())).toEqual(before);
    run.release();
  });

  for (const [option, value] of Object.entries({
    form: "confidence",
    rampStart: 0,
    rampEnd: 3,
    emaDecay: 0.3,
    emaBuffers: "copy",
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun(NAME, { method });
        run.steps(6);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }
});
