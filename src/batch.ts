/** The images of a batch in all their views: what methods declare, loaders make and steps read. */
import type { Tensor } from "./torch/index.js";

/**
 * A named augmentation family: what "weak" (translation, flip) and "strong" (`--strong`, a RandAugment recipe) mean is the
 * data set's and the run's business.
 */
export type AugmentName = "none" | "weak" | "strong";

/** How one view of an image is made. Each role is an independent draw unless `sameFlipAs` names another role. */
export interface ViewSpec {
  readonly augment: AugmentName;
  /** Largest random translation of this view in pixels per axis; 0 switches it off. Default: the run's. */
  readonly translate?: number | undefined;
  /** Switches the random horizontal flip off for this view. Default true (and only where the data set allows flips). */
  readonly flip?: boolean | undefined;
  /** Shares the flip draw (not the translation) with the view of this role: Laine & Aila's Pi-model. */
  readonly sameFlipAs?: string | undefined;
}

/** Role of a view -> how it is made. */
export type Views = Readonly<Record<string, ViewSpec>>;

/**
 * Some rows of a batch, in all their views. Where W processes share the batch, each has the pictures of its own rows alone (`x` has N / W
 * of them), and everything else, like the logits that networks give, is of all N.
 */
export interface Part<V extends Views = Views> {
  /** One float32 tensor per role, `[N, C, H, W]` (N / W rows of W processes), normalized. */
  readonly x: { readonly [Role in keyof V]: Tensor };
  /** `[N]` int64, positions in the training set. */
  readonly index: Tensor;
  /** The same as numbers: to read `index` is to wait for the device. */
  readonly rows: Int32Array;
}

/** One batch; either part may have 0 rows (mixed sampling, supervised training). */
export interface Batch<L extends Views = Views, U extends Views = Views> {
  /** Rows with a label; `y` is `[N]` int64 in 0 .. K-1. */
  readonly labeled: Part<L> & { readonly y: Tensor };
  readonly unlabeled: Part<U>;
}
