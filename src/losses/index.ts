/** Losses: pure functions of tensors, each saying its denominators. */
export {
  CONSISTENCY_COSTS,
  type ConsistencyCostName,
  type ConsistencyCostOptions,
  consistencyCost,
  type TauOptions,
  tauCost,
  tauScale,
} from "./consistency-cost.js";
export { type CrossEntropyOptions, crossEntropy } from "./cross-entropy.js";
export { entropy } from "./entropy.js";
export { klDivergence } from "./kl.js";
export { type LogitDistanceOptions, logitDistance } from "./logit-distance.js";
export type { Reduction } from "./reduce.js";
export { type ConsistencyOptions, softmaxMse, softmaxMseBoth } from "./softmax-mse.js";
