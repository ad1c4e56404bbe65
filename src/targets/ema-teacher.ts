/** A teacher whose weights follow a student's as an exponential moving average. */
import { DataError, UsageError } from "../errors.js";
import type { Model, NamedTensor } from "../nn/model.js";
import type { State, Stateful } from "../stateful.js";
import { foreachAdd_, foreachMul_, noGrad, scope, type Tensor, world } from "../torch/index.js";

export const EMA_STARTS = ["copy", "random", "zeros"] as const;
export const BIAS_WARMUPS = ["none", "oneMinusOneOverT", "tf10"] as const;
export const EMA_BUFFERS = ["recompute", "average", "copy", "own"] as const;

export interface EmaDecayOptions {
  /** Share of the old teacher in the first `rampUpSteps` updates. Default: as after them. */
  readonly decayDuringRampup?: number;
  /** Share of the old teacher after that. Default 0.999. */
  readonly decayAfterRampup?: number;
  /** Default 0. */
  readonly rampUpSteps?: number;
  /**
   * A ceiling on the decay at update t, so that the start value is soon forgotten. `oneMinusOneOverT`: 1 - 1 / (t + 1),
   * the plain mean of start and students (Mean Teacher's PyTorch code); `tf10`: t / (9 + t), that is (1 + s) / (10 + s)
   * of the 0-based step s (TensorFlow, Google's Meta Pseudo Labels). Default `none`.
   */
  readonly biasWarmup?: (typeof BIAS_WARMUPS)[number];
}

export interface EmaOptions extends EmaDecayOptions {
  /**
   * The teacher before the first update. `copy` of the student, weights and running statistics (default); `random`: its
   * own initialization, whatever it holds; `zeros`: weights 0 (batch norm's bias and running variance 1), which only makes
   * sense with a bias warm-up (Google's Meta Pseudo Labels).
   */
  readonly emaStart?: (typeof EMA_STARTS)[number];
  /**
   * Running statistics at each update: `average` with the weights' decay (`recompute`: too, until somebody calls
   * `recomputeStatistics`), `copy` the student's, or leave the teacher its `own` (default), which needs a teacher that is
   * itself forwarded in mode `train`. Integers are copied, never averaged.
   */
  readonly buffers?: (typeof EMA_BUFFERS)[number];
}

/** Share of the old teacher at update t = 1, 2, ... (an update is not a step: the 0-based step is t - 1). */
export function emaDecay(t: number, options: EmaDecayOptions = {}): number {
  const {
    decayAfterRampup = 0.999,
    decayDuringRampup = decayAfterRampup,
    rampUpSteps = 0,
    biasWarmup = "none",
  } = options;
  const decay = t - 1 < rampUpSteps ? decayDuringRampup : decayAfterRampup;
  if (biasWarmup === "none") return decay;
  return Math.min(decay, biasWarmup === "tf10" ? t / (9 + t) : 1 - 1 / (t + 1));
}

/**
 * Running statistics of the model's own weights: the mean over `batches` of images `[N, C, H, W]`, as evaluation sees them,
 * without dropout and noise (stochastic weight averaging: Izmailov et al., arXiv:1803.05407, section 3.1). What was there is
 * forgotten; without batches it stays.
 */
export function recomputeStatistics(model: Model, batches: Iterable<Tensor>): void {
  let seen = 0;
  for (const x of batches) {
    quietly(
      () =>
        void model.forward(x, {
          mode: "probe",
          everywhere: true,
          updateStatistics: true,
          keepStatistics: seen / (seen + 1),
        }),
    );
    seen += 1;
  }
  world().broadcast(model.buffers.map(({ tensor }) => tensor)); // another number of threads rounds otherwise
}

/** The share of the old average by default: it reaches back over the last twentieth of the run, published 0.999 at the most. */
export function decayOfRun(totalSteps: number, most = 0.999): number {
  return Math.min(most, Math.max(0, 1 - 20 / totalSteps));
}

/**
 * Owns the link between the two models and the number of updates made: its state is that number. The model's weights are
 * a state of their own, `teacher.model`.
 *
 * @see docs/schedules-and-losses.md; Tarvainen & Valpola, arXiv:1703.01780, section 2
 */
export class EmaTeacher implements Stateful {
  readonly model: Model;
  readonly #options: EmaOptions;
  readonly #averaged: Pairs;
  readonly #copied: Pairs;
  readonly #start: () => void;
  #updates = 0;

  /**
   * Makes `model` the teacher of `student`: two networks of the same shape. Its weights need no gradient from now on.
   * Throws if the two have different tensors.
   */
  constructor(student: Model, model: Model, options: EmaOptions = {}) {
    const { emaStart = "copy", buffers = "own" } = options;
    this.model = model;
    this.#options = options;
    const weights = pair(student.parameters, model.parameters);
    const statistics = pair(student.buffers, model.buffers);
    for (const { tensor } of model.parameters) tensor.requiresGrad_(false);
    this.#start = () =>
      quietly(() => {
        if (emaStart === "copy") for (const pairs of [weights, statistics]) copyAll(pairs);
        if (emaStart === "zeros") startAtZero(model);
      });
    this.#start();
    const averaging = buffers === "average" || buffers === "recompute";
    const isAveraged = (i: number) => averaging && isFloat(statistics.teacher[i]!);
    this.#averaged = join(weights, choose(statistics, isAveraged));
    this.#copied = buffers === "own" ? choose(statistics, () => false) : choose(statistics, (i) => !isAveraged(i));
  }

  /** From here on as if no update had been made yet: `emaStart` holds again, of the student as it is now. */
  restart(): void {
    this.#updates = 0;
    this.#start();
  }

  /** Number of updates so far. */
  get updates(): number {
    return this.#updates;
  }

  /** The decay of the latest update; undefined before the first. */
  get decay(): number | undefined {
    return this.#updates === 0 ? undefined : emaDecay(this.#updates, this.#options);
  }

  /** teacher <- d teacher + (1 - d) student. Call it once after every optimizer step. Returns the decay d used. */
  update(): number {
    this.#updates += 1;
    const decay = emaDecay(this.#updates, this.#options);
    quietly(() => {
      const { teacher, student } = this.#averaged;
      foreachMul_(teacher, decay);
      foreachAdd_(teacher, student, 1 - decay);
      copyAll(this.#copied);
    });
    return decay;
  }

  stateDict(): State {
    return { tensors: {}, values: { updates: this.#updates } };
  }

  loadStateDict({ values }: State): void {
    const { updates } = values;
    if (typeof updates !== "number") throw new DataError(`EmaTeacher: expected a number "updates", got ${updates}`);
    this.#updates = updates;
  }
}

/** Without a graph, and without leftovers. */
function quietly(body: () => void): void {
  scope(() => noGrad(body));
}

/** Tensors of the two models, position by position. */
interface Pairs {
  readonly student: readonly Tensor[];
  readonly teacher: readonly Tensor[];
}

function pair(student: readonly NamedTensor[], teacher: readonly NamedTensor[]): Pairs {
  const describe = ({ name, tensor }: NamedTensor) => `${name} [${tensor.shape.join(", ")}]`;
  for (let i = 0; i < Math.max(student.length, teacher.length); i++) {
    const [a, b] = [student[i], teacher[i]].map((t) => (t ? describe(t) : "nothing"));
    if (a !== b)
      throw new UsageError(`EmaTeacher: the teacher must be shaped as the student, which has ${a} where it has ${b}`);
  }
  return { student: student.map((s) => s.tensor), teacher: teacher.map((t) => t.tensor) };
}

function choose({ student, teacher }: Pairs, wanted: (index: number) => boolean): Pairs {
  return { student: student.filter((_, i) => wanted(i)), teacher: teacher.filter((_, i) => wanted(i)) };
}

function join(a: Pairs, b: Pairs): Pairs {
  return { student: [...a.student, ...b.student], teacher: [...a.teacher, ...b.teacher] };
}

function copyAll({ student, teacher }: Pairs): void {
  for (const [i, t] of teacher.entries()) t.copy_(student[i]!);
}

function isFloat(t: Tensor): boolean {
  return t.dtype.startsWith("float") || t.dtype === "bfloat16";
}

/** Zeros, but ones for what TensorFlow names "beta" (bias of a batch norm) and "variance". */
function startAtZero(model: Model): void {
  const norms = model.buffers.filter(({ name }) => name.endsWith("running_var"));
  const betas = new Set(norms.map(({ name }) => name.replace(/running_var$/, "bias")));
  for (const { name, tensor } of model.parameters) tensor.fill_(betas.has(name) ? 1 : 0);
  for (const { name, tensor } of model.buffers) tensor.fill_(name.endsWith("running_var") ? 1 : 0);
}
