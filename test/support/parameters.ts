/** Small sets of named tensors with gradients set by hand, for tests of optimizers. */
import type { NamedTensor } from "../../src/nn/model.js";
import { tensor } from "../../src/torch/index.js";
import { randomRows } from "./slow.js";

/** Name -> shape. The names tell layers apart: a 1-D `.weight` belongs to a normalization. */
export const LAYERS: Readonly<Record<string, readonly number[]>> = {
  "features.conv.weight": [3, 2, 3, 3],
  "features.conv.bias": [3],
  "features.norm.weight": [3],
  "features.norm.bias": [3],
  "fc.weight": [4, 3],
  "fc.bias": [4],
};

const count = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);

export function makeParameters(seed = 1, layers = LAYERS): NamedTensor[] {
  return Object.entries(layers).map(([name, shape], i) => {
    const values = Float64Array.from(randomRows(seed + i, 1, count(shape))[0]!);
    return { name, tensor: tensor(values, shape).keep().requiresGrad_() };
  });
}

/** Gives every parameter a gradient of normal numbers, through backward, and returns them. */
export function drawGradients(parameters: readonly NamedTensor[], seed: number): number[][] {
  return parameters.map(({ tensor: w }, i) => {
    const values = randomRows(seed * 100 + i, 1, w.numel)[0]!;
    w.mul(tensor(Float64Array.from(values), w.shape))
      .sum()
      .backward();
    return values;
  });
}

export function valuesOf(parameters: readonly NamedTensor[]): number[][] {
  return parameters.map(({ tensor: w }) => w.toNumbers());
}
