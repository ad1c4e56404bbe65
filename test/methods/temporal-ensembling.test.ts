import { expect, test } from "vitest";
import { cat, noGrad, oneHot, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import { CLASSES, saveState, snapshot, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { checkStep, rowsOf, still } from "./both-ways.js";
import { slowClassification } from "./formulas.js";

const NAME = "temporal-ensembling";
const ALPHA = 0.6;
const quiet = { dropout: 0, inputNoise: 0 };

/** Algorithm 2 as loops, with a mask for images that were never predicted and a count for each row. */
class SlowBank {
  readonly #z = new Map<number, number[]>();
  readonly #counts = new Map<number, number>();
  #predictions = new Map<number, number[]>();

  endEpoch(): void {
    for (const [i, p] of this.#predictions) {
      const z = this.#z.get(i) ?? p.map(() => 0);
      this.#z.set(
        i,
        z.map((x, k) => ALPHA * x + (1 - ALPHA) * p[k]!),
      );
      this.#counts.set(i, (this.#counts.get(i) ?? 0) + 1);
    }
    this.#predictions = new Map();
  }
  target(i: number): number[] | undefined {
    return this.#z.get(i)?.map((x) => x / (1 - ALPHA ** this.#counts.get(i)!));
  }
  record(i: number, p: number[]): void {
    this.#predictions.set(i, p);
  }
  get size(): number {
    return this.#z.size;
  }
}

describeEngine("temporal-ensembling: loss and gradient equal the formula's, over three epochs", () => {
  const variants: readonly TinyRunOptions[] = [
    {},
    { method: { bankNormalization: "biasCorrection" } },
    { method: { consistencyOnLabeled: false } },
    { method: { classReduction: "labeled", scaleByLabels: true } },
    { labeled: 0, unlabeled: 10 },
    { labeled: 10, unlabeled: 0 },
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const method = { consistencyWeight: 50, rampUpSteps: 10, ...variant.method } as Record<string, unknown>;
      const run = tinyRun(NAME, { ...variant, method });
      const bank = new SlowBank();
      const masks = new Set<string>();
      for (let step = 0; step < 14; step++) {
        if (step > 0 && step % 5 === 0) bank.endEpoch();
        if (step === 0 && variant.labeled === 0) {
          run.steps(5); // the first epoch has no loss at all without labels; only its predictions count
          // ... which a second run tells, as they come from weights that have not moved
          const again = tinyRun(NAME, { ...variant, method });
          scope(() =>
            noGrad(() => {
              for (let s = 0; s < 5; s++) {
                const batch = again.batch(s);
                const p = again.student
                  .forward(cat([batch.labeled.x.student!, batch.unlabeled.x.student!]), "train")
                  .softmax(1);
                batch.unlabeled.index.toNumbers().forEach((i, row) => void bank.record(i, rowsOf(p)[row]!));
              }
            }),
          );
          again.release();
          step = 4;
          continue;
        }
        checkStep(run, step, (batch) => {
          const { labeled, unlabeled } = batch;
          const z = run.student.forward(cat([labeled.x.student!, unlabeled.x.student!]), still);
          const p = z.exp().div(z.exp().sum([1], true));
          const values = rowsOf(p);
          const index = [...labeled.index.toNumbers(), ...unlabeled.index.toNumbers()];
          const [bl, b] = [labeled.index.size(0), index.length];
          const targets: number[] = [];
          const mask: number[] = [];
          index.forEach((i, row) => {
            const target = bank.target(i);
            const counts = target && (method.consistencyOnLabeled !== false || row >= bl);
            targets.push(...(target ?? new Array<number>(CLASSES).fill(0)));
            mask.push(counts ? 1 : 0);
          });
          masks.add(mask.join(""));
          const left = 1 - Math.min(step, 10) / 10;
          const scale = method.scaleByLabels ? 8 / 40 : 1;
          const weight = step < 5 ? 0 : 50 * scale * Math.exp(-5 * left * left);
          const q = tensor(Float32Array.from(targets), [b, CLASSES]);
          const m = tensor(Float32Array.from(mask), [b, 1]);
          const consistency = p
            .sub(q)
            .pow(2)
            .mul(m)
            .sum()
            .div(CLASSES * b);
          const classification = slowClassification(z, batch, method.classReduction === "labeled" ? bl : b);
          index.forEach((i, row) => void bank.record(i, values[row]!));
          return {
            loss: classification.add(consistency.mul(weight)),
            metrics: { classification: classification.item(), consistency: consistency.item(), weight },
          };
        });
      }
      // Rows with and without a target were in one batch, or the mask was not tested.
      expect([...masks].some((mask) => mask.includes("0") && mask.includes("1"))).toBe(true);
      run.release();
    });
  }
});

describeEngine(NAME, () => {
  test("the weight is 0 in the first epoch, then follows the ramp and M/N", () => {
    const run = tinyRun(NAME, { method: { consistencyWeight: 30, scaleByLabels: true, rampUpSteps: 0 } });
    const weights = run.steps(7).map(({ weight }) => weight);
    expect(weights.slice(0, 5)).toEqual([0, 0, 0, 0, 0]);
    expect(weights[5]).toBeCloseTo((30 * 8) / 40, 6); // 8 labels of 40 images in a tiny run
    run.release();
  });

  test("targets come from the training pass before the update, recorded by image", () => {
    const run = tinyRun(NAME);
    const [expected, stored] = scope(() => {
      const batch = run.batch(0);
      const other = tinyRun(NAME);
      const x = cat([batch.labeled.x.student!, batch.unlabeled.x.student!]);
      const p = noGrad(() => other.student.forward(x, "train").softmax(1)).toNumbers();
      other.release();
      run.method.step(batch, { step: 0, epoch: 0, totalSteps: 20 });
      const { predictions, seen } = run.method.state.bank!.stateDict().tensors;
      const index = cat([batch.labeled.index, batch.unlabeled.index]);
      expect(seen!.toNumbers().reduce((a, b) => a + b)).toBe(10);
      return [p, predictions!.indexSelect(0, index).toNumbers()];
    });
    expect(stored).toEqual(expected);
    run.release();
  });

  test("the flip of an image is drawn anew every epoch", () => {
    // Same images, other steps: with translation off, only the flip can differ.
    const run = tinyRun(NAME, { modelOptions: quiet, translate: 0, labeled: 0, unlabeled: 40 });
    const imageOf = (step: number) =>
      scope(() => {
        const { x, index } = run.batch(step).unlabeled;
        const order = index.toNumbers();
        const size = x.student!.numel / 40;
        const values = x.student!.toNumbers();
        return Array.from({ length: 40 }, (_, i) =>
          values.slice(order.indexOf(i) * size, (order.indexOf(i) + 1) * size),
        );
      });
    const [a, b] = [imageOf(0), imageOf(5)];
    const same = a.filter((image, i) => image.every((v, k) => v === b[i]![k])).length;
    expect(same).toBeGreaterThan(5);
    expect(same).toBeLessThan(35);
    run.release();
  });

  test("an image in both parts of one batch, as two streams can have it, is updated once, by its last row", () => {
    const run = tinyRun(NAME);
    scope(() => {
      const batch = run.batch(0);
      const index = cat([batch.labeled.index, batch.unlabeled.index.narrow(0, 4, 2)]);
      const twice = { labeled: batch.labeled, unlabeled: { ...batch.unlabeled, index } };
      run.method.step(twice, { step: 0, epoch: 0, totalSteps: 20 });
      const stored = (): Record<string, Tensor> => run.method.state.bank!.stateDict().tensors;
      const first = batch.labeled.index.toNumbers()[0]!;
      const other = tinyRun(NAME);
      const x = cat([batch.labeled.x.student!, batch.unlabeled.x.student!]);
      const p = rowsOf(noGrad(() => other.student.forward(x, "train").softmax(1)));
      other.release();
      expect(rowsOf(stored().predictions!)[first]).toEqual(p[4]);
      run.method.step(run.batch(5), { step: 5, epoch: 1, totalSteps: 20 });
      expect(stored().counts!.toNumbers()[first]).toBe(1);
    });
    run.release();
  });

  test("a saved bank of other data is refused; resumed in any epoch, the run goes on bit for bit", () => {
    for (const precision of ["float32", "float16"]) {
      for (const cut of [3, 5, 8, 10]) {
        const options = { method: { bankPrecision: precision, consistencyWeight: 30 } };
        const whole = tinyRun(NAME, options);
        whole.steps(cut);
        const saved = saveState(whole.method);
        whole.steps(4, cut);
        const resumed = tinyRun(NAME, options);
        for (const [owner, state] of Object.entries(saved)) resumed.method.state[owner]!.loadStateDict(state);
        resumed.steps(4, cut);
        expect(snapshot(resumed.student)).toEqual(snapshot(whole.student));
        const { values } = saved.bank!;
        expect(values.dataFingerprint).toBe("tiny");
        const foreign = { ...saved.bank!, values: { ...values, dataFingerprint: "other" } };
        expect(() => resumed.method.state.bank!.loadStateDict(foreign)).toThrow(/other images/);
        for (const { tensors } of Object.values(saved)) for (const t of Object.values(tensors)) t.release();
        whole.release();
        resumed.release();
      }
    }
  });

  test("without its bank a resumed run ends elsewhere", () => {
    const whole = tinyRun(NAME, { method: { consistencyWeight: 30 } });
    whole.steps(8);
    const { bank, ...saved } = saveState(whole.method);
    whole.steps(4, 8);
    const forgetful = tinyRun(NAME, { method: { consistencyWeight: 30 } });
    for (const [owner, state] of Object.entries(saved)) forgetful.method.state[owner]!.loadStateDict(state);
    forgetful.steps(4, 8);
    expect(snapshot(forgetful.student)).not.toEqual(snapshot(whole.student));
    expect(bank).toBeDefined();
    whole.release();
    forgetful.release();
  });

  for (const [option, value] of Object.entries({
    ensembleDecay: 0,
    consistencyOnLabeled: false,
    scaleByLabels: true,
    rampUpSteps: 15,
    classReduction: "labeled",
    emaDecay: 0.3,
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun(NAME, { method: { consistencyWeight: 30, ...method } });
        run.steps(13);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }

  test("one-hot labels and softmax are not applied twice: logits, not probabilities, leave the network", () => {
    const run = tinyRun(NAME);
    scope(() => {
      const z = noGrad(() => run.student.forward(run.batch(0).labeled.x.student!, "probe"));
      expect(Math.abs(z.sum([1]).toNumbers()[0]! - 1)).toBeGreaterThan(1e-3);
      expect(oneHot(run.batch(0).labeled.y, CLASSES).sum().item()).toBe(4);
    });
    run.release();
  });
});
