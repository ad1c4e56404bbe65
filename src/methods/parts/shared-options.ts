/** Options that several methods declare with the same meaning; a method spreads what it has. */
import { boolean, choice, integer, needFact, needLayers, needNotZero, needPositive, number } from "../../options.js";
import { linearUp, sigmoidUp } from "../../schedules/index.js";
import { BIAS_WARMUPS, decayOfRun, type EMA_BUFFERS, EMA_STARTS, type EmaOptions } from "../../targets/index.js";
import type { Progress } from "../method.js";

/** What options of a pass, or of running statistics, need of the network. */
export const dropoutLayers = [needLayers("model.dropout", "dropout layers", { model: "convnet-tiny" })];
export const inputNoise = [needLayers("model.inputNoise", "input noise", { model: "convnet-tiny" })];
/** Of a data set, or of the run, that mirrors rows at random. */
export const randomFlips = [
  needFact("views.flip", "random flips: a data set of photos, or --flip", { flip: true, model: "convnet-tiny" }),
];
export const runningStatistics = [needLayers("model.normKeep", "running statistics", { model: "convnet-tiny" })];

/** The classification cost's denominator (methods.md 1.1). */
export const classReductionOption = {
  classReduction: choice(["batch", "labeled"], "batch", {
    doc: "denominator of the classification cost: all rows of the batch (the papers' weights mean this), or its labeled rows",
  }),
};

/** The same for methods whose published weights belong to a mean over the labeled rows. */
export const labeledReductionOption = {
  classReduction: choice(["batch", "labeled"], "labeled", {
    doc: "denominator of the classification cost: its labeled rows (the papers' weights mean this), or all rows of the batch",
  }),
};

/** Of what shapes the consistency weight or its gradient. */
export const weighed = needNotZero("method.consistencyWeight");
const ramped = needNotZero("method.rampUpSteps", 2);

export const consistencyOptions = {
  ...classReductionOption,
  consistencyWeight: number(undefined, {
    min: 0,
    doc: "largest weight of the consistency cost; if not given, K, the number of classes, for squared errors, which want K to K^2 (papers: 100 M/N on CIFAR-10), and 1 for cost kl, which wants 1 to 10",
  }),
  scaleByLabels: boolean(false, {
    needs: [weighed],
    doc: "multiply that weight by M/N, labeled over all images that training shows: 1 with all labels (Laine & Aila)",
  }),
  rampUpSteps: integer(undefined, {
    min: 0,
    doc: "steps of the ramp-up of that weight; if not given, 4/15 of the steps (40,000 of 150,000)",
  }),
  rampUp: choice(["sigmoid", "linear"], "sigmoid", {
    needs: [weighed, ramped],
    doc: "its form: exp(-5 (1 - t)^2) of the first papers, or linear, as in the comparisons of FixMatch and USB",
  }),
  rampEvery: choice(["step", "epoch"], "step", {
    needs: [weighed, ramped],
    doc: "when that weight grows: every step, or once an epoch, as in the runs of Temporal Ensembling and of Mean Teacher's residual networks",
  }),
  consistencyOnLabeled: boolean(true, {
    doc: "labeled rows take part in the consistency cost (denominator: all rows either way)",
  }),
};

/** The share of the old average, `most` of a long run. */
export function emaDecayOption(most: number) {
  return {
    emaDecay: number(undefined, {
      min: 0,
      max: 1,
      doc: `share of the old teacher at each update; if not given, 1 - 20/steps, ${most} at the most (as published)`,
    }),
  };
}

export const emaOptions = {
  ...emaDecayOption(0.999),
  emaDecayRampUp: number(undefined, {
    needs: [ramped],
    min: 0,
    max: 1,
    doc: "that share while a weight ramps up, in methods without a ramp-up in the first 4/15 of the steps (0.99 in Mean Teacher's SVHN runs); if not given, emaDecay",
  }),
  emaStart: choice(EMA_STARTS, "copy", { doc: "teacher before the first update: copy of the student, random, zeros" }),
  emaWarmup: choice(BIAS_WARMUPS, "oneMinusOneOverT", {
    doc: "ceiling on the share early on: none, 1 - 1/(t+1), or TensorFlow's t/(9+t) at update t",
  }),
};

/** The EMA of a model that is only evaluated has no running statistics of its own: nothing forwards it in mode train. */
export const evaluationEmaOptions = {
  ...emaOptions,
  emaBuffers: choice(["recompute", "average", "copy"], "recompute", {
    needs: runningStatistics,
    doc: "teacher's running statistics: average of the student's, at the end of the run measured anew on training images (recompute); average alone; or copy of the student's (as published)",
  }),
};

const { emaDecayRampUp: _, ...steady } = evaluationEmaOptions;
/** The same where nothing ramps up. */
export const steadyEmaOptions = steady;

export interface GivenEma {
  readonly emaDecay: number | undefined;
  readonly emaDecayRampUp?: number | undefined;
  readonly emaStart: (typeof EMA_STARTS)[number];
  readonly emaWarmup: (typeof BIAS_WARMUPS)[number];
  readonly emaBuffers: (typeof EMA_BUFFERS)[number];
}

export interface EmaLength {
  /** Steps the average follows the student for; its decay follows from it where none is given. */
  readonly totalSteps: number;
  /** How long `emaDecayRampUp` holds. */
  readonly rampUpSteps: number;
  /** The largest decay by default; 0.999 unless said otherwise. */
  readonly most?: number;
}

/** These options as `EmaTeacher` takes them. */
export function emaFrom(given: GivenEma, { totalSteps, rampUpSteps, most }: EmaLength): EmaOptions {
  const decay = given.emaDecay ?? decayOfRun(totalSteps, most);
  return {
    decayAfterRampup: decay,
    decayDuringRampup: given.emaDecayRampUp ?? decay,
    rampUpSteps,
    emaStart: given.emaStart,
    biasWarmup: given.emaWarmup,
    buffers: given.emaBuffers,
  };
}

/** Length of a ramp-up of which only its `share` of the run is known; by default that of 40,000 of the paper's 150,000 steps. */
export function rampUpLength(given: number | undefined, totalSteps: number, share = 4 / 15): number {
  return given ?? Math.round(share * totalSteps);
}

interface WeightSetup {
  readonly totalSteps: number;
  readonly numLabeled: number;
  readonly numTraining: number;
  readonly numClasses: number;
}

/**
 * w(t) = consistencyWeight exp(-5 (1 - t / rampUpSteps)^2), or consistencyWeight t / rampUpSteps with the linear `rampUp`, and from there on
 * consistencyWeight; times M/N with scaleByLabels.
 */
export function consistencyWeight(
  { totalSteps, numLabeled, numTraining, numClasses }: WeightSetup,
  options: {
    readonly consistencyWeight: number | undefined;
    readonly cost?: string;
    readonly scaleByLabels: boolean;
    readonly rampUpSteps: number | undefined;
    readonly rampUp: "sigmoid" | "linear";
    readonly rampEvery: "step" | "epoch";
  },
): (now: Pick<Progress, "step" | "epoch">) => number {
  const weight = options.consistencyWeight ?? (options.cost === "kl" ? 1 : numClasses);
  const largest = weight * (options.scaleByLabels ? numLabeled / numTraining : 1);
  const length = rampUpLength(options.rampUpSteps, totalSteps);
  const held = options.rampEvery === "epoch" ? epochStart : ({ step }: Pick<Progress, "step">) => step;
  const up = options.rampUp === "linear" ? linearUp : sigmoidUp;
  return (now) => largest * up(held(now), length);
}

/** The step at which this step's epoch began. */
function epochStart({ step, epoch }: Pick<Progress, "step" | "epoch">): number {
  return epoch < 1 ? 0 : Math.round((step * Math.floor(epoch)) / epoch);
}

/** MixUp between rows of a batch: see `drawMixUp`. */
export const mixUpOptions = {
  mixAlpha: number(0.5, { min: 0, doc: "both parameters of the Beta distribution of mixing shares; 0: no mixing" }),
  mixPer: choice(["row", "batch"], "row", {
    needs: [needPositive("method.mixAlpha", 0.5)],
    doc: "a mixing share for each row, or one for the whole batch",
  }),
};

/** A largest weight, and the linear ramp-up to it over a share of the run. */
export function linearRampOptions(weight: number, term: string, share: number, whose: string) {
  return {
    consistencyWeight: number(weight, { min: 0, doc: `largest weight of ${term}` }),
    rampUpSteps: integer(undefined, {
      min: 0,
      doc: `steps of the linear ramp-up of that weight; if not given, ${share} of the steps (${whose})`,
    }),
  };
}

/** The weight that `linearRampOptions` describe, as a function of the step. */
export function linearRampWeight(
  options: { readonly consistencyWeight: number; readonly rampUpSteps: number | undefined },
  totalSteps: number,
  share: number,
): (step: number) => number {
  const length = rampUpLength(options.rampUpSteps, totalSteps, share);
  return (step) => options.consistencyWeight * linearUp(step, length);
}
