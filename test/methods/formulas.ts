/** The methods' losses once more, in plain tensor operators on the same draws: the second route of the formula tests. */
import type { Batch, Views } from "../../src/batch.js";
import type { Model, PassRequest } from "../../src/nn/index.js";
import { cat, noGrad, oneHot, scope, type Tensor } from "../../src/torch/index.js";
import { CLASSES, gradients, numbers, type TinyRun, type TinyRunOptions, tinyRun } from "../support/method-run.js";

// biome-ignore lint/suspicious/noExplicitAny: options of whichever method
export type Options = any;

/** Runs `body` and puts every model's generator back, so that the method then makes the same draws. */
export function sameDraws<T>({ method }: TinyRun, body: () => T): T {
  const models = Object.values(method.models);
  const before = models.map((model) => JSON.parse(JSON.stringify(model.stateDict().values)));
  const result = body();
  models.forEach((model, i) => {
    model.loadStateDict({ tensors: model.stateDict().tensors, values: before[i] });
  });
  return result;
}

/** (1 / divideBy) sum over rows and classes of -y log softmax(z) */
export function slowClassification(z: Tensor, batch: Batch<Views, Views>, divideBy: number, smoothing = 0): Tensor {
  const rows = batch.labeled.index.size(0);
  const zl = z.narrow(0, 0, rows);
  const logProbs = zl.sub(zl.exp().sum([1], true).log());
  const target = oneHot(batch.labeled.y, CLASSES)
    .mul(1 - smoothing)
    .add(smoothing / CLASSES);
  return target
    .mul(logProbs)
    .sum()
    .mul(-1 / Math.max(1, divideBy));
}

const joint = ({ labeled, unlabeled }: Batch<Views, Views>, role: string) =>
  cat([labeled.x[role]!, unlabeled.x[role]!]);
const softmax = (z: Tensor) => z.exp().div(z.exp().sum([1], true));
const still = (pass: object): PassRequest => ({ mode: "train", ...pass, updateStatistics: false }) as PassRequest;

interface Terms {
  readonly classification: Tensor;
  readonly consistency: Tensor;
  readonly logitDistance?: Tensor;
  readonly loss: Tensor;
}

/** Sum over rows of d(p, q), by cost. */
function distance(p: Tensor, q: Tensor, options: Options): Tensor {
  const squares = () => p.sub(q).pow(2).sum().div(CLASSES);
  const kl = (a: Tensor, b: Tensor) => b.mul(b.log().sub(a.log())).sum(); // KL(b || a)
  if (options.cost === "kl") return kl(p, q);
  if (options.cost !== "tau" || options.tau === 0) return squares();
  const tau = options.tau ?? 1;
  const scale = ((options.legacyScale ? 1 - 1 / CLASSES : 1) * 2) / (CLASSES * tau) ** 2;
  const mix = (t: Tensor) => t.mul(tau).add((1 - tau) / CLASSES);
  return kl(mix(p), mix(q)).mul(scale);
}

function rowsFor(t: Tensor, batch: Batch<Views, Views>, options: Options): Tensor {
  const [l, u] = [batch.labeled.index.size(0), batch.unlabeled.index.size(0)];
  return options.consistencyOnLabeled === false ? t.narrow(0, l, u) : t;
}

export function meanTeacherTerms(
  { method }: TinyRun,
  batch: Batch<Views, Views>,
  options: Options,
  weight: number,
): Terms {
  const { student, teacher } = method.models as { student: Model; teacher: Model };
  const passOf = (dropout: unknown, inputNoise: unknown) => still({ dropout, inputNoise });
  const studentPass = passOf(options.studentDropout, options.studentNoise);
  const { logits: c, consistency: r } = student.forwardHeads(joint(batch, "student"), studentPass);
  const second = joint(batch, "teacher");
  const fromTeacher = noGrad(() => {
    const heads = teacher.forwardHeads(second, passOf(options.teacherDropout, options.teacherNoise));
    return softmax(heads.logits); // the class head, always
  });
  const secondPass = passOf(options.teacherDropout, options.teacherNoise); // whose weights they are does not matter
  const q = options.target === "student" ? softmax(student.forwardHeads(second, secondPass).logits) : fromTeacher;
  const rows = c.size(0);
  const divideBy = options.classReduction === "labeled" ? batch.labeled.index.size(0) : rows;
  const classification = slowClassification(c, batch, divideBy);
  const consistency = distance(rowsFor(softmax(r), batch, options), rowsFor(q, batch, options), options).div(rows);
  const loss = classification.add(consistency.mul(weight));
  if (r === c) return { classification, consistency, loss };
  const perClass = options.logitDistanceClasses === "sum" ? 1 : CLASSES;
  const logitDistance = c
    .sub(r)
    .pow(2)
    .sum()
    .div(rows * perClass);
  return {
    classification,
    consistency,
    logitDistance,
    loss: loss.add(logitDistance.mul(options.logitDistanceWeight ?? 0.01)),
  };
}

export function piTerms({ student }: TinyRun, batch: Batch<Views, Views>, options: Options, weight: number): Terms {
  const z1 = student.forward(joint(batch, "first"), still({}));
  const z2 = student.forward(joint(batch, "second"), still({}));
  const q = options.stopGrad === "target" ? softmax(z2).detach() : softmax(z2);
  const rows = z1.size(0);
  const divideBy = options.classReduction === "labeled" ? batch.labeled.index.size(0) : rows;
  const classification = slowClassification(z1, batch, divideBy);
  const consistency = distance(rowsFor(softmax(z1), batch, options), rowsFor(q, batch, options), { cost: "mse" }).div(
    rows,
  );
  return { classification, consistency, loss: classification.add(consistency.mul(weight)) };
}

export function supervisedTerms(
  { student }: TinyRun,
  batch: Batch<Views, Views>,
  options: Options,
): { classification: Tensor; loss: Tensor } {
  const z = student.forward(joint(batch, "student"), still({}));
  const all = batch.labeled.index.size(0) + batch.unlabeled.index.size(0);
  const divideBy = options.classReduction === "labeled" ? batch.labeled.index.size(0) : all;
  const classification = slowClassification(z, batch, divideBy, options.labelSmoothing);
  return { classification, loss: classification };
}

/** wmax M / N exp(-5 (1 - t / L)^2), with the 8 labels of 40 pictures that `tinyRun` says it has. */
function slowWeight(
  { consistencyWeight = CLASSES, scaleByLabels = false, rampUpSteps = 5 }: Options,
  step: number,
): number {
  const left = 1 - Math.min(step, rampUpSteps) / rampUpSteps;
  return consistencyWeight * (scaleByLabels ? 8 / 40 : 1) * Math.exp(-5 * left * left);
}

/** Metrics and gradients of step `at` of a method, and of `terms` with the same weights and draws. */
export function bothRoutes(
  name: string,
  given: TinyRunOptions,
  terms: (
    run: TinyRun,
    batch: Batch<Views, Views>,
    options: Options,
    weight: number,
  ) => Partial<Terms> & { loss: Tensor },
  at = 3,
) {
  const before = tinyRun(name, given);
  before.steps(at);
  let seen: ReturnType<typeof gradients> = {};
  const run = tinyRun(name, { ...given, onStep: () => (seen = gradients(run.student)) });
  for (const [role, model] of Object.entries(run.method.models))
    model.loadStateDict(before.method.models[role]!.stateDict());
  before.release();
  const options: Options = given.method ?? {};
  const routes = scope(() => {
    const batch = run.batch(at);
    const expected = sameDraws(run, () => {
      const { loss, ...parts } = terms(run, batch, options, slowWeight(options, at));
      loss.backward();
      const metrics = Object.fromEntries(Object.entries(parts).map(([key, t]) => [key, (t as Tensor).item()]));
      return { metrics, gradients: gradients(run.student) };
    });
    const metrics = numbers(run.method.step(batch, { step: at, epoch: at / 5, totalSteps: 20 }));
    return { got: { metrics, gradients: seen }, expected };
  });
  run.release();
  return routes;
}
