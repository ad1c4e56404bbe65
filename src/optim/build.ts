/** From declared options to an optimizer. */
import type { NamedTensor } from "../nn/model.js";
import {
  constantRate,
  cosine7_16Rate,
  gmplRate,
  kekRate,
  linearCosineRate,
  type Schedule,
  sigmoidDown,
  sigmoidRate,
  teDown,
  temporalEnsemblingRate,
} from "../schedules/index.js";
import { Adam } from "./adam.js";
import type { Optimizer } from "./optimizer.js";
import type { OptimizerOptions } from "./options.js";
import type { RateFactor } from "./rates.js";
import { Sgd } from "./sgd.js";

/**
 * The run's optimizer over `parameters`; what the options leave open follows from `totalSteps`. Its schedules begin at
 * `startStep` of the run and span `totalSteps`: a method may train in stages.
 */
export function createOptimizer(
  parameters: readonly NamedTensor[],
  options: OptimizerOptions,
  totalSteps: number,
  startStep = 0,
): Optimizer {
  const from =
    (schedule: Schedule): Schedule =>
    (step) =>
      schedule(step - startStep);
  const learningRate = from(learningRateOf(options, totalSteps));
  const rateFactor: RateFactor = ({ part }) => (part === "backbone" ? options.backboneLrFactor : 1);
  if (options.name === "sgd") return new Sgd(parameters, { ...options, learningRate, rateFactor });
  const { beta1, beta2 } = betasOf(options, totalSteps);
  return new Adam(parameters, { ...options, learningRate, rateFactor, beta1: from(beta1), beta2: from(beta2) });
}

/** Options with every length of time filled in. */
function times(options: OptimizerOptions, totalSteps: number) {
  const { schedule } = options;
  const ramped = schedule === "sigmoid" || schedule === "te";
  const waiting = schedule === "kek" || schedule === "gmpl";
  const warmupShare = ramped ? 4 / 15 : waiting ? 1 / 60 : 0;
  return {
    ramped,
    warmupSteps: options.warmupSteps ?? Math.round(totalSteps * warmupShare),
    rampDownSteps: options.rampDownSteps ?? Math.round(totalSteps / 6),
    cosineSteps: options.cosineSteps ?? Math.ceil((totalSteps * 7) / 6),
    epochSteps: options.epochSteps ?? Math.max(1, Math.round(totalSteps / 300)),
  };
}

/** The learning rate as a function of the step. */
export function learningRateOf(options: OptimizerOptions, totalSteps: number): Schedule {
  const { lr: base, initialLr: initial, waitSteps } = options;
  const { warmupSteps, rampDownSteps, cosineSteps, epochSteps } = times(options, totalSteps);
  switch (options.schedule) {
    case "sigmoid":
      return sigmoidRate({ base, warmupSteps, rampDownSteps, totalSteps });
    case "te":
      return temporalEnsemblingRate({ base, warmupSteps, rampDownSteps, totalSteps, epochSteps });
    case "linear-cosine":
      return linearCosineRate({ base, initial, warmupSteps, cosineSteps, totalSteps });
    case "kek":
      return kekRate({ base, waitSteps, warmupSteps, totalSteps });
    case "gmpl":
      return gmplRate({ base, waitSteps, warmupSteps, totalSteps });
    case "cosine-7-16":
      return cosine7_16Rate({ base, warmupSteps, totalSteps });
    case "constant":
      return constantRate({ base, warmupSteps });
  }
}

/**
 * Adam's betas: beta1(t) = d beta1 + (1 - d) beta1End with d the learning rate's ramp-down factor (1 for schedules
 * without one); beta2(t) = beta2RampUp during the warm-up, then beta2.
 */
export function betasOf(options: OptimizerOptions, totalSteps: number): { beta1: Schedule; beta2: Schedule } {
  const { beta1, beta1End, beta2, beta2RampUp = beta2 } = options;
  const { ramped, warmupSteps, rampDownSteps, epochSteps } = times(options, totalSteps);
  const down: Schedule = (step) => {
    if (!ramped) return 1;
    if (options.schedule === "sigmoid") return sigmoidDown(step, rampDownSteps, totalSteps);
    return teDown(Math.floor(step / epochSteps), rampDownSteps / epochSteps, totalSteps / epochSteps);
  };
  return {
    beta1: (step) => {
      const d = down(step);
      return d * beta1 + (1 - d) * beta1End;
    },
    beta2: (step) => (step < warmupSteps ? beta2RampUp : beta2),
  };
}
