/** Pure functions of time: ramps and learning-rate recipes. */
export { cos7_16, cosHalf } from "./cosine.js";
export {
  constantRate,
  cosine7_16Rate,
  gmplRate,
  kekRate,
  linearCosineRate,
  type RampedRate,
  type Schedule,
  sigmoidRate,
  stairsRate,
  temporalEnsemblingRate,
  type WaitingRate,
} from "./learning-rate.js";
export { sigmoidDown, teDown } from "./ramp-down.js";
export { cosineUp, linearBetween, linearUp, sigmoidUp, stepUp } from "./ramp-up.js";
export { TSA_SCHEDULES, type TsaSchedule, tsaThreshold } from "./signal-annealing.js";
