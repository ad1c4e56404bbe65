/**
 * The central abstraction: a training method is the step it takes and the state it owns. A method never learns which
 * network or data set it runs on; it asks `Setup` for models and optimizers and changes weights itself.
 */

import type { Batch, Views } from "../batch.js";
import type { Model } from "../nn/model.js";
import type { OptimizerOptions } from "../optim/build.js";
import type { Optimizer } from "../optim/optimizer.js";
import type { OptionSpec, OptionsOf } from "../options.js";
import type { Rng } from "../rng.js";
import type { Stateful } from "../stateful.js";
import type { Tensor } from "../torch/index.js";

export type { AugmentName, Batch, Part, ViewSpec, Views } from "../batch.js";

/**
 * Where the run is. `step` counts from 0; `epoch` is how many passes over the unlabeled (or only) stream had been made
 * before this batch, so its whole part is the pass the batch belongs to, and grows at the first batch of each pass.
 */
export interface Progress {
  readonly step: number;
  readonly epoch: number;
  readonly totalSteps: number;
}

/** Scalars by name. Tensors (one element) stay on the device until the loop logs them. */
export type Metrics = Readonly<Record<string, Tensor | number>>;

/** One training method, built for one run. */
export interface Method<L extends Views = Views, U extends Views = Views> {
  /** Once before its first step here: reads what has to be waited for (`Setup.holdImages`). */
  prepare?(): Promise<void>;
  /** Changes the weights by one batch. */
  step(batch: Batch<L, U>, now: Progress): Metrics;
  /** Role of the model whose error is the method's result; a key of `models`. */
  readonly predictor: string;
  /** Every model worth evaluating, by role ("student", "teacher"). */
  readonly models: Readonly<Record<string, Model>>;
  /** The optimizer that steps at `step`, whose learning rate the log names; default the first one built. */
  optimizerAt?(step: number): Optimizer;
  /** Everything a checkpoint must hold: models, optimizers, banks, running means, generators. */
  readonly state: Readonly<Record<string, Stateful>>;
}

/** What a method may ask for. It never sees the data set or the network's name. */
export interface Setup {
  readonly numClasses: number;
  /** Range of `Part.index`. */
  readonly numExamples: number;
  /** Images whose label training may see. */
  readonly numLabeled: number;
  /** Images that training shows, labeled or not: those held out for validation are none of them. */
  readonly numTraining: number;
  readonly totalSteps: number;
  readonly rng: Rng;
  /** The labeled images: their positions, and their classes as training may see them. */
  readonly labeled: { readonly rows: Int32Array; readonly y: Int32Array };
  /** Names the training images: what was stored for them by index (a prediction table) is checked against it. */
  readonly dataFingerprint: string;
  /** Positions of the images that can come as unlabeled rows (with mixed batches those without a label), for methods that label the whole pool between two steps. */
  readonly unlabeledRows: Int32Array;
  /** Training images as evaluation sees them, `[rows.length, C, H, W]`, not augmented, on the run's device. They must be in memory. */
  trainingImages(rows: Int32Array): Tensor;
  /** Brings training images into memory until `release`; pictures that are decoded on demand a few hundred at a time. */
  holdImages(rows: Int32Array): Promise<{ release(): void }>;
  /** Some training images, drawn once, that `trainingImages` gives after the last step whatever is in memory: for statistics. */
  readonly statisticsRows: Int32Array;
  /** Fresh weights (data-dependent initialization done) on the run's device. Each role has its own stream of draws. */
  buildModel(role: string): Model;
  /**
   * The run's optimizer, with its own learning-rate schedule, over `model.parameters`. `changes` replaces what this role
   * has otherwise than the run: options, or the number of steps its schedule spans.
   */
  buildOptimizer(role: string, model: Model, changes?: OptimizerChanges): Optimizer;
}

export interface OptimizerChanges {
  /** Length of the learning-rate schedule; default `totalSteps`. */
  readonly totalSteps?: number;
  /** Step of the run at which that schedule starts; default 0. */
  readonly startStep?: number;
  readonly options?: Partial<OptimizerOptions>;
}

/** A stretch of the run whose batches have another make-up. */
export interface Phase {
  readonly name: string;
  readonly steps: number;
  /** `both`: as the run says (`--batch`, `--labeled-batch`, `--sampler`); `labeled`: labeled rows alone. */
  readonly rows: "both" | "labeled";
  /** Rows of a `labeled` batch; default the run's `--labeled-batch`. Rows repeat where there are fewer labels. */
  readonly batch?: number;
}

export interface MethodDefinition<
  L extends Views = Views,
  U extends Views = Views,
  S extends OptionSpec = OptionSpec,
  N extends string = string,
> {
  /** File name and command-line name. */
  readonly name: N;
  readonly paper: string;
  /** One sentence for `list methods`. */
  readonly summary: string;
  /** Type, default, range and doc of each option: flags and checks follow from it. */
  readonly options: S;
  /** Whether the method reads unlabeled rows at all; false makes every row of the batch labeled. */
  readonly usesUnlabeled: boolean;
  /**
   * Whether its term for unlabeled rows takes the labeled ones of the batch too: mixed batches then teach it something where every
   * image has a label. Default false.
   */
  agreesOnLabeled?(options: OptionsOf<S>): boolean;
  /** Whether a term of the loss reads the second head of a network that has two; default false. */
  readonly usesSecondHead?: boolean;
  /**
   * Whether it looks at any unlabeled image between its batches (`Setup.trainingImages`, tables of all images); the pool can
   * then not be streamed. Default false.
   */
  readonly needsWholePool?: boolean;
  /**
   * Whether it fits a head on the features of a network that stays as it is, all in the first step; `steps` is then 1 unless given.
   * Default false.
   */
  readonly onFeatures?: boolean;
  /** Absolute path of the file that defines it, where it is not the package's own. */
  readonly module?: string;
  /** Whether it asks for agreement between predictions under noise, and does nothing where there is none; default false. */
  readonly wantsNoise?: boolean;
  /** The views the loader must make; reading one that is not declared is a compile error. */
  views(options: OptionsOf<S>): { readonly labeled: L; readonly unlabeled: U };
  /** Stretches of the run, in order; their steps add up to `totalSteps`. Default: one, `both` (or `labeled`, without `usesUnlabeled`). */
  phases?(options: OptionsOf<S>, totalSteps: number): readonly Phase[];
  /**
   * Where rows are mixed: the n sub-batches in which the labeled rows and n - 1 views of the unlabeled ones go through the network
   * (`interleavedForward`). Several processes then need batches that divide so. Default 1: they are not mixed.
   */
  subBatches?(options: OptionsOf<S>): number;
  create(setup: Setup, options: OptionsOf<S>): Method<L, U>;
}

/** Identity function that infers the types of a method from its declaration. */
export function defineMethod<L extends Views, U extends Views, const S extends OptionSpec, const N extends string>(
  definition: MethodDefinition<L, U, S, N>,
): MethodDefinition<L, U, S, N> {
  return definition;
}
