/** Where the batches of a run come from, as the loop sees it. */
import type { Batch, Views } from "../batch.js";
import type { Stateful } from "../stateful.js";
import type { Tensor } from "../torch/index.js";

/** Gives the batches of steps in order. Its state is the place it has come to. */
export interface BatchSource<L extends Views, U extends Views> extends Stateful {
  /** What the batch of `step` has to wait for; undefined where it is ready. */
  prepare(step: number): Promise<void> | undefined;
  /** The batch of `step`, once and after `prepare`. Call it inside a scope. */
  batch(step: number): Batch<L, U>;
  /**
   * Where strong views learn: images of the last batch for the result's model to judge, after the step and inside its
   * scope.
   */
  probe?(): Probe | undefined;
  /** Passes made so far over the unlabeled stream, or over the only one: a fraction that grows with every batch. */
  readonly epoch: number;
  /** What the user should know since this was last asked. */
  remarks(): readonly string[];
  close(): Promise<void>;
}

/** Labeled images for the network to judge, in mode `eval`. */
export interface Probe {
  /** `[N, C, H, W]` float32: this process's rows. */
  readonly x: Tensor;
  /** `[N, K]` row by row: the probabilities of the classes, of the rows of all processes. */
  observe(probabilities: ArrayLike<number>): void;
}
