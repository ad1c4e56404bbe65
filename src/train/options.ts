/**
 * The options of a run, each declared once: the command line's flags (`--label-seed`), the YAML keys (`labelSeed`), the
 * fields of `RunConfig`, the help and the tables in docs/commands follow from here. Options of a method, model,
 * optimizer or data set are declared beside it and reached as `method.KEY`, `model.KEY`, `optimizer.KEY`, `dataset.KEY`.
 */
import { boolean, choice, integer, type OptionSpec, type OptionsOf, text } from "../options.js";

export const runOptions = {
  dataset: text(undefined, { doc: "data set, see `fewlabels list datasets`; required" }),
  data: text(undefined, { doc: "folder with the data set's files; needed unless the set is generated" }),
  labels: text("100", { doc: "how many labels: a number, a labels file (`file,label` or `name label`), or `all`" }),
  labelDraw: choice(["balanced", "first", "random"], "balanced", {
    doc: "which images keep their label: the same number a class, the first ones, or any",
  }),
  labelSeed: integer(1, { min: 0, doc: "seed of the label draw and of the validation split" }),
  val: integer(0, { min: 0, doc: "labeled training images held out for validation (0: none)" }),
  unlabeled: choice(["all", "rest"], "all", {
    doc: "unlabeled stream: every training image, or only those without a label",
  }),

  method: text("mean-teacher", { doc: "training method, see `fewlabels list methods`" }),
  model: text("cnn-13", { doc: "network, see `fewlabels list models`" }),
  steps: integer(10_000, { min: 1, doc: "optimizer steps" }),
  batch: integer(100, { min: 1, doc: "rows a step, labeled and unlabeled together" }),
  labeledBatch: integer(undefined, {
    min: 0,
    doc: "labeled rows of the batch (default: a quarter, or all labels if they are fewer; all of it where the method reads no unlabeled rows)",
  }),
  sampler: choice(["two-stream", "mixed"], "two-stream", {
    doc: "two streams with fixed counts, or one pass over all images in which labeled ones turn up by chance",
  }),
  seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of weights, order, augmentation and noise" }),

  normalize: choice(["none", "channel", "image", "zca", "gcn-zca"], undefined, {
    doc: "normalization of the pixels (default: the data set's)",
  }),
  translate: integer(undefined, {
    min: 0,
    max: 64,
    doc: "random translation of the weak view, pixels per axis, reflect padding (default: the data set's)",
  }),
  flip: boolean(undefined, { doc: "random horizontal flip of the weak view (default: the data set's)" }),

  device: choice(["auto", "cpu", "cuda", "mps"], "auto", {
    doc: "where to train; auto takes a GPU where there is one",
  }),
  precision: choice(["fp32", "bf16"], undefined, {
    doc: "arithmetic of convolutions and products (default: bf16 on CUDA and on CPUs with bf16 instructions, else fp32)",
  }),
  threads: integer(undefined, { min: 1, max: 1024, doc: "CPU threads of the engine (default: all cores)" }),

  out: text(undefined, { doc: "run folder (default: runs/DATASET-METHOD-TIME)" }),
  resume: text(undefined, {
    doc: "run folder to continue exactly where its last checkpoint is; with --out the path may be left out",
  }),
  evalEvery: integer(undefined, {
    min: 0,
    doc: "steps between evaluations (default: a tenth of the run, 250 at the least; 0: only at the end)",
  }),
  testBatch: integer(500, { min: 1, doc: "rows a pass in evaluation" }),
  checkpointEvery: integer(undefined, {
    min: 0,
    doc: "steps between checkpoints (default: as often as evaluations, 1000 at the most; 0: only at the end)",
  }),
  keepCheckpoints: integer(3, { min: 1, doc: "how many of the latest checkpoints to keep" }),
  logEvery: integer(10, { min: 1, doc: "steps between step events in metrics.jsonl and on the screen" }),
} as const satisfies OptionSpec;

export type RunOptionName = keyof typeof runOptions;
export type RunOptionValues = OptionsOf<typeof runOptions>;

/** What may be changed when a run is resumed: the result does not depend on it (threads: only in the last digits). */
export const neutralOptions: readonly RunOptionName[] = [
  "data",
  "device",
  "threads",
  "evalEvery",
  "testBatch",
  "checkpointEvery",
  "keepCheckpoints",
  "logEvery",
];

/** Parts whose own options hang below their name. */
export const groups = ["dataset", "method", "model", "optimizer"] as const;
export type Group = (typeof groups)[number];
