/** What UDA, FixMatch and those after them share: the views, the joint pass, and some options. */
import { forwardJoint, type Model } from "../../nn/index.js";
import { number } from "../../options.js";
import type { Batch } from "../method.js";
import { guessOptions } from "./pseudo-labels/guess.js";
import { evaluationEmaOptions } from "./shared-options.js";

/** A weak view of every image; of the unlabeled ones a strong view too, which learns what the weak one says. */
export const weakStrongViews = {
  labeled: { weak: { augment: "weak" } },
  unlabeled: { weak: { augment: "weak" }, strong: { augment: "strong" } },
} as const;

export const weakStrongOptions = {
  consistencyWeight: number(1, {
    min: 0,
    doc: "weight of the unlabeled term, whose mean is over all unlabeled rows (ImageNet: 10 FixMatch, 20 UDA)",
  }),
  ...guessOptions,
  ...evaluationEmaOptions,
};

type WeakStrongBatch = Batch<typeof weakStrongViews.labeled, typeof weakStrongViews.unlabeled>;

/** Logits of labeled, weak and strong rows, out of one pass: one batch-norm batch. */
export function forwardViews(student: Model, { labeled, unlabeled }: WeakStrongBatch) {
  const [zl, zw, zs] = forwardJoint(student, [labeled.x.weak, unlabeled.x.weak, unlabeled.x.strong], "train");
  return { zl, zw, zs };
}
