/** Walks over a module tree: names, initialization, memory layout. */
import type { Rng } from "../rng.js";
import { noGrad, scope, type Tensor } from "../torch/index.js";
import type { NamedTensor } from "./model.js";
import type { Module } from "./module.js";

/** Every trainable tensor of the tree, by dotted name, in the order of declaration. */
export function namedParameters(module: Module): NamedTensor[] {
  return collect(module, (m) => m.parameters);
}

/** Every running statistic of the tree. */
export function namedBuffers(module: Module): NamedTensor[] {
  return collect(module, (m) => m.buffers);
}

/** Fresh values everywhere. Each tensor's draws depend on the generator's key and the module's name alone. */
export function initialize(module: Module, rng: Rng, prefix = ""): void {
  noGrad(() => scope(() => module.reset?.(rng.split(`init:${prefix}`))));
  for (const [name, child] of Object.entries(module.children)) initialize(child, rng, join(prefix, name));
}

/** Whether it holds for a module of the tree. */
export function anyModule(module: Module, holds: (module: Module) => boolean): boolean {
  return holds(module) || Object.values(module.children).some((child) => anyModule(child, holds));
}

function collect(module: Module, own: (m: Module) => Readonly<Record<string, Tensor>>, prefix = ""): NamedTensor[] {
  const mine = Object.entries(own(module)).map(([name, tensor]) => {
    const grid = module.grids?.[name];
    return { name: join(prefix, name), tensor, ...(grid && { grid }) };
  });
  const theirs = Object.entries(module.children).flatMap(([name, child]) => collect(child, own, join(prefix, name)));
  return [...mine, ...theirs];
}

function join(prefix: string, name: string): string {
  return prefix === "" ? name : `${prefix}.${name}`;
}
