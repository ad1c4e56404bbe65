import { Rng } from "../rng.js";
import { noGrad, scope, type Tensor, zeros } from "../torch/index.js";
import type { Module } from "./module.js";

/** One layer as a pass found it. */
export interface TracedLayer {
  /** Dotted, as in the names of its tensors; tensors that the network itself has go by their own names. */
  readonly name: string;
  readonly type: string;
  /** Shape for one image, without the batch axis. */
  readonly output: readonly number[];
  readonly parameters: number;
  /** Products that convolutions and dense layers form for one image; everything else counts 0. */
  readonly multiplyAccumulates: number;
}

/**
 * Runs one image of zeros through the network in mode `eval` and lists its layers in the order they were called: modules
 * that say their `type`, or have tensors of their own. `shape` is `[C, H, W]`. The weights need no values.
 */
export function trace(network: Module, shape: readonly number[]): TracedLayer[] {
  const layers: TracedLayer[] = [];
  const isLayer = (module: Module) => module.type !== undefined || Object.keys(module.parameters).length > 0;
  const watch: ModuleWatch = (name, module, run) => {
    const y = run();
    if (isLayer(module)) layers.push(describe(name, module, y));
    return y;
  };
  watchModules(network, watch, () =>
    noGrad(() => scope(() => void network.forward(zeros([1, ...shape]), { mode: "eval", rng: Rng.fromSeed(0) }))),
  );
  return layers;
}

/** Stands around every forward pass of a module; `run` is that pass. */
export type ModuleWatch = (name: string, module: Module, run: () => Tensor) => Tensor;

/** Runs `body`, during which `watch` stands around the forward passes of all modules of the tree. */
export function watchModules<T>(network: Module, watch: ModuleWatch, body: () => T): T {
  // Modules are called through the objects in the tree, so a watch on the object sees every call.
  const originals = modulesOf(network).map(({ name, module }) => {
    const { forward } = module;
    const watched: Module["forward"] = (x, pass) => watch(name, module, () => forward(x, pass));
    Object.assign(module, { forward: watched });
    return { module, forward };
  });
  try {
    return body();
  } finally {
    // The latest watch first: a module that is in the tree twice gets its own pass back.
    for (const { module, forward } of originals.reverse()) Object.assign(module, { forward });
  }
}

function describe(name: string, module: Module, y: Tensor): TracedLayer {
  const output = y.shape.slice(1);
  const tensors = Object.values(module.parameters);
  // A kernel [O, ...] forms numel / O products for each output; gains and offsets have one axis.
  const kernels = tensors.filter((t) => t.shape.length >= 2);
  const outputs = output.reduce((a, b) => a * b, 1);
  return {
    name: name === "" ? Object.keys(module.parameters).join(", ") : name,
    type: module.type ?? "layer",
    output,
    parameters: tensors.reduce((sum, t) => sum + t.numel, 0),
    multiplyAccumulates:
      module.products?.(output) ?? kernels.reduce((sum, t) => sum + (t.numel / t.size(0)) * outputs, 0),
  };
}

function modulesOf(module: Module, name = ""): { readonly name: string; readonly module: Module }[] {
  const inner = Object.entries(module.children).flatMap(([key, child]) =>
    modulesOf(child, name === "" ? key : `${name}.${key}`),
  );
  return [{ name, module }, ...inner];
}
