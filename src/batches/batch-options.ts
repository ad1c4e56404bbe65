/** What a run may say about the make-up of its batches. */
import { boolean, choice, integer, need, type OptionsOf } from "../options.js";

export const batchOptions = {
  batch: integer(100, { min: 1, doc: "rows a step, labeled and unlabeled together" }),
  labeledBatch: integer(undefined, {
    needs: [need("sampler", "two-stream")],
    min: 0,
    doc: "labeled rows of the batch (default: a quarter, or all labels if they are fewer; all of it where the method reads no unlabeled rows)",
  }),
  sampler: choice(["two-stream", "mixed"], "two-stream", {
    doc: "two streams with fixed counts, or one pass over all images in which labeled ones turn up by chance",
  }),
  classBalanced: boolean(false, {
    needs: [need("sampler", "two-stream")],
    doc: "class-balanced sampling: labeled rows come from every class equally often, however many labels it has",
  }),
} as const;

/** As a run has them: the number of labeled rows is settled. */
export type BatchOptions = Omit<OptionsOf<typeof batchOptions>, "labeledBatch"> & { readonly labeledBatch: number };
