/**
 * From rows of the sampler to the tensors a method sees. Images lie in one tensor; the native kernel gathers, translates,
 * mirrors and normalizes a view in one pass.
 */

import { planViews, type ViewSource } from "../augment/make-views.js";
import { evaluationImages } from "../augment/photo-views.js";
import type { StrongOptions } from "../augment/strong.js";
import type { Batch, Part, Views } from "../batch.js";
import { badValue, UsageError } from "../errors.js";
import type { ImageSet, PictureFiles } from "../images/image-set.js";
import { imageScaling, type NormalizedSet } from "../images/normalize.js";
import { type Hold, PictureCache } from "../images/picture-cache.js";
import type { Rng } from "../rng.js";
import { borrowTensor, type Scaling, type Tensor, tensor } from "../torch/index.js";
import type { Rows } from "./sampler.js";

/** Images ready to be gathered; `release` frees them. */
export interface ImageStore extends ViewSource {
  /** The memory `images` lies on. */
  readonly pixels: ImageSet["pixels"];
  /** Number of images. */
  readonly count: number;
  /** Where images are decoded on demand: `images` are then those in its slots, and rows must be held to be gathered. */
  readonly cache?: PictureCache | undefined;
  release(): void;
}

/**
 * The pixels as one tensor that outlives scopes, on the set's own memory, which the store keeps alive. `working`: rows that are needed
 * at the same time, at the most, where images are decoded on demand.
 */
export function storeImages(
  { images: set, scaling: given }: NormalizedSet,
  {
    evaluation,
    photo,
    working = 1000,
  }: Pick<ViewSource, "evaluation" | "photo"> & { readonly working?: number | undefined } = {},
): ImageStore {
  const { count, channels, height, width } = set;
  const onDemand = set.files ? pictureCache(set, set.files, given, working) : undefined;
  const { pixels, capacity = count } = onDemand?.cache ?? { pixels: set.pixels };
  const images = borrowTensor(pixels, [capacity, channels, height, width]).keep();
  const { cache, scaling } = onDemand ?? { cache: undefined, scaling: given };
  return { images, pixels, count, cache, scaling, evaluation, photo, release: () => images.release() };
}

/** Where every image has a scaling of its own, a slot's changes with its pixels. */
function pictureCache(set: ImageSet, files: PictureFiles, given: Scaling, working: number) {
  if (given.per === "channel") return { cache: new PictureCache(files, working), scaling: given };
  const one = (pixels: Uint8Array) => imageScaling({ ...set, files: undefined, count: 1, pixels });
  const cache = new PictureCache(files, working, (slot, pixels) => {
    const { scale, offset } = one(pixels);
    scaling.scale[slot] = scale[0]!;
    scaling.offset[slot] = offset[0]!;
  });
  const { capacity } = cache;
  const scaling: Scaling = {
    per: "image",
    scale: new Float32Array(capacity),
    offset: new Float32Array(capacity),
  };
  return { cache, scaling };
}

/** Where rows lie in `store.images`. */
export function placesOf({ cache }: ImageStore, rows: Int32Array): Int32Array {
  return cache ? cache.places(rows) : rows;
}

/**
 * Makes rows ready to be gathered until `release`. Throws UsageError, saying `who` asks for them, where they are more than memory may hold.
 */
export async function holdRows({ cache }: ImageStore, rows: Int32Array, who: string): Promise<Hold> {
  if (!cache) return { ready: undefined, release() {} };
  if (rows.length > cache.capacity) {
    throw new UsageError(
      `${who} needs ${rows.length} pictures in memory, and --dataset.memoryMB leaves room for ${cache.capacity}. Raise it`,
    );
  }
  const hold = cache.hold(rows);
  await hold.ready;
  return hold;
}

/** All rows of a store, for what looks at any of them. Throws UsageError as `holdRows` does. */
export function holdAll(store: ImageStore, who: string): Promise<Hold> {
  if (!store.cache) return holdRows(store, new Int32Array(0), who);
  const { count } = store;
  return holdRows(
    store,
    Int32Array.from({ length: count }, (_, i) => i),
    who,
  );
}

/** Channels, height and width of the images as the network gets them. */
export function inputShape({ images, evaluation }: ViewSource): readonly [number, number, number] {
  const [channels, height, width] = [images.size(1), images.size(2), images.size(3)];
  return evaluation ? [channels, evaluation.side, evaluation.side] : [channels, height, width];
}

export interface LoaderOptions<L extends Views, U extends Views> {
  /** The views the method declared. */
  readonly views: { readonly labeled: L; readonly unlabeled: U };
  /** Largest translation of augmented views, in pixels per axis. */
  readonly translate: number;
  /** Whether augmented views are mirrored at random. */
  readonly flip: boolean;
  /** What "strong" views are. Default: the same as weak ones. */
  readonly strong?: StrongOptions | undefined;
  /** Names the draws; nothing is drawn from it. */
  readonly rng: Rng;
  /** Where batches go. Default "cpu". */
  readonly device?: string;
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

/** The rows of a store in all their views; `index` is what the method is told they are, by default the rows. */
export type PartLoader<V extends Views> = (rows: Int32Array, step: number, index?: Int32Array) => Part<V>;

/** One part of the batches; throws as `createLoader` does. */
export function partLoader<V extends Views>(
  store: ImageStore,
  views: V,
  name: "labeled" | "unlabeled" | "probe",
  { translate, flip, strong, rng, device = "cpu" }: Omit<LoaderOptions<V, V>, "views">,
): PartLoader<V> {
  const limit = Math.min(store.images.size(2), store.images.size(3)) - 1;
  for (const pixels of [translate, ...Object.values(views).map((spec) => spec.translate ?? 0)]) {
    if (Number.isInteger(pixels) && pixels >= 0 && pixels <= limit) continue;
    throw new UsageError(badValue("loader", "translate", `a whole number in 0..${limit} (image side less 1)`, pixels));
  }
  const make = planViews(store, views, name, { translate, flip, strong, rng });
  return (rows, step, index = rows) => {
    const x = Object.entries(make(placesOf(store, rows), step)).map(([role, t]) => [role, place(t, device)]);
    return { x: Object.fromEntries(x) as Part<V>["x"], index: place(tensor(index, [index.length], "int64"), device) };
  };
}

/** `[rows.length]` int64: the labels of these rows. */
export function classesOf(y: Int32Array, rows: Int32Array, device = "cpu"): Tensor {
  const classes = rows.map((i) => y[i]!);
  return place(tensor(classes, [classes.length], "int64"), device);
}

/** The images `rows` of a store as evaluation sees them, normalized: `[rows.length, C, H, W]` float32. */
export function plainImages(store: ImageStore, rows: Int32Array, device = "cpu"): Tensor {
  return place(evaluationImages(store, placesOf(store, rows)), device);
}

/** Images to be judged: without augmentation, in order, in batches. */
export interface EvaluationSet {
  /** Number of images. */
  readonly size: number;
  readonly batches: number;
  /** What batch `k` has to wait for; undefined where it is ready. Batches are asked for in order. */
  prepare(k: number): Promise<void> | undefined;
  /** When no batch is wanted any more. */
  close(): void;
  /** Batch `k`, after `prepare`; call it inside a scope. `x` `[N, C, H, W]` float32, `y` `[N]` class indices. */
  batch(k: number): { readonly x: Tensor; readonly y: Int32Array; readonly index: Int32Array };
}

/** The images `rows` of a store (all by default) with their true labels. */
export function evaluationSet(
  store: ImageStore,
  labels: Int32Array,
  { rows, batch = 500, device = "cpu" }: { rows?: Int32Array; batch?: number; device?: string } = {},
): EvaluationSet {
  const order = rows ?? Int32Array.from({ length: labels.length }, (_, i) => i);
  const batches = Math.ceil(order.length / batch);
  const rowsOf = (k: number) => order.slice(k * batch, (k + 1) * batch);
  /** Of the batch under way and of the next one. */
  const holds = new Map<number, Hold>();
  const keep = (wanted: readonly number[]) => {
    for (const [k, hold] of holds) {
      if (wanted.includes(k)) continue;
      hold.release();
      holds.delete(k);
    }
    for (const k of wanted) {
      if (store.cache && k < batches && !holds.has(k)) holds.set(k, store.cache.hold(rowsOf(k)));
    }
  };
  return {
    size: order.length,
    batches,
    prepare(k) {
      keep([k, k + 1]);
      return holds.get(k)?.ready;
    },
    close: () => keep([]),
    batch(k) {
      const index = rowsOf(k);
      const x = plainImages(store, index, device);
      return { x, y: index.map((i) => labels[i]!), index };
    },
  };
}

function place(t: Tensor, device: string): Tensor {
  return device === "cpu" ? t : t.toDevice(device);
}
