/** A network or a model with another head in place of its own, which takes the same features. */
import { Rng } from "../rng.js";
import { scope, type Tensor } from "../torch/index.js";
import type { Heads, Model, NamedTensor, PassRequest } from "./model.js";
import type { Module, Pass } from "./module.js";
import { loadTensors, type Network } from "./network.js";
import { namedBuffers } from "./walk.js";

/** The model whose logits are `head`'s of its features in mode `eval`, in full precision. Its buffers are `NAME.*`; it has nothing to train and draws nothing. */
export function withHead(model: Model, name: string, head: Module): Model {
  const device = model.parameters[0]?.tensor.device ?? "cpu";
  const own = namedBuffers(head).map(
    ({ name: inner, tensor }): NamedTensor => ({
      name: `${name}.${inner}`,
      tensor: scope(() => tensor.toDevice_(device)),
      part: "head",
    }),
  );
  const parameters = model.parameters.filter(({ part }) => part !== "head");
  const buffers = [...model.buffers.filter(({ part }) => part !== "head"), ...own];
  const all = [...parameters, ...buffers];
  const forward = (x: Tensor): Tensor =>
    scope(() => head.forward(model.features(x), { mode: "eval", rng: Rng.fromSeed(0) }));
  const forwardHeads = (x: Tensor, _: PassRequest): Heads => {
    const logits = forward(x);
    return { logits, consistency: logits };
  };
  return {
    parameters,
    buffers,
    initializesFromData: false,
    forward,
    forwardHeads,
    features: model.features,
    stateDict: () => ({
      tensors: Object.fromEntries(all.map(({ name: key, tensor }) => [key, tensor])),
      values: model.stateDict().values,
    }),
    loadStateDict: (state) => loadTensors(all, state),
  };
}

/** The same of a network, whose tensors then have the same names. */
export function networkWithHead(net: Network, name: string, head: Module): Network {
  const forward = (x: Tensor, pass: Pass): Tensor => head.forward(net.features(x, pass), pass);
  const forwardHeads = (x: Tensor, pass: Pass): Heads => {
    const logits = forward(x, pass);
    return { logits, consistency: logits };
  };
  const children = net.heads.reduce((rest, old) => without(rest, old.split(".")), net.children);
  return { ...net, children: { ...children, [name]: head }, heads: [name], forward, forwardHeads };
}

/** The children less the one that stands at this path; the others are the same objects. */
function without(children: Module["children"], [first, ...rest]: readonly string[]): Module["children"] {
  const { [first ?? ""]: named, ...others } = children;
  if (!named || rest.length === 0) return others;
  return { ...others, [first!]: { ...named, children: without(named.children, rest) } };
}
