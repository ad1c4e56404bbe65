/** What is known of the views of a part before any is drawn: where they are cut from, and how each role is cropped and mirrored. */
import type { Rng } from "../rng.js";
import type { Scaling, Spread, Tensor } from "../torch/index.js";
import type { CropView, PhotoPlan } from "./photo.js";
import type { StrongOptions } from "./strong.js";
import type { Pad } from "./weak.js";

/** Where views are cut from. */
export interface ViewSource {
  /** `[N, C, H, W]`, uint8 or float32, on the CPU. */
  readonly images: Tensor;
  /** The same on a GPU: what is only translated, mirrored and normalized is made there. */
  readonly onCard?: Tensor | undefined;
  readonly scaling: Scaling;
  /** The part of an image that is judged. Default: all of it. */
  readonly evaluation?: CropView | undefined;
  /** The weak view of larger pictures. Default: translation and mirror image. */
  readonly photo?: PhotoPlan | undefined;
}

export interface ViewOptions {
  /** Largest translation, in pixels per axis. */
  readonly translate: number;
  /** Whether views are mirrored at random. */
  readonly flip: boolean;
  /** What translation brings in at the border. Default: reflect. */
  readonly pad?: Pad | undefined;
  /** What "strong" means. Default: the weak view. */
  readonly strong?: StrongOptions | undefined;
  /** Names the draws; nothing is drawn from it. */
  readonly rng: Rng;
  /** Whose rows are made: they get the draws of their places in the whole batch. Default: the whole batch's. */
  readonly spread?: Spread | undefined;
}

/** All views of the images `index` at `step`, by role: `[N, C, H, W]` float32, on the CPU or (from `onCard`) the GPU. */
export type ViewMaker = (index: Int32Array, step: number) => Record<string, Tensor>;

/** How one role is cropped and mirrored. */
export interface Role {
  readonly name: string;
  readonly augment: string;
  /** The method declared it without translation. */
  readonly still: boolean;
  readonly options: { readonly translate: number; readonly flip: boolean; readonly spread?: Spread | undefined };
  readonly rng: Rng;
  readonly spread: Spread;
  readonly leader: string | undefined;
}

/** Whether two roles are mirrored alike, this one and its leader or one that follows it. */
export function sharesFlip({ name, leader }: Role, roles: readonly Role[]): boolean {
  return leader !== undefined || roles.some((role) => role.leader === name && role.options.flip);
}

/**
 * The draws of every role, where a role that shares its flip with a leader is mirrored as that one is; a leader that is not there is never
 * mirrored.
 */
export function shareFlips<D extends { readonly flip: Uint8Array }>(
  roles: readonly Role[],
  own: ReadonlyMap<string, D>,
  rows: number,
): ReadonlyMap<string, D> {
  const draws = new Map(own);
  for (const { name, options, leader } of roles) {
    if (leader === undefined || !options.flip) continue;
    draws.set(name, { ...own.get(name)!, flip: own.get(leader)?.flip ?? new Uint8Array(rows) });
  }
  return draws;
}
