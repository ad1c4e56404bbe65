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
