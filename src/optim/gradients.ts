/** From gradients to what an optimizer applies: gathering, weight decay and clipping, all as multi-tensor operators. */
import type { NamedTensor } from "../nn/model.js";
import { foreachAdd_, foreachMul_, foreachMulEach_, foreachNorm, stack, type Tensor, world } from "../torch/index.js";

/** Which tensors weight decay applies to; see `decays`. */
export const DECAY_SCOPES = ["all", "noNorm", "kernelsOnly"] as const;
export type DecayScope = (typeof DECAY_SCOPES)[number];

export interface GradientOptions {
  /** Adds weightDecay * w to the gradient of w (L2), for the tensors in `decayScope`. */
  readonly weightDecay: number;
  readonly decayScope: DecayScope;
  /** Decay apart from the gradient: w <- (1 - lr weightDecay) w before the step (AdamW). Default false. */
  readonly decoupledDecay?: boolean;
  /** Largest global norm of the gradients; 0 = off. */
  readonly clipNorm: number;
  /** Whether the norm includes the weight-decay part (Google's code) or not (PyTorch's habit). Default false. */
  readonly clipAfterDecay?: boolean;
}

/** Parameters that got a gradient, in the order of the parameters, with their positions there. */
export interface Gathered {
  readonly indices: readonly number[];
  readonly params: Tensor[];
  readonly grads: Tensor[];
}

/**
 * Collects the gradients: one handle each, so call it once a step and inside a scope. Where several processes have rows of the batch,
 * each has its rows' part of the gradient of the whole batch's loss: they are summed up here, in place.
 */
export function gatherGradients(parameters: readonly NamedTensor[]): Gathered {
  const indices: number[] = [];
  const params: Tensor[] = [];
  const grads: Tensor[] = [];
  for (const [index, { tensor }] of parameters.entries()) {
    const grad = tensor.grad;
    if (!grad) continue;
    indices.push(index);
    params.push(tensor);
    grads.push(grad);
  }
  world().sum(grads);
  return { indices, params, grads };
}

/**
 * Whether weight decay applies to each parameter:
 * - `all`: every one;
 * - `noNorm`: all but those of normalization layers: a layer whose `.weight` is 1-D (the kernels of convolutions and
 *   linear layers have 2 or more axes), with its `.bias`;
 * - `kernelsOnly`: those with 2 or more axes, so no biases and no gains either.
 */
export function decays(parameters: readonly NamedTensor[], scope: DecayScope): boolean[] {
  const layerOf = (name: string) => name.slice(0, name.lastIndexOf(".") + 1);
  const norms = new Set<string>();
  for (const { name, tensor } of parameters) {
    if (/(^|\.)weight$/.test(name) && tensor.shape.length === 1) norms.add(layerOf(name));
  }
  return parameters.map(({ name, tensor }) => {
    if (scope === "all") return true;
    if (scope === "kernelsOnly") return tensor.shape.length >= 2;
    return !(norms.has(layerOf(name)) && /(^|\.)(weight|bias)$/.test(name));
  });
}

/** Adds weight decay and clips, in place. Returns the global norm before clipping if it clips. */
export function prepareGradients(
  gathered: Gathered,
  decayed: readonly boolean[],
  options: GradientOptions,
): Tensor | undefined {
  const { weightDecay, decoupledDecay = false, clipNorm, clipAfterDecay = false } = options;
  const decay = () => {
    if (weightDecay === 0 || decoupledDecay) return;
    const chosen = (tensors: readonly Tensor[]) => tensors.filter((_, i) => decayed[gathered.indices[i]!]);
    const grads = chosen(gathered.grads);
    if (grads.length > 0) foreachAdd_(grads, chosen(gathered.params), weightDecay);
  };
  if (clipAfterDecay) decay();
  const norm = clipNorm > 0 ? clipGlobalNorm(gathered.grads, clipNorm) : undefined;
  if (!clipAfterDecay) decay();
  return norm;
}

/** w <- (1 - rate weightDecay) w of those parameters that decay, where decay is apart from the gradient. `at`: their positions. */
export function decayApart(
  params: readonly Tensor[],
  at: readonly number[],
  decayed: readonly boolean[],
  rate: number,
  { weightDecay, decoupledDecay = false }: GradientOptions,
): void {
  if (!decoupledDecay || weightDecay === 0) return;
  const chosen = params.filter((_, i) => decayed[at[i]!]);
  if (chosen.length > 0) foreachMul_(chosen, 1 - rate * weightDecay);
}

/** Scales all gradients by min(1, maxNorm / (norm + 1e-6)) in place, without waiting for the device; returns the norm. */
export function clipGlobalNorm(grads: readonly Tensor[], maxNorm: number): Tensor | undefined {
  if (grads.length === 0) return undefined;
  const squared = stack(foreachNorm(grads)).pow(2);
  const norm = squared.sum().sqrt();
  const factor = norm.add(1e-6).pow(-1).mul(maxNorm).clampMax(1);
  foreachMulEach_(
    grads,
    grads.map(() => factor),
  );
  return norm;
}
