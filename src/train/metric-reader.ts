/**
 * The numbers that steps return, left on the device until they are wanted: each step packs its tensors into one vector, and
 * all of them are read with one copy. That the numbers are finite is seen at that moment, of every step since the last one.
 */
import { TrainingError } from "../errors.js";
import type { Metrics } from "../methods/index.js";
import type { Model } from "../nn/index.js";
import { cat, noGrad, scope, stack, Tensor } from "../torch/index.js";

/** What a step returned, its tensors in one. */
export interface PackedMetrics {
  readonly metrics: readonly (readonly [name: string, number: number | undefined])[];
  /** The tensors among them, in order, `[M]`, kept; undefined without any. */
  readonly packed: Tensor | undefined;
}

interface Pending extends PackedMetrics {
  /** Steps done, from 1. */
  readonly step: number;
  /** Positions of the batch's images, labeled ones first; undefined where nobody said. */
  readonly images: Tensor | undefined;
}

/** What no loss of a run that learns comes to (Mean Teacher's PyTorch code stops there too). */
const ABSURD = 1e5;

/** As much of a batch as tells which images it is of. */
type BatchRows = Record<"labeled" | "unlabeled", { readonly index: Tensor }>;

/** So many images of a batch are named. */
const SHOWN = 8;

/** So many steps wait at the most, however seldom the run logs. */
const MOST_PENDING = 500;

export class MetricReader {
  readonly #learningRate: (step: number) => number;
  readonly #saved: () => number;
  #pending: Pending[] = [];
  #last: Readonly<Record<string, number>> = {};

  /** For the message of a run that has failed: `learningRate` of a step counted from 0, `saved`: the step of the last checkpoint, 0 for none. */
  constructor(learningRate: (step: number) => number, saved: () => number = () => 0) {
    this.#learningRate = learningRate;
    this.#saved = saved;
  }

  /** Takes the metrics of the step numbered `step` from 1. Does not wait for the device. */
  keep(step: number, metrics: PackedMetrics, batch?: BatchRows): void {
    const images = batch && scope(() => cat([batch.labeled.index, batch.unlabeled.index])).keep();
    this.#pending.push({ step, ...metrics, images });
  }

  /** Whether as much waits as may: whoever times the steps reads it then, for the read waits for their work. */
  get isFull(): boolean {
    return this.#pending.length >= MOST_PENDING;
  }

  /**
   * The metrics of the latest step: a synchronization point. Throws TrainingError that names the first step whose numbers
   * are not all finite, or whose loss is absurd, with its terms and its images.
   */
  read(): Readonly<Record<string, number>> {
    const pending = this.#pending;
    this.#pending = [];
    const packed = pending.flatMap((one) => (one.packed ? [one.packed] : []));
    const numbers = packed.length > 0 ? scope(() => (packed.length > 1 ? cat(packed) : packed[0]!).toNumbers()) : [];
    for (const vector of packed) vector.release();
    let at = 0;
    try {
      for (const { step, metrics, images } of pending) {
        const measured = metrics.map(
          ([name, number]) => [name, number ?? numbers[at++]!, number === undefined] as const,
        );
        this.#last = Object.fromEntries(measured.map(([name, value]) => [name, value]));
        const lost = measured.some(([, value]) => !Number.isFinite(value));
        // Numbers that came as such are weights and counts; tensors are losses and the like.
        const absurd = measured.some(([, value, isTensor]) => isTensor && Math.abs(value) > ABSURD);
        if (lost || absurd) this.#fail(step, lost ? "is not finite" : `is more than ${ABSURD}`, images);
      }
    } finally {
      for (const { images } of pending) images?.release();
    }
    return this.#last;
  }

  /**
   * Waits for the weights that `step`, the latest, has left, which no loss has seen yet. Throws TrainingError where they are lost: the squares of
   * a tensor add up to no float32, and neither does what a network makes of it; or where running statistics are not finite.
   */
  checkWeights(step: number, models: Readonly<Record<string, Model>>): void {
    const tensors = (kind: "parameters" | "buffers") =>
      Object.values(models).flatMap((model) => model[kind].map(({ tensor }) => tensor.detach().float()));
    const [finite, count] = noGrad(() =>
      scope(() => {
        const squares = tensors("parameters").map((t) => t.pow(2).sum());
        const zeros = tensors("buffers").map((t) => t.mul(0).sum()); // 0 times what is not finite is NaN
        const sums = squares.length > 0 ? stack([...squares, ...zeros]).toNumbers() : [];
        return [sums.map(Number.isFinite), squares.length] as const;
      }),
    );
    const first = finite.indexOf(false);
    if (first < 0) return;
    const what =
      first < count ? "weights are not finite, or too large to compute with" : "running statistics are not finite";
    throw this.#failure(`step ${step}: the ${what} (learning rate ${this.#learningRate(step - 1)})`);
  }

  /** Forgets what waits: the run is over. */
  close(): void {
    for (const { packed, images } of this.#pending) for (const t of [packed, images]) t?.release();
    this.#pending = [];
  }

  #fail(step: number, what: string, images: Tensor | undefined): never {
    const terms = Object.entries(this.#last)
      .map(([name, value]) => `${name} ${value}`)
      .join(", ");
    throw this.#failure(
      `step ${step}: the loss ${what} (${terms}; learning rate ${this.#learningRate(step - 1)})${shown(images)}`,
    );
  }

  /** `what` happened, where the run was last saved, and what to try. */
  #failure(what: string): TrainingError {
    const saved = this.#saved();
    const left = saved > 0 ? `The checkpoint of step ${saved} is from before` : "There is no checkpoint yet";
    return new TrainingError(`${what}. ${left}. Try a lower --optimizer.lr, a longer warm-up or --precision fp32`);
  }
}

/** Which images the batch was of, by their position in the training set: a picture among them may be broken. */
function shown(images: Tensor | undefined): string {
  if (!images) return "";
  const all = images.toNumbers();
  const rest = all.length > SHOWN ? ` and ${all.length - SHOWN} more` : "";
  return `. Its batch: training images ${all.slice(0, SHOWN).join(", ")}${rest}`;
}

/** Makes one vector of a step's tensors, in the step's scope and without waiting for the device. `MetricReader` releases it. */
export function packMetrics(metrics: Metrics): PackedMetrics {
  const entries = Object.entries(metrics);
  const tensors = entries.flatMap(([, value]) => (value instanceof Tensor ? [value] : []));
  // Without the graph, which would hold on to the step's activations.
  const packed = tensors.length > 0 ? noGrad(() => scope(() => pack(tensors))).keep() : undefined;
  return {
    metrics: entries.map(([name, value]) => [name, value instanceof Tensor ? undefined : value] as const),
    packed,
  };
}

/** One vector of several one-element tensors, in the widest of their types, so that the numbers read are the numbers kept. */
function pack(tensors: readonly Tensor[]): Tensor {
  const exact = tensors.every(({ dtype }) => dtype === "float32") ? "float32" : "float64";
  return cat(tensors.map((t) => t.detach().reshape([1]).to(exact)));
}
