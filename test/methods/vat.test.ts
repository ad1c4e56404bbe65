import { expect, test } from "vitest";
import type { Batch, Views } from "../../src/batch.js";
import { adversarialDirection } from "../../src/methods/vat.js";
import { Rng } from "../../src/rng.js";
import { noGrad, normal, scope, type Tensor, tensor } from "../../src/torch/index.js";
import { describeEngine } from "../support/engine.js";
import "../support/matchers.js";
import { gradients, snapshot, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";
import { bothRoutes, type Options, slowClassification } from "./formulas.js";

const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const unit = (t: Tensor) => t.div(t.mul(t).sum([1, 2, 3], true).sqrt());
/** sum over rows and classes of q (log q - log p), over the rows. */
const kl = (q: Tensor, p: Tensor) =>
  q
    .mul(q.log().sub(p.log()))
    .sum()
    .div(Math.max(1, q.size(0)));

/** A pass over unlabeled rows with the step's own draws. */
const passOf =
  ({ student, setup }: TinyRun, step: number) =>
  (x: Tensor) =>
    student.forward(x, { mode: "train", updateStatistics: false, rng: setup.rng.split(`vat:${step}`) });

/** The direction once more: gradients of every weight are taken along, then forgotten. */
function slowDirection(run: TinyRun, u: Tensor, step: number, { xi, powerIterations = 1 }: Options): Tensor {
  const f = passOf(run, step);
  let d = unit(normal(u.shape, 0, 1, run.setup.rng.split(`vat-direction:${step}`)));
  for (let i = 0; i < powerIterations; i++) {
    const trial = d.mul(xi).requiresGrad_();
    kl(softmax(f(u)).detach(), softmax(f(u.add(trial)))).backward();
    d = unit(trial.grad!.mul(1e3));
  }
  for (const { tensor: t } of run.student.parameters) t.clearGrad();
  return d;
}

const STEP = 3;
function terms(run: TinyRun, batch: Batch<Views, Views>, given: Options) {
  const { eps = 6, divergence = "clean", entropyWeight = 0.06, consistencyWeight = 1, rampUpSteps = 8 } = given;
  const u = batch.unlabeled.x.image!;
  const [rows, others] = [batch.labeled.index.size(0), u.size(0)];
  const d = slowDirection(run, u, STEP, { xi: eps / 10, ...given });
  const zl = run.student.forward(batch.labeled.x.image!, { mode: "train", updateStatistics: false });
  const f = passOf(run, STEP);
  const zu = f(u);
  const [clean, moved] = [softmax(zu), softmax(f(u.add(d.mul(eps))))];
  const consistency = divergence === "clean" ? kl(clean.detach(), moved) : kl(moved, clean.detach());
  const classification = slowClassification(zl, batch, given.classReduction === "batch" ? rows + others : rows);
  const entropy = clean.mul(clean.log()).sum().div(-others);
  const weight = consistencyWeight * (rampUpSteps === 0 ? 1 : Math.min(1, STEP / rampUpSteps));
  const loss = classification.add(consistency.mul(weight)).add(entropy.mul(entropyWeight));
  return { classification, consistency, entropy, loss };
}

describeEngine("vat: loss and gradient equal the formula's", () => {
  const strong = { consistencyWeight: 20, eps: 2 };
  const variants: TinyRunOptions[] = [
    {},
    { method: strong },
    { method: { ...strong, rampUpSteps: 0, entropyWeight: 0 } },
    { method: { ...strong, divergence: "perturbed" } },
    { method: { ...strong, powerIterations: 0 } },
    { method: { ...strong, powerIterations: 3, xi: 0.5 } },
    { method: { ...strong, classReduction: "batch", entropyWeight: 1 } },
    { method: strong, modelOptions: { dropout: 0, inputNoise: 0 } },
  ];
  for (const variant of variants) {
    test(JSON.stringify(variant), () => {
      const { got, expected } = bothRoutes("vat", variant, terms, STEP);
      for (const [metric, value] of Object.entries(expected.metrics))
        expect([got.metrics[metric]!], metric).toBeCloseToTensor([value], { rtol: 2e-3, atol: 1e-6 });
      expect(expected.metrics.consistency).toBeGreaterThan(1e-6);
      const largest = Math.max(...Object.values(expected.gradients).flatMap((g) => g!.map(Math.abs)));
      expect(largest).toBeGreaterThan(1e-3);
      for (const [name, gradient] of Object.entries(expected.gradients))
        expect(got.gradients[name], name).toBeCloseToTensor(gradient!, { rtol: 1e-2, atol: 2e-3 * largest });
    });
  }
});

describeEngine("the adversarial direction", () => {
  test("is the quadratic form's first eigenvector, of norm 1, after enough iterations", () => {
    scope(() => {
      // divergence(d) = sum_i c_i d_i^2 / 2 with one large c: the power iteration must end at that axis.
      const c = tensor(Float32Array.of(1, 2, 9, 4), [1, 4, 1, 1]);
      const x = tensor(new Float32Array(8), [2, 4, 1, 1]);
      const quadratic = (d: Tensor) => d.mul(d).mul(c).sum().div(2);
      const d = (powerIterations: number) =>
        adversarialDirection(x, quadratic, { xi: 1e-6, powerIterations, rng: Rng.fromSeed(2) });
      expect(d(40).abs()).toBeCloseToTensor([0, 0, 1, 0, 0, 0, 1, 0], { atol: 1e-5 });
      const start = unit(normal([2, 4, 1, 1], 0, 1, Rng.fromSeed(2)));
      expect(d(0)).toBeCloseToTensor(start, { rtol: 1e-5 });
      expect(d(1)).toBeCloseToTensor(unit(start.mul(c)), { rtol: 1e-5 }); // one application of the matrix
    });
  });

  test("has norm 1 a row also where the gradient is smaller than the square root of the smallest float", () => {
    scope(() => {
      const x = tensor(new Float32Array(8), [2, 4, 1, 1]);
      const tiny = (d: Tensor) => d.mul(d).mul(1e-20).sum();
      const d = adversarialDirection(x, tiny, { xi: 1e-6, powerIterations: 1, rng: Rng.fromSeed(2) });
      expect(d.mul(d).sum([1, 2, 3])).toBeCloseToTensor([1, 1], { rtol: 1e-5 });
    });
  });

  test("raises the divergence of a trained network many times more than a random direction of the same length", () => {
    const run = tinyRun("vat", { unlabeled: 16, totalSteps: 60, method: { consistencyWeight: 0 } });
    run.steps(60);
    scope(() => {
      const u = run.batch(60).unlabeled.x.image!;
      const f = passOf(run, 60);
      const clean = noGrad(() => softmax(f(u)));
      const raised = (d: Tensor) => noGrad(() => kl(clean, softmax(f(u.add(d)))).item());
      const random = unit(normal(u.shape, 0, 1, run.setup.rng.split("vat-direction:60")));
      const found = slowDirection(run, u, 60, { xi: 0.1 });
      const made = adversarialDirection(u, (d) => kl(clean, softmax(f(u.add(d)))), {
        xi: 0.1,
        powerIterations: 1,
        rng: run.setup.rng.split("vat-direction:60"),
      });
      expect(made).toBeCloseToTensor(found, { rtol: 1e-2, atol: 1e-3 });
      expect(raised(made)).toBeGreaterThan(4 * raised(random));
      expect(raised(made)).toBeGreaterThan(0.5 * raised(made.neg())); // a ridge: both ways alike
    });
    run.release();
  });

  test("more iterations in a step give a larger divergence than a random direction, as the step reports it", () => {
    const divergence = (powerIterations: number) => {
      const run = tinyRun("vat", { unlabeled: 16, method: { consistencyWeight: 0, powerIterations, eps: 1 } });
      const last = run.steps(20).at(-1)!.consistency!;
      run.release();
      return last;
    };
    const [random, one] = [divergence(0), divergence(1)];
    expect(one).toBeGreaterThan(4 * random);
  });

  test("the step leaves no weight gradient of the search behind: with weight 0 they are those of the other terms", () => {
    const seen: ReturnType<typeof gradients>[] = [];
    for (const powerIterations of [0, 3]) {
      const options: TinyRunOptions = {
        method: { consistencyWeight: 0, powerIterations },
        onStep: () => seen.push(gradients(run.student)),
      };
      const run = tinyRun("vat", options);
      run.steps(1);
      expect(run.student.parameters.every(({ tensor: t }) => t.requiresGrad)).toBe(true);
      run.release();
    }
    expect(seen[1]).toEqual(seen[0]);
  });
});

describeEngine("vat", () => {
  test("all passes over the unlabeled rows make the same draws: eps 0 is no divergence, dropout and noise or not", () => {
    const run = tinyRun("vat", { method: { eps: 0 } });
    for (const { consistency } of run.steps(3)) expect(Math.abs(consistency!)).toBeLessThan(1e-6);
    run.release();
  });

  test("only the pass over the labeled rows updates running statistics", () => {
    const [run, plain] = [tinyRun("vat"), tinyRun("vat")];
    run.steps(1);
    scope(() => plain.student.forward(plain.batch(0).labeled.x.image!, "train"));
    const buffers = ({ student }: TinyRun) => student.buffers.map(({ tensor: t }) => t.toArray());
    expect(buffers(run)).toEqual(buffers(plain));
    run.release();
    plain.release();
  });

  for (const [option, value] of Object.entries({
    eps: 1,
    xi: 20,
    powerIterations: 2,
    divergence: "perturbed",
    rampUpSteps: 1,
    classReduction: "batch",
    emaDecay: 0.2,
  })) {
    test(`${option} ${value} changes something`, () => {
      const end = (method: Record<string, unknown>) => {
        const run = tinyRun("vat", { method: { consistencyWeight: 5, ...method } });
        run.steps(3);
        const values = Object.values(run.method.models).map(snapshot);
        run.release();
        return values;
      };
      expect(end({ [option]: value })).not.toEqual(end({}));
    });
  }
});
