import type { Tensor } from "../../torch/index.js";
import type { Module, Pass } from "../module.js";

/**
 * Modules one after another, named by their keys (a list: "0", "1", ..., as PyTorch does). Each intermediate result is released as soon as the next module has
 * used it (what the gradient needs, the graph keeps): without that the allocator fragments and resident memory grows.
 */
export function sequential(children: Readonly<Record<string, Module>> | readonly Module[]): Module {
  const parts = Object.values(children);
  return {
    children: { ...children } as Readonly<Record<string, Module>>,
    parameters: {},
    buffers: {},
    forward(x: Tensor, pass: Pass) {
      let h = x;
      for (const part of parts) {
        const next = part.forward(h, pass);
        if (h !== x && h !== next) h.release();
        h = next;
      }
      return h;
    },
  };
}
