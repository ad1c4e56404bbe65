/** Where a target comes from. */
export {
  BIAS_WARMUPS,
  EMA_BUFFERS,
  EMA_STARTS,
  type EmaDecayOptions,
  type EmaOptions,
  EmaTeacher,
  emaDecay,
} from "./ema-teacher.js";
export {
  alignDistribution,
  type ConfidenceOptions,
  confidenceMask,
  hardLabels,
  sampleLabels,
  sharpen,
} from "./pseudo-label.js";
export { RunningMean, type RunningMeanOptions } from "./running-mean.js";
