/** From rows of the sampler to the tensors a method sees: the native kernel gathers, translates, mirrors and normalizes a view in one pass. */
import { planViews } from "../augment/make-views.js";
import type { StrongOptions } from "../augment/strong.js";
import type { Pad } from "../augment/weak.js";
import type { Batch, Part, Views } from "../batch.js";
import { badValue, UsageError } from "../errors.js";
import type { Rng } from "../rng.js";
import { ownRows, type Spread, type Tensor, tensor, whole } from "../torch/index.js";
import type { Rows } from "./sampler.js";
import { type ImageStore, place, placesOf } from "./store.js";

export interface LoaderOptions<L extends Views, U extends Views> {
  /** The views the method declared. */
  readonly views: { readonly labeled: L; readonly unlabeled: U };
  /** Largest translation of augmented views, in pixels per axis. */
  readonly translate: number;
  /** Whether augmented views are mirrored at random. */
  readonly flip: boolean;
  /** What translation brings in at the border. Default: reflect. */
  readonly pad?: Pad | undefined;
  /** What "strong" views are. Default: the same as weak ones. */
  readonly strong?: StrongOptions | undefined;
  /** Names the draws; nothing is drawn from it. */
  readonly rng: Rng;
  /** Where batches go. Default "cpu". */
  readonly device?: string;
  /** Which rows' views are made: this process's. Default: all. */
  readonly spread?: Spread;
}

export interface Loader<L extends Views, U extends Views> {
  /** The batch of `step`. The same rows and step give the same bits, whatever came before: there is no state to save. */
  batch(rows: Rows, step: number): Batch<L, U>;
}

/**
 * `y` is `[N]`, the labels training may see. Throws UsageError if a view shares its flip with one that does not exist or
 * itself shares, if the translation is too large to reflect, or if the strong view cannot be made from these images.
 */
export function createLoader<L extends Views, U extends Views>(
  store: ImageStore,
  y: Int32Array,
  { views, ...options }: LoaderOptions<L, U>,
): Loader<L, U> {
  const labeled = partLoader<L>(store, views.labeled, "labeled", options);
  const unlabeled = partLoader<U>(store, views.unlabeled, "unlabeled", options);
  return {
    batch: (rows, step) => ({
      labeled: { ...labeled(rows.labeled, step), y: classesOf(y, rows.labeled, options.device) },
      unlabeled: unlabeled(rows.unlabeled, step),
    }),
  };
}

/** The own ones of the rows of a store in all their views; `index` is what the method is told all of them are, by default the rows. */
export type PartLoader<V extends Views> = (rows: Int32Array, step: number, index?: Int32Array) => Part<V>;

/** One part of the batches; throws as `createLoader` does. */
export function partLoader<V extends Views>(
  store: ImageStore,
  views: V,
  name: "labeled" | "unlabeled" | "probe",
  { translate, flip, pad, strong, rng, device = "cpu", spread = whole }: Omit<LoaderOptions<V, V>, "views">,
): PartLoader<V> {
  const limit = Math.min(store.images.size(2), store.images.size(3)) - 1;
  for (const pixels of [translate, ...Object.values(views).map((spec) => spec.translate ?? 0)]) {
    if (Number.isInteger(pixels) && pixels >= 0 && pixels <= limit) continue;
    throw new UsageError(badValue("loader", "translate", `a whole number in 0..${limit} (image side less 1)`, pixels));
  }
  const make = planViews(store, views, name, { translate, flip, pad, strong, rng, spread });
  return (rows, step, index = rows) => {
    const x = Object.entries(make(placesOf(store, ownRows(rows, spread)), step)).map(([role, t]) => [
      role,
      place(t, device),
    ]);
    return {
      x: Object.fromEntries(x) as Part<V>["x"],
      index: place(tensor(index, [index.length], "int64"), device),
      rows: index,
    };
  };
}

/** `[rows.length]` int64: the labels of these rows. */
export function classesOf(y: Int32Array, rows: Int32Array, device = "cpu"): Tensor {
  const classes = rows.map((i) => y[i]!);
  return place(tensor(classes, [classes.length], "int64"), device);
}
