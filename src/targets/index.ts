/** Where a target comes from. */
export { type CalibratorOptions, createCalibrator } from "./calibrator.js";
export {
  BIAS_WARMUPS,
  decayOfRun,
  EMA_BUFFERS,
  EMA_STARTS,
  type EmaDecayOptions,
  type EmaOptions,
  EmaTeacher,
  emaDecay,
  recomputeStatistics,
} from "./ema-teacher.js";
export { BANK_NORMALIZATIONS, BANK_PRECISIONS, EnsembleBank, type EnsembleBankOptions } from "./ensemble-bank.js";
export { LabelBank, type LabelBankOptions } from "./label-bank.js";
export { drawMixUp, type MixUp, type MixUpOptions, mixRows } from "./mix-up.js";
export {
  type ExpectedTable,
  PredictionTable,
  PredictionWriter,
  TABLE_DTYPES,
  type TableDType,
  type TableInfo,
  writePredictionTable,
} from "./prediction-table.js";
export {
  alignDistribution,
  type ConfidenceOptions,
  confidenceMask,
  hardLabels,
  sampleLabels,
  sharpen,
} from "./pseudo-label.js";
export {
  PseudoLabelTable,
  type PseudoLabelTableOptions,
  type Selection,
  selectConfident,
} from "./pseudo-label-table.js";
export { RunningMean, type RunningMeanOptions } from "./running-mean.js";
