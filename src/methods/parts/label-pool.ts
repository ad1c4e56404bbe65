/** A teacher labels every image of the unlabeled stream, once. */
import type { Model } from "../../nn/index.js";
import type { Rng } from "../../rng.js";
import {
  hardLabels,
  type PseudoLabelTable,
  type Selection,
  sampleLabels,
  selectConfident,
} from "../../targets/index.js";
import { type Tensor, tensor } from "../../torch/index.js";
import type { Setup } from "../method.js";
import { inSharedChunks } from "./shared-chunks.js";

export const POOL_LABELS = ["argmax", "sample", "soft"] as const;

export interface PoolOptions extends Selection {
  /** The most probable class, one drawn by the probabilities, or these themselves. */
  readonly labels: (typeof POOL_LABELS)[number];
  /** For drawn labels. */
  readonly rng: Rng;
}

/** Images a pass. */
const CHUNK = 500;

/**
 * Fills `table` from `teacher` in mode `eval`, on images without augmentation. The filter goes by the largest probability
 * and its class, whatever the label. Several processes share out the images and all get all labels. Returns the share that is kept.
 */
export function labelPool(setup: Setup, teacher: Model, table: PseudoLabelTable, options: PoolOptions): number {
  const { labels, rng } = options;
  const rows = setup.unlabeledRows;
  const confidence = new Float32Array(rows.length);
  const classes = new Int32Array(rows.length);
  const label = (probs: Tensor) => {
    if (labels === "soft") return probs;
    return labels === "sample" ? sampleLabels(probs, rng) : hardLabels(probs);
  };
  const { device } = teacher.parameters[0]!.tensor;
  const compute = (part: Int32Array) => teacher.forward(setup.trainingImages(part), "eval").softmax(1);
  inSharedChunks({ rows, size: CHUNK, width: setup.numClasses, device, compute }, (probs, start) => {
    const part = rows.subarray(start, start + probs.size(0));
    table.store(tensor(part, [part.length], "int64").toDevice(probs.device), label(probs));
    confidence.set(probs.amax([1]).toNumbers(), start);
    classes.set(hardLabels(probs).toNumbers(), start);
  });
  const kept = selectConfident(confidence, classes, options);
  table.keepOnly(kept.map((i) => rows[i]!));
  return kept.length / rows.length;
}
