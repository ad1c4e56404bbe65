/** The engine's public surface; the only folder that loads the addon. */
export { autocast, noGrad, type Precision } from "./grad.js";
export {
  addGaussianNoise,
  dropout,
  gatherImages,
  type KernelRng,
  normal,
  type Scaling,
  uniform,
  type ViewDraws,
} from "./kernels.js";
export * from "./ops.js";
export { engineInfo, setThreads, threads } from "./runtime.js";
export { scope } from "./scope.js";
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
