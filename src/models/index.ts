/** The registry of networks: one row each. */
import { findByName } from "../errors.js";
import { cnn13 } from "./cnn-13.js";
import { convnetTiny } from "./convnet-tiny.js";
import { convnext } from "./convnext.js";
import { efficientnet } from "./efficientnet.js";
import { mlp } from "./mlp.js";
import { mobilenetV2 } from "./mobilenet-v2.js";
import { mobilenetV3 } from "./mobilenet-v3.js";
import type { ModelDefinition } from "./model-definition.js";
import { resnet } from "./resnet.js";
import { resnext } from "./resnext.js";
import { shakeShake26 } from "./shake-shake-26.js";
import { vit } from "./vit.js";
import { wideResnet } from "./wide-resnet.js";

export { CIFAR_INPUT, defineModel, type InputSpec, type ModelDefinition } from "./model-definition.js";
export { sharedModelOptions } from "./shared-options.js";

export { cnn13, convnetTiny, efficientnet, mlp, resnet, resnext, shakeShake26, wideResnet };

/** Each with its own name and options, for the types of a run. */
export const packagedModels = [
  cnn13,
  wideResnet,
  shakeShake26,
  resnet,
  resnext,
  efficientnet,
  mobilenetV2,
  mobilenetV3,
  convnext,
  vit,
  convnetTiny,
  mlp,
] as const;
export const models: readonly ModelDefinition[] = packagedModels;

/** A network by its name or the name of one of its presets (whose options come along). Throws UsageError. */
export function findModel(name: string): { definition: ModelDefinition; preset: Readonly<Record<string, unknown>> } {
  const { item: definition, preset } = findByName(models, "model", name);
  return { definition, preset };
}
