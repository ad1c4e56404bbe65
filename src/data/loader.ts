/**
 * From rows of the sampler to the tensors a method sees. Images lie in one tensor; the native kernel gathers, translates,
 * mirrors and normalizes a view in one pass.
 */
import type { Batch, Part, Views } from "../augment/views.js";
import { drawWeak, type WeakDraws } from "../augment/weak.js";
import { badValue, UsageError, unknownName } from "../errors.js";
import type { Rng } from "../rng.js";
import { borrowTensor, gatherImages, type Scaling, type Tensor, tensor } from "../torch/index.js";
import type { ImageSet } from "./dataset.js";
import type { NormalizedSet } from "./normalize.js";
import type { Rows } from "./sampler.js";

/** Images ready to be gathered; `release` frees them. */
export interface ImageStore {
  /** `[N, C, H, W]`, uint8 or float32, on the CPU. */
  readonly images: Tensor;
  /** The memory `images` lies on. */
  readonly pixels: ImageSet["pixels"];
  readonly scaling: Scaling;
  release(): void;
}

/** The pixels as one tensor that outlives scopes, on the set's own memory, which the store keeps alive. */
export function storeImages({ images: set, scaling }: NormalizedSet): ImageStore {
  const { pixels } = set;
  const images = borrowTensor(pixels, [set.count, set.channels, set.height, set.width]).keep();
  return { images, pixels, scaling, release: () => images.release() };
}

export interface LoaderOptions<L extends Views, U extends Views> {
  /** The views the method declared. */
  readonly views: { readonly labeled: L; readonly unlabeled: U };
  /** Largest translation of weak views, in pixels per axis. */
  readonly translate: number;
  /** Whether weak views are mirrored at random. */
  readonly flip: boolean;
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
 * itself shares, or if the translation is too large to reflect.
 */
export function createLoader<L extends Views, U extends Views>(
  store: ImageStore,
  y: Int32Array,
  { views, translate, flip, rng, device = "cpu" }: LoaderOptions<L, U>,
): Loader<L, U> {
  const limit = Math.min(store.images.size(2), store.images.size(3)) - 1;
  const specs = [...Object.values(views.labeled), ...Object.values(views.unlabeled)];
  for (const pixels of [translate, ...specs.map((spec) => spec.translate ?? 0)]) {
    if (Number.isInteger(pixels) && pixels >= 0 && pixels <= limit) continue;
    throw new UsageError(badValue("loader", "translate", `a whole number in 0..${limit} (image side less 1)`, pixels));
  }
  const draws = {
    labeled: planDraws(views.labeled, "labeled", { translate, flip, rng }),
    unlabeled: planDraws(views.unlabeled, "unlabeled", { translate, flip, rng }),
  };
  const part = <V extends Views>(specs: V, plan: DrawPlan, index: Int32Array, step: number): Part<V> => {
    const drawn = plan(step, index.length);
    const x: Record<string, Tensor> = {};
    for (const role of Object.keys(specs)) {
      x[role] = place(gatherImages(store.images, index, drawn.get(role), store.scaling), device);
    }
    return { x: x as Part<V>["x"], index: place(tensor(index, [index.length], "int64"), device) };
  };
  return {
    batch({ labeled, unlabeled }, step) {
      const classes = labeled.map((i) => y[i]!);
      return {
        labeled: {
          ...part(views.labeled, draws.labeled, labeled, step),
          y: place(tensor(classes, [classes.length], "int64"), device),
        },
        unlabeled: part(views.unlabeled, draws.unlabeled, unlabeled, step),
      };
    },
  };
}

/** The draws of every role at a step; a role that is not augmented has none. */
type DrawPlan = (step: number, rows: number) => ReadonlyMap<string, WeakDraws>;

function planDraws(
  views: Views,
  part: string,
  { translate, flip, rng }: { translate: number; flip: boolean; rng: Rng },
): DrawPlan {
  const plans = Object.entries(views).map(([role, spec]) => {
    const options =
      spec.augment === "none"
        ? { translate: 0, flip: false }
        : { translate: spec.translate ?? translate, flip: flip && spec.flip !== false };
    return { role, options, rng: rng.split(`${part}.${role}`), leader: spec.sameFlipAs };
  });
  for (const { role, leader } of plans) {
    if (leader === undefined) continue;
    const other = plans.find((plan) => plan.role === leader);
    if (!other) throw new UsageError(unknownName(`view "${role}" of ${part} rows`, "role", leader, Object.keys(views)));
    if (other.leader !== undefined) {
      throw new UsageError(`view "${role}" of ${part} rows: shares its flip with "${leader}", which itself shares it`);
    }
  }
  const active = plans.filter(({ options }) => options.translate > 0 || options.flip);
  return (step, rows) => {
    const own = new Map(active.map((plan) => [plan.role, drawWeak(plan.rng, step, rows, plan.options)]));
    const drawn = new Map(own);
    for (const { role, options, leader } of active) {
      if (leader === undefined || !options.flip) continue;
      const shared = own.get(leader)?.flip ?? new Uint8Array(rows);
      drawn.set(role, { ...own.get(role)!, flip: shared });
    }
    return drawn;
  };
}

/** The images `rows` of a store, not augmented, normalized: `[rows.length, C, H, W]` float32. */
export function plainImages(store: ImageStore, rows: Int32Array, device = "cpu"): Tensor {
  return place(gatherImages(store.images, rows, undefined, store.scaling), device);
}

/** Images to be judged: without augmentation, in order, in batches. */
export interface EvaluationSet {
  /** Number of images. */
  readonly size: number;
  readonly batches: number;
  /** Batch `k`; call it inside a scope. `x` `[N, C, H, W]` float32, `y` `[N]` class indices. */
  batch(k: number): { readonly x: Tensor; readonly y: Int32Array; readonly index: Int32Array };
}

/** The images `rows` of a store (all by default) with their true labels. */
export function evaluationSet(
  store: ImageStore,
  labels: Int32Array,
  { rows, batch = 500, device = "cpu" }: { rows?: Int32Array; batch?: number; device?: string } = {},
): EvaluationSet {
  const order = rows ?? Int32Array.from({ length: labels.length }, (_, i) => i);
  return {
    size: order.length,
    batches: Math.ceil(order.length / batch),
    batch(k) {
      const index = order.slice(k * batch, (k + 1) * batch);
      const x = plainImages(store, index, device);
      return { x, y: index.map((i) => labels[i]!), index };
    },
  };
}

function place(t: Tensor, device: string): Tensor {
  return device === "cpu" ? t : t.toDevice(device);
}
