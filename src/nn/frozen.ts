import type { Model } from "./model.js";

/**
 * Runs `body` with the gradients of the model's weights switched off, and on again afterwards, on a throw too: for gradients
 * with respect to an input, which then neither cost nor leave any with respect to the weights.
 */
export function withFrozenWeights<T>(model: Model, body: () => T): T {
  const trained = model.parameters.map(({ tensor }) => tensor).filter((t) => t.requiresGrad);
  for (const t of trained) t.requiresGrad_(false);
  try {
    return body();
  } finally {
    for (const t of trained) t.requiresGrad_(true);
  }
}
