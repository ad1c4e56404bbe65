/** What a network amounts to for one input: layers, parameters, multiply-accumulates, memory. */

import { findByName } from "../errors.js";
import { namedBuffers, namedParameters, type TracedLayer, trace } from "../nn/index.js";
import { parseOptions } from "../options.js";
import { models } from "./index.js";
import { CIFAR_INPUT, type InputSpec, type ModelDefinition } from "./model-definition.js";

export interface ModelFacts {
  readonly input: InputSpec;
  /** Trainable numbers. */
  readonly parameters: number;
  /** For one image, forward; biases, normalization and pooling not counted. */
  readonly multiplyAccumulates: number;
  /** Estimates in MB, float32: the weights once, and the outputs of all layers for one image (kept for the backward pass). */
  readonly memoryMB: { readonly weights: number; readonly activationsPerImage: number };
  readonly layers: readonly TracedLayer[];
}

/**
 * Builds the network of that name or preset and runs one image through it. Input: the papers' own unless given. Throws
 * UsageError on unknown names and options.
 */
export function modelFacts(
  name: string,
  given: Readonly<Record<string, unknown>> = {},
  size: Partial<InputSpec> = {},
  known: readonly ModelDefinition[] = models,
): ModelFacts {
  const { item: definition, preset } = findByName(known, "model", name);
  const input = { ...(definition.input ?? CIFAR_INPUT), ...size };
  const options = parseOptions(definition.options, { ...preset, ...given }, `fewlabels model ${name}`);
  const network = definition.create(input, options);
  const tensors = [...namedParameters(network), ...namedBuffers(network)];
  try {
    const layers = trace(network, [input.channels, input.height, input.width]);
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const parameters = sum(namedParameters(network).map(({ tensor }) => tensor.numel));
    const megabytes = (numbers: number) => Math.round((numbers * 4) / 2 ** 18) / 4; // to a quarter
    return {
      input,
      parameters,
      multiplyAccumulates: sum(layers.map((layer) => layer.multiplyAccumulates)),
      memoryMB: {
        weights: megabytes(parameters),
        activationsPerImage: megabytes(sum(layers.map(({ output }) => output.reduce((a, b) => a * b, 1)))),
      },
      layers,
    };
  } finally {
    for (const { tensor } of tensors) tensor.release();
  }
}
