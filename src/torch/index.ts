/** The engine's public surface; the only folder that loads the addon. */

export type { Engine } from "./addon.js";
export { autocast, gradEnabled, noGrad, type Precision, withGrad } from "./grad.js";
export {
  type AugmentDraws,
  type AugmentRules,
  addGaussianNoise,
  augmentImages,
  dropout,
  gatherImages,
  IMAGE_OP_ARGUMENTS,
  type ImageProgram,
  imageOps,
  type KernelRng,
  normal,
  type Scaling,
  uniform,
  type ViewDraws,
} from "./kernels.js";
export { launchedAs, type Place } from "./launched.js";
export type { Environment } from "./launchers.js";
export * from "./ops.js";
export { recompute } from "./recompute.js";
export { type ReplayReport, replaySteps, type StepReplay } from "./replay/step-replay.js";
export { cudaMemory, engineInfo, releaseMemory, setThreads, threads, useCuda } from "./runtime.js";
export { inScope, scope } from "./scope.js";
export { ownRows, placeInBatch, type Spread, whole } from "./spread.js";
export { type Operand, recordTape, type Tape, type TapeStep } from "./tape.js";
export {
  borrowTensor,
  call,
  callNumber,
  callTensor,
  type Data,
  type DType,
  liveTensors,
  type Result,
  Tensor,
  tensor,
} from "./tensor.js";
export { canJoin, closeWorld, openWorld, type Transport, transports, type World, world } from "./world.js";
