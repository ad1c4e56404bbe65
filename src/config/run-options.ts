/**
 * The options of a run, each declared once: the command line's flags (`--label-seed`), the YAML keys (`labelSeed`), the
 * fields of `RunConfig`, the help and the tables in docs/commands follow from here. Those of labels, batches, pixels and views
 * are declared beside their readers; options of a method, model, optimizer or data set beside it and reached as `method.KEY`, `model.KEY`, `optimizer.KEY`, `dataset.KEY`.
 */
import { viewOptions } from "../augment/view-options.js";
import { batchOptions } from "../batches/batch-options.js";
import { normalizeOptions } from "../images/normalize.js";
import { labelOptions } from "../labels/label-options.js";
import { boolean, choice, integer, number, type OptionSpec, type OptionsOf, path, text } from "../options.js";

/** The words of `--device`. */
export const deviceNames = ["auto", "cpu", "cuda", "mps"] as const;
/** One GPU of several, by its number from 0. */
export const nthCard = /^cuda:\d{1,3}$/;

export const runOptions = {
  dataset: text(undefined, {
    doc: "data set, see `fewlabels list datasets`; or a file (./mine.mjs) or package that defines one; required",
  }),
  data: path(undefined, {
    several: true,
    doc: "folder with the data set's files, or labeled shards; needed unless the set is generated",
  }),
  ...labelOptions,

  method: text("mean-teacher", {
    doc: "training method, see `fewlabels list methods`; or a file (./my-method.js) or package that defines one",
  }),
  model: text("cnn-13", {
    doc: "network, see `fewlabels list models`; or a file (./mine.mjs) or package that defines one",
  }),
  steps: integer(10_000, { min: 1, doc: "optimizer steps" }),
  ...batchOptions,
  seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of weights, order, augmentation and noise" }),

  ...normalizeOptions,
  ...viewOptions,

  device: choice(deviceNames, "auto", {
    also: nthCard,
    doc: "where to train; auto takes a GPU where there is one, cuda:1 is the second of several (of several processes on a machine each has its own)",
  }),
  precision: choice(["fp32", "tf32", "bf16"], undefined, {
    doc: "arithmetic of convolutions and products (default: bf16 on CUDA and on CPUs with bf16 instructions, else fp32); tf32: fp32 whose products a GPU rounds to 10 bits",
  }),
  deterministic: boolean(false, {
    doc: "on CUDA: only algorithms that give the same bits every time, which are slower (the CPU's always do)",
  }),
  cudaGraphs: boolean(true, {
    doc: "on CUDA: the GPU is told a step at once (a CUDA graph) where the steps are alike; false: call by call, as with --deterministic and several processes",
  }),
  accumulate: integer(1, {
    min: 1,
    doc: "memory: run every network pass in this many groups of rows, one at a time, each computed twice; the same step as the whole batch, but batch norm sees a group",
  }),
  recompute: boolean(false, {
    doc: "memory: keep only the inputs of the network's blocks and compute the rest again for the gradient; same bits (two networks: up to rounding), a third more time",
  }),
  threads: integer(undefined, {
    min: 1,
    max: 1024,
    doc: "CPU threads of the engine (default: all cores, or what a container's quota allows; of several processes on a machine each its share)",
  }),
  syncBatchNorm: boolean(false, {
    doc: "several processes: batch norm's statistics are those of the whole batch, not of each process's rows, so that they train as one would; two messages a layer and pass",
  }),
  worldTimeout: number(600, {
    min: 1,
    max: 1_000_000,
    doc: "several processes: seconds that one waits for another, at the start and at every message, before it gives up",
  }),

  out: text(undefined, { doc: "run folder (default: runs/DATASET-METHOD-TIME)" }),
  resume: text(undefined, {
    doc: "run folder to continue exactly where its last checkpoint is; with --out the path may be left out",
    value: "folder",
    bare: true,
  }),
  evalEvery: integer(undefined, {
    min: 0,
    doc: "steps between evaluations (default: a tenth of the run, 250 at the least; 0: only at the end)",
  }),
  testBatch: integer(500, { min: 1, doc: "rows a pass in evaluation" }),
  topK: integer(undefined, {
    min: 0,
    doc: "evaluations also tell the error of the k likeliest classes, 0 for none (default: 5 with more than 10 classes)",
  }),
  checkpointEvery: integer(undefined, {
    min: 0,
    doc: "steps between checkpoints (default: as often as evaluations, 1000 at the most; 0: only at the end)",
  }),
  saveBest: choice(["none", "val"], "none", {
    doc: "val: keep the checkpoint with the lowest validation error, and report its test error too; needs --val",
  }),
  keepCheckpoints: integer(3, { min: 1, doc: "how many of the latest checkpoints to keep" }),
  seen: integer(400, {
    min: 0,
    max: 5000,
    doc: "unlabeled images whose pictures, and what each model thinks of them at evaluations, are recorded in seen/ for `fewlabels dashboard`; 0: no record",
  }),
  tensorboard: boolean(false, { doc: "write TensorBoard's event files into the run folder as well" }),
  logEvery: integer(10, { min: 1, doc: "steps between step events in metrics.jsonl and on the screen" }),
} as const satisfies OptionSpec;

export type RunOptionName = keyof typeof runOptions;
export type RunOptionValues = OptionsOf<typeof runOptions>;

/** What may be changed when a run is resumed: the result does not depend on it (threads: only in the last digits). */
export const neutralOptions: readonly RunOptionName[] = [
  "data",
  "device",
  "cudaGraphs",
  "recompute",
  "threads",
  "worldTimeout",
  "evalEvery",
  "testBatch",
  "topK",
  "checkpointEvery",
  "keepCheckpoints",
  "seen",
  "tensorboard",
  "logEvery",
];

/** Parts whose own options hang below their name. */
export const groups = ["dataset", "method", "model", "optimizer"] as const;
export type Group = (typeof groups)[number];
