/** Optimizers and one step with them. */
export { Adam, type AdamOptions } from "./adam.js";
export { betasOf, createOptimizer, learningRateOf } from "./build.js";
export { clipGlobalNorm, DECAY_SCOPES, type DecayScope, decays, type GradientOptions } from "./gradients.js";
export { minimize, type Optimizer, type StepInfo, type StepProgress } from "./optimizer.js";
export { LEARNING_RATE_SCHEDULES, type OptimizerOptions, optimizerOptions } from "./options.js";
export type { RateFactor, RateOptions } from "./rates.js";
export { Sgd, type SgdOptions } from "./sgd.js";
export { StagedOptimizer } from "./staged-optimizer.js";
