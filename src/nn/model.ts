/** A whole network as methods see it: logits out of images, weights by name, state to save. */

import type { Stateful } from "../stateful.js";
import type { Tensor } from "../torch/index.js";
import type { Mode, Pass } from "./module.js";

/** Outputs of a network with one or two heads; with one, both are the same tensor. */
export interface Heads {
  /** `[N, K]` float32 class logits. */
  readonly logits: Tensor;
  /** `[N, K]` float32 logits of the consistency head. */
  readonly consistency: Tensor;
  /** `[N, D]`: what the heads were given, where the pass asked for it (`withFeatures`) and did not go in groups of rows. */
  readonly features?: Tensor;
}

/** What a caller may say about a pass; the model adds its own generator. A bare mode means `{ mode }`. */
export type PassRequest = Mode | (Omit<Pass, "rng"> & { readonly rng?: Pass["rng"] });

export interface NamedTensor {
  readonly name: string;
  readonly tensor: Tensor;
  /** Whether it belongs to a head or to what lies before; models say it of their parameters. */
  readonly part?: "backbone" | "head";
  /** Height and width of the grid of positions that it is a table of: see `Module.grids`. */
  readonly grid?: readonly [number, number];
}

export interface Model extends Stateful {
  /** x `[N, C, H, W]` float32 -> class logits `[N, K]` float32. */
  forward(x: Tensor, pass: PassRequest): Tensor;
  forwardHeads(x: Tensor, pass: PassRequest): Heads;
  /** What the heads are given, in mode `eval` unless told otherwise: `[N, D]` float32. */
  features(x: Tensor, pass?: PassRequest): Tensor;
  /** Trainable tensors, PyTorch's names, in the order of the layers. */
  readonly parameters: readonly NamedTensor[];
  /** Whether a pass in mode `init` must come before training: some layer sets itself from data. */
  readonly initializesFromData: boolean;
  /** Running statistics. */
  readonly buffers: readonly NamedTensor[];
}
