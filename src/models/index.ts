/** The registry of networks: one row each. */
import { UsageError, unknownName } from "../errors.js";
import { cnn13 } from "./cnn-13.js";
import { convnetTiny } from "./convnet-tiny.js";
import { mlp } from "./mlp.js";
import type { ModelDefinition } from "./model-definition.js";

export { defineModel, type InputSpec, type ModelDefinition } from "./model-definition.js";

export const models: readonly ModelDefinition[] = [cnn13, convnetTiny, mlp] as unknown as readonly ModelDefinition[];

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
