/** From a module tree with one or two heads to a model: names, state, precision, generator. */
import { DataError } from "../errors.js";
import type { Rng } from "../rng.js";
import { autocast, cat, noGrad, type Precision, scope, type Tensor } from "../torch/index.js";
import type { Heads, Model, NamedTensor, PassRequest } from "./model.js";
import type { Module, Pass } from "./module.js";
import type { State } from "./stateful.js";
import { initialize, namedBuffers, namedParameters } from "./walk.js";

/** What an architecture's `create` returns: a feature extractor and one or two heads on it. */
export interface Network extends Module {
  forwardHeads(x: Tensor, pass: Pass): Heads;
}

/** `features` `[N, C, H, W]` -> `[N, D]`; `fc` (and `fc2`, the consistency head) `[N, D]` -> `[N, K]`. */
export function network(children: { readonly features: Module; readonly fc: Module; readonly fc2?: Module }): Network {
  const { features, fc, fc2 } = children;
  const forwardHeads = (x: Tensor, pass: Pass): Heads => {
    const h = features.forward(x, pass);
    const logits = fc.forward(h, pass).float();
    return { logits, consistency: fc2 ? fc2.forward(h, pass).float() : logits };
  };
  const parts: Record<string, Module> = fc2 ? { features, fc, fc2 } : { features, fc };
  return {
    children: parts,
    parameters: {},
    buffers: {},
    forwardHeads,
    forward: (x, pass) => forwardHeads(x, pass).logits,
  };
}

export interface ModelSettings {
  /** Weights, and dropout and noise of every pass, are drawn from here. */
  readonly rng: Rng;
  readonly precision: Precision;
  readonly device: string;
}

/** Initializes `net` and wraps it as a model. */
export function createModel(net: Network, { rng, precision, device }: ModelSettings): Model {
  initialize(net, rng);
  const parameters = namedParameters(net);
  const buffers = namedBuffers(net);
  noGrad(() =>
    scope(() => {
      for (const { tensor } of [...parameters, ...buffers]) tensor.toDevice_(device);
    }),
  );
  const passRng = rng.split("passes");
  const complete = (request: PassRequest): Pass =>
    typeof request === "string" ? { mode: request, rng: passRng } : { rng: passRng, ...request };
  const forwardHeads = (x: Tensor, request: PassRequest): Heads =>
    autocast(precision, device, () => scope(() => net.forwardHeads(x, complete(request))));
  return {
    parameters,
    buffers,
    forwardHeads,
    forward: (x, request) => forwardHeads(x, request).logits,
    stateDict: () => ({ tensors: byName([...parameters, ...buffers]), values: { generator: { ...passRng.state() } } }),
    loadStateDict(state) {
      loadTensors([...parameters, ...buffers], state);
      const generator = state.values.generator as unknown as ReturnType<Rng["state"]> | undefined;
      if (generator) passRng.restore(generator);
    },
  };
}

/** One pass over several batches joined along N (one batch-norm batch); the logits come apart again. */
export function forwardJoint(model: Model, batches: readonly Tensor[], pass: PassRequest): Tensor[] {
  const logits = model.forward(cat(batches), pass);
  return splitRows(
    logits,
    batches.map((x) => x.size(0)),
  );
}

/** Views of consecutive row groups. */
export function splitRows(t: Tensor, counts: readonly number[]): Tensor[] {
  let start = 0;
  return counts.map((count) => {
    const part = t.narrow(0, start, count);
    start += count;
    return part;
  });
}

function byName(list: readonly NamedTensor[]): Record<string, Tensor> {
  return Object.fromEntries(list.map(({ name, tensor }) => [name, tensor]));
}

/** Copies saved values in place; throws DataError that lists missing, unexpected and mis-shaped names. */
function loadTensors(targets: readonly NamedTensor[], state: State): void {
  const wanted = byName(targets);
  const shapeOf = (t: Tensor | undefined) => t?.shape.join("x");
  const problems = [
    ...Object.keys(wanted)
      .filter((name) => !state.tensors[name])
      .map((name) => `${name} is missing`),
    ...Object.keys(state.tensors)
      .filter((name) => !wanted[name])
      .map((name) => `${name} is not part of this model`),
    ...Object.entries(state.tensors)
      .filter(([name, t]) => wanted[name] && shapeOf(wanted[name]) !== shapeOf(t))
      .map(([name, t]) => `${name} is ${shapeOf(t)}, expected ${shapeOf(wanted[name])}`),
  ];
  if (problems.length > 0) throw new DataError(`model weights do not fit: ${problems.join("; ")}`);
  noGrad(() =>
    scope(() => {
      for (const [name, target] of Object.entries(wanted)) target.copy_(state.tensors[name]!);
    }),
  );
}
