/** Options that several methods declare with the same meaning; a method spreads what it has. */
import { boolean, choice, integer, number } from "../../options.js";
import { linearUp, sigmoidUp } from "../../schedules/index.js";
import { BIAS_WARMUPS, EMA_BUFFERS, EMA_STARTS, type EmaOptions } from "../../targets/index.js";

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

export const consistencyOptions = {
  ...classReductionOption,
  consistencyWeight: number(10, {
    min: 0,
    doc: "largest weight of the consistency cost; squared errors want K to K^2 with K classes (papers: 100 M/N on CIFAR-10)",
  }),
  scaleByLabels: boolean(false, {
    doc: "multiply that weight by M/N, labeled over all training images (Laine & Aila)",
  }),
  rampUpSteps: integer(undefined, {
    min: 0,
    doc: "steps of the sigmoid ramp-up of that weight; if not given, 4/15 of the steps (40,000 of 150,000)",
  }),
  consistencyOnLabeled: boolean(true, {
    doc: "labeled rows take part in the consistency cost (denominator: all rows either way)",
  }),
};

export const emaOptions = {
  emaDecay: number(0.999, { min: 0, max: 1, doc: "share of the old teacher at each update" }),
  emaDecayRampUp: number(undefined, {
    min: 0,
    max: 1,
    doc: "that share during the ramp-up (0.99 in Mean Teacher's SVHN runs); if not given, emaDecay",
  }),
  emaStart: choice(EMA_STARTS, "copy", { doc: "teacher before the first update: copy of the student, random, zeros" }),
  emaWarmup: choice(BIAS_WARMUPS, "oneMinusOneOverT", {
    doc: "ceiling on the share early on: none, 1 - 1/(t+1), or TensorFlow's t/(9+t) at update t",
  }),
};

/** The EMA of a model that is only evaluated takes over the student's running statistics, unless told otherwise. */
export const evaluationEmaOptions = {
  ...emaOptions,
  emaBuffers: choice(EMA_BUFFERS, "copy", {
    doc: "teacher's running statistics: average, copy of the student's, or own",
  }),
};

export interface GivenEma {
  readonly emaDecay: number;
  readonly emaDecayRampUp: number | undefined;
  readonly emaStart: (typeof EMA_STARTS)[number];
  readonly emaWarmup: (typeof BIAS_WARMUPS)[number];
  readonly emaBuffers: (typeof EMA_BUFFERS)[number];
}

/** These options as `EmaTeacher` takes them. */
export function emaFrom(given: GivenEma, rampUpSteps: number): EmaOptions {
  return {
    decayAfterRampup: given.emaDecay,
    decayDuringRampup: given.emaDecayRampUp ?? given.emaDecay,
    rampUpSteps,
    emaStart: given.emaStart,
    biasWarmup: given.emaWarmup,
    buffers: given.emaBuffers,
  };
}

/** Default length of ramp-ups: 40,000 of the paper's 150,000 steps. */
export function rampUpLength(given: number | undefined, totalSteps: number): number {
  return given ?? Math.round((totalSteps * 4) / 15);
}

interface WeightSetup {
  readonly totalSteps: number;
  readonly numLabeled: number;
  readonly numExamples: number;
}

/** The consistency weight as a function of the step (methods.md 1.2). */
export function consistencyWeight(
  { totalSteps, numLabeled, numExamples }: WeightSetup,
  options: {
    readonly consistencyWeight: number;
    readonly scaleByLabels: boolean;
    readonly rampUpSteps: number | undefined;
  },
): (step: number) => number {
  const largest = options.consistencyWeight * (options.scaleByLabels ? numLabeled / numExamples : 1);
  const length = rampUpLength(options.rampUpSteps, totalSteps);
  return (step) => largest * sigmoidUp(step, length);
}

/** MixUp between rows of a batch: see `drawMixUp`. */
export const mixUpOptions = {
  mixAlpha: number(0.5, { min: 0, doc: "both parameters of the Beta distribution of mixing shares; 0: no mixing" }),
  mixPer: choice(["row", "batch"], "row", { doc: "a mixing share for each row, or one for the whole batch" }),
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
  const length = options.rampUpSteps ?? Math.round(share * totalSteps);
  return (step) => options.consistencyWeight * linearUp(step, length);
}
