/**
 * Images as one tensor that views are gathered from, all of them or those that are decoded so far; what lies where, and what has to be in
 * memory to be gathered.
 */
import { evaluationImages } from "../augment/photo-views.js";
import type { ViewSource } from "../augment/view-plan.js";
import { UsageError } from "../errors.js";
import type { ImageSet, PictureFiles } from "../images/image-set.js";
import { imageScaling, type NormalizedSet } from "../images/normalize.js";
import { type Hold, PictureCache } from "../images/picture-cache.js";
import { borrowTensor, cudaMemory, type Scaling, scope, type Tensor } from "../torch/index.js";

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

export interface StoreOptions extends Pick<ViewSource, "evaluation" | "photo"> {
  /** Rows that are needed at the same time, at the most, where images are decoded on demand. Default 1000. */
  readonly working?: number | undefined;
  /** Where the images go as well, if they fit there. Default: nowhere. */
  readonly device?: string | undefined;
}

/** Share of a GPU's free memory that one set of images may take. */
const SHARE_OF_CARD = 0.25;

/**
 * The pixels as one tensor that outlives scopes, on the set's own memory, which the store keeps alive.
 */
export function storeImages(
  { images: set, scaling: given }: NormalizedSet,
  { evaluation, photo, working = 1000, device = "cpu" }: StoreOptions = {},
): ImageStore {
  const { count, channels, height, width } = set;
  const onDemand = set.files ? pictureCache(set, set.files, given, working) : undefined;
  const { pixels, capacity = count } = onDemand?.cache ?? { pixels: set.pixels };
  const images = borrowTensor(pixels, [capacity, channels, height, width]).keep();
  const { cache, scaling } = onDemand ?? { cache: undefined, scaling: given };
  // What is made from operations on bytes stays with the CPU; so do photos, whose views are.
  const fits = device !== "cpu" && !cache && !photo && pixels.byteLength <= SHARE_OF_CARD * cudaMemory().free;
  const onCard = fits ? scope(() => images.toDevice(device).keep()) : undefined;
  const release = () => {
    images.release();
    onCard?.release();
  };
  return { images, onCard, pixels, count, cache, scaling, evaluation, photo, release };
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
      `${who} needs ${rows.length} pictures in memory, and there is room for ${cache.capacity}. ${cache.advice}`,
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

/** The images `rows` of a store as evaluation sees them, normalized: `[rows.length, C, H, W]` float32. */
export function plainImages(store: ImageStore, rows: Int32Array, device = "cpu"): Tensor {
  return place(evaluationImages(store, placesOf(store, rows)), device);
}

/** On the device of the model. */
export function place(t: Tensor, device: string): Tensor {
  return device === "cpu" || t.device !== "cpu" ? t : t.toDevice(device);
}
