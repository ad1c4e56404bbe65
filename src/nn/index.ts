export type { Json, State, Stateful } from "../stateful.js";
export { type BatchNormSpec, batchNorm2d } from "./batch-norm.js";
export { type ConvSpec, conv2d } from "./conv2d.js";
export { dropConnect } from "./drop-connect.js";
export { withFrozenWeights } from "./frozen.js";
export { dropout, gaussianNoise, globalAvgPool, layer, leakyRelu, maxPool2d, relu, sigmoid, silu } from "./layers.js";
export { linear } from "./linear.js";
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
export { withoutValues } from "./parameter.js";
export { segment } from "./recomputed.js";
export { padSame, samePadding } from "./same-padding.js";
export { sequential } from "./sequential.js";
export { type ShakeSpec, shake } from "./shake.js";
export { squeezeExcitation } from "./squeeze-excitation.js";
export { type TracedLayer, trace } from "./trace.js";
export { initialize, namedBuffers, namedParameters } from "./walk.js";
export { weightNormConv2d, weightNormLinear } from "./weight-norm.js";
