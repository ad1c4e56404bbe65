/** The registry of networks: one row each. */
import { UsageError, unknownName } from "../errors.js";
import { cnn13 } from "./cnn-13.js";
import { convnetTiny } from "./convnet-tiny.js";
import { efficientnet } from "./efficientnet.js";
import { mlp } from "./mlp.js";
import type { ModelDefinition } from "./model-definition.js";
import { resnet } from "./resnet.js";
import { resnext } from "./resnext.js";
import { shakeShake26 } from "./shake-shake-26.js";
import { sharedModelOptions } from "./shared-options.js";
import { wideResnet } from "./wide-resnet.js";

export { CIFAR_INPUT, defineModel, type InputSpec, type ModelDefinition } from "./model-definition.js";
export { sharedModelOptions } from "./shared-options.js";

export const models: readonly ModelDefinition[] = [
  cnn13,
  wideResnet,
  shakeShake26,
  resnet,
  resnext,
  efficientnet,
  convnetTiny,
  mlp,
].map((definition) => ({
  ...definition,
  options: { ...definition.options, ...sharedModelOptions },
})) as readonly unknown[] as readonly ModelDefinition[];

/** A network by its name or the name of one of its presets (whose options come along). Throws UsageError. */
export function findModel(name: string): { definition: ModelDefinition; preset: Readonly<Record<string, unknown>> } {
  for (const definition of models) {
    if (definition.name === name) return { definition, preset: {} };
    const preset = definition.presets[name];
    if (preset) return { definition, preset };
  }
  const valid = models.flatMap((m) => [m.name, ...Object.keys(m.presets)]);
  throw new UsageError(unknownName("fewlabels", "model", name, valid));
}
