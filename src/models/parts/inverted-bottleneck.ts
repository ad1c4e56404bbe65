/** What the mobile networks share. */
import type { Module } from "../../nn/index.js";
import { choice } from "../../options.js";

/** Below this many pixels a side, `strides` is `cifar` unless given. */
const CIFAR_SIDE = 64;

export const stridesOption = choice(["imagenet", "cifar"], undefined, {
  doc: "total stride 32, or 8 (stem and the first stage that halves at stride 1); if not given, cifar for images below 64 pixels",
});

export function isSmall(strides: "imagenet" | "cifar" | undefined, height: number, width: number): boolean {
  return (strides ?? (Math.min(height, width) < CIFAR_SIDE ? "cifar" : "imagenet")) === "cifar";
}

/** The nearest multiple of 8, at least 8, the next one if that would be below 0.9 of `channels`. */
export function roundToEights(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}

/** x + branch(x), the branch under `name`. */
export function addInput(name: string, branch: Module): Module {
  return {
    children: { [name]: branch },
    parameters: {},
    buffers: {},
    forward: (x, pass) => branch.forward(x, pass).add_(x), // batch norm does not need its output for the gradient
  };
}

/** `stack`, then `pool` without a name of its own. */
export function pooled(stack: Module, pool: Module): Module {
  return {
    children: stack.children,
    parameters: {},
    buffers: {},
    forward(x, pass) {
      const maps = stack.forward(x, pass); // [N, C, H, W]
      const means = pool.forward(maps, pass);
      maps.release();
      return means;
    },
  };
}
