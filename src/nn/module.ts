/**
 * What layers and networks are: a tree of named parts with parameters, buffers and a forward function. Train or eval
 * is an argument of forward, never a hidden flag.
 */
import type { Rng } from "../rng.js";
import type { Spread, Tensor } from "../torch/index.js";

/**
 * - `train`: batch statistics, running statistics updated, dropout and noise on.
 * - `eval`: running statistics, no dropout, no noise.
 * - `probe`: batch statistics, no dropout, no noise, running statistics untouched.
 * - `init`: as train, and layers with data-dependent initialization set themselves from this batch; running statistics untouched.
 */
export type Mode = "train" | "eval" | "probe" | "init";

/** One pass through a network. */
export interface Pass {
  readonly mode: Mode;
  /** Where dropout, noise and gates draw from; a model fills in its own. */
  readonly rng: Rng;
  /** Replaces every dropout probability of the network in this pass. */
  readonly dropout?: number;
  /** Replaces the standard deviation of the input noise in this pass. */
  readonly inputNoise?: number;
  /** false: batch statistics are used but running statistics stay untouched. Default true in mode `train`. */
  readonly updateStatistics?: boolean;
  /** Share of the old running statistics kept at this update, in place of each layer's own. It is one update, whatever groups training goes in. */
  readonly keepStatistics?: number;
  /** In mode `init`: only the heads set themselves, what lies before them runs as in `train`. Default false. */
  readonly headsAlone?: boolean;
  /** What the heads are given is wanted, too: see `Heads.features`. Default false. */
  readonly withFeatures?: boolean;
  /**
   * Every process gives the same rows. Otherwise, but in mode `eval`, the rows are this process's of a batch that all of them share, and
   * the logits come back as those of the whole batch.
   */
  readonly everywhere?: boolean;
  /** Whose the rows are: draws go by their place in the whole batch. Set by the model. */
  readonly spread?: Spread;
  /** Batch statistics are those of the whole batch, not of this process's rows. Set by the model. */
  readonly syncStatistics?: boolean;
  /** Segments of the network keep no activations: they are made again for the backward pass. Set by the model. */
  readonly recompute?: boolean | undefined;
  /** What must surround a pass that is made again (autocast). Set by the model. */
  readonly around?: <T>(body: () => T) => T;
}

export interface Module {
  /** What a layer is, in a few words, for layer tables: "conv 3x3 / 2". Not set on modules that only join others. */
  readonly type?: string;
  /** Products that this module itself forms for one image with this output, where the shapes of its tensors do not tell. */
  readonly products?: (output: readonly number[]) => number;
  /** Parts by name; names are joined by dots, as PyTorch does. */
  readonly children: Readonly<Record<string, Module>>;
  /** This module's own trainable tensors (not the children's). Allocated at creation, values set by `reset`. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** Height and width of the grid that parameters are tables of, by name: `[1, 1 + height width, D]`, the first row of no position. */
  readonly grids?: Readonly<Record<string, readonly [number, number]>>;
  /** This module's own running statistics. */
  readonly buffers: Readonly<Record<string, Tensor>>;
  /** Share of its running statistics that an update keeps, where what they start from is no estimate. */
  readonly keepsStatistics?: number;
  /** Whether mode `init` sets it from a batch: a network with such a layer needs that pass before it is trained. */
  readonly initializesFromData?: boolean;
  /** Sets this module's own parameters and buffers to fresh values. */
  reset?(rng: Rng): void;
  forward(x: Tensor, pass: Pass): Tensor;
}
