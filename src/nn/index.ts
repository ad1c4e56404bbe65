export type { Json, State, Stateful } from "../stateful.js";
export { withFrozenWeights } from "./frozen.js";
export { type BatchNormSpec, batchNorm2d } from "./layers/batch-norm.js";
export { type ConvSpec, conv2d } from "./layers/conv2d.js";
export { dropConnect } from "./layers/drop-connect.js";
export { layerNorm, layerScale } from "./layers/layer-norm.js";
export { linear } from "./layers/linear.js";
export { type Kept, keepNeighbors, NEIGHBORS, type NeighborsShape, neighbors } from "./layers/neighbors.js";
export { padSame, samePadding } from "./layers/same-padding.js";
export { selfAttention } from "./layers/self-attention.js";
export { sequential } from "./layers/sequential.js";
export { type ShakeSpec, shake } from "./layers/shake.js";
export {
  dropout,
  gaussianNoise,
  gelu,
  globalAvgPool,
  hardSwish,
  layer,
  leakyRelu,
  maxPool2d,
  relu,
  relu6,
  sigmoid,
  silu,
} from "./layers/simple.js";
export { squeezeExcitation } from "./layers/squeeze-excitation.js";
export { NORM_STARTS, weightNormConv2d, weightNormLinear } from "./layers/weight-norm.js";
export type { Heads, Model, NamedTensor, PassRequest } from "./model.js";
export type { Mode, Module, Pass } from "./module.js";
export {
  createModel,
  FREEZES,
  forwardJoint,
  type ModelSettings,
  type Network,
  type NetworkParts,
  network,
  type PartNames,
  splitRows,
} from "./network.js";
export { networkWithHead, withHead } from "./other-head.js";
export { parameter, withoutValues } from "./parameter.js";
export { segment } from "./recomputed.js";
export { type ModuleWatch, type TracedLayer, trace, watchModules } from "./trace.js";
export { initialize, namedBuffers, namedParameters } from "./walk.js";
