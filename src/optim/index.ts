/** Optimizers and one step with them. */
export { Adam, type AdamOptions, adam, betasOf } from "./adam.js";
export {
  createOptimizer,
  type GivenOptimizer,
  type OptimizerOptions,
  optimizerOptions,
  optimizers,
  packagedOptimizers,
  planOf,
} from "./build.js";
export {
  clipGlobalNorm,
  DECAY_SCOPES,
  type DecayScope,
  decays,
  type Gathered,
  type GradientOptions,
  gatherGradients,
  prepareGradients,
} from "./gradients.js";
export { minimize, type Optimizer, type StepInfo, type StepProgress } from "./optimizer.js";
export { defineOptimizer, type OptimizerDefinition, type OptimizerPlan } from "./optimizer-definition.js";
export { gradientOptions, rateOptions } from "./options.js";
export { forEachRate, type RateFactor, type RateOptions, rateFactors } from "./rates.js";
export {
  LEARNING_RATE_SCHEDULES,
  learningRateSchedules,
  planSchedule,
  type ScheduleOptions,
  scheduleOptions,
} from "./schedules.js";
export { Sgd, type SgdOptions, sgd } from "./sgd.js";
export { StagedOptimizer } from "./staged-optimizer.js";
export { nameSlots, restoreNumber, restoreTensors, zeroSlots } from "./state.js";
