/**
 * The options of a run, each declared once: the command line's flags (`--label-seed`), the YAML keys (`labelSeed`), the
 * fields of `RunConfig`, the help and the tables in docs/commands follow from here. Options of a method, model,
 * optimizer or data set are declared beside it and reached as `method.KEY`, `model.KEY`, `optimizer.KEY`, `dataset.KEY`.
 */
import { interpolations, weakNames } from "../augment/photo.js";
import { strongNames } from "../augment/strong.js";
import { boolean, choice, integer, number, type OptionSpec, type OptionsOf, path, text } from "../options.js";

export const runOptions = {
  dataset: text(undefined, {
    doc: "data set, see `fewlabels list datasets`; or a file (./mine.mjs) or package that defines one; required",
  }),
  data: path(undefined, {
    several: true,
    doc: "folder with the data set's files, or labeled shards; needed unless the set is generated",
  }),
  labels: path(undefined, {
    except: /^(all|\d+)$/,
    doc: "how many labels: a number, a labels file (`file,label` or `name label`), or `all` (default: 100; all of a folder's)",
  }),
  labelDraw: choice(["balanced", "proportional", "first", "random"], "balanced", {
    doc: "which images keep their label: the same number a class, as many as the classes are large, the first ones, or any",
  }),
  imbalance: number(1, {
    min: 0.001,
    max: 1000,
    doc: "long-tailed labels: class k of K gets ratio^(-k / (K - 1)) times as many as class 0, see docs/data.md (1: off)",
  }),
  unlabeledImbalance: number(1, {
    min: 0.001,
    max: 1000,
    doc: "long-tailed unlabeled stream, by true classes, in the same way (1: off)",
  }),
  labelSeed: integer(1, { min: 0, doc: "seed of the label draw and of the validation split" }),
  labelNoise: number(0, {
    min: 0,
    max: 100,
    doc: "percent of the labels of training that are drawn anew from all classes; validation and test labels stay true",
  }),
  val: integer(0, { min: 0, doc: "labeled training images held out for validation (0: none)" }),
  unlabeled: path("all", {
    except: /^(all|rest)$/,
    several: true,
    doc: "unlabeled stream: `all` training images, or the `rest` without a label; for data set folder also a folder of unlabeled pictures (in place of DIR/unlabeled; the stream is then `all`); for shards the shards to stream",
  }),

  method: text("mean-teacher", {
    doc: "training method, see `fewlabels list methods`; or a file (./my-method.js) or package that defines one",
  }),
  model: text("cnn-13", {
    doc: "network, see `fewlabels list models`; or a file (./mine.mjs) or package that defines one",
  }),
  steps: integer(10_000, { min: 1, doc: "optimizer steps" }),
  batch: integer(100, { min: 1, doc: "rows a step, labeled and unlabeled together" }),
  labeledBatch: integer(undefined, {
    min: 0,
    doc: "labeled rows of the batch (default: a quarter, or all labels if they are fewer; all of it where the method reads no unlabeled rows)",
  }),
  sampler: choice(["two-stream", "mixed"], "two-stream", {
    doc: "two streams with fixed counts, or one pass over all images in which labeled ones turn up by chance",
  }),
  classBalanced: boolean(false, {
    doc: "class-balanced sampling: labeled rows come from every class equally often, however many labels it has",
  }),
  seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of weights, order, augmentation and noise" }),

  normalize: choice(["none", "channel", "image", "imagenet", "zca", "gcn-zca"], undefined, {
    doc: "normalization of the pixels (default: the data set's)",
  }),
  weak: choice(weakNames, undefined, {
    doc: "weak view, see docs/augmentation.md: translation and mirror image, or random resized crops of larger pictures (default: the data set's, mostly translate)",
  }),
  crop: integer(undefined, {
    min: 4,
    max: 4096,
    doc: "side of the crops in pixels, which is what the network sees; not with --weak translate (default: as the recipe says)",
  }),
  cropScale: number(undefined, {
    min: 0.01,
    max: 1,
    doc: "least share of the picture's area in a random resized crop (default: the recipe's)",
  }),
  evalCrop: number(undefined, {
    min: 0.1,
    max: 1,
    doc: "share of the short side that evaluation keeps, from the middle (default: crop / short side, 0.875 at the least)",
  }),
  interpolation: choice(interpolations, undefined, { doc: "resampling of crops (default: the recipe's)" }),
  rotation: number(undefined, {
    min: 0,
    max: 180,
    doc: "largest random rotation in degrees, before the crop (default: the recipe's)",
  }),
  colorJitter: number(undefined, {
    min: 0,
    max: 1,
    doc: "random factors of brightness, contrast and saturation, 1 - value to 1 + value (default: the recipe's)",
  }),
  hueJitter: number(undefined, {
    min: 0,
    max: 0.5,
    doc: "random turn of the hue, share of the circle (default: the recipe's)",
  }),
  grayProbability: number(undefined, { min: 0, max: 1, doc: "share of weak views without color (default: 0)" }),
  blurProbability: number(undefined, {
    min: 0,
    max: 1,
    doc: "share of weak views with Gaussian blur, deviation 0.1 to 2 pixels at 224 (default: 0)",
  }),
  translate: integer(undefined, {
    min: 0,
    max: 64,
    doc: "random translation of the weak view, pixels per axis, reflect padding (default: the data set's)",
  }),
  flip: boolean(undefined, { doc: "random horizontal flip of the weak view (default: the data set's)" }),
  strong: choice(strongNames, undefined, {
    doc: "strong view of the methods that have one, see docs/augmentation.md (default: the data set's)",
  }),
  labeledView: choice(["weak", "strong"], "weak", {
    doc: "view of labeled images, whatever the method's own: strong for the baselines with RandAugment, the ablations of Meta Pseudo Labels, fine-tuning",
  }),
  strongMagnitude: integer(undefined, {
    min: 0,
    max: 20,
    doc: "magnitude of every operation of the strong view (default: as the recipe draws or fixes it)",
  }),
  strongExclude: text("", {
    doc: "operations left out of the strong view, separated by commas, for instance rotate,translateX",
  }),
  strongNoise: number(0.1, {
    min: 0,
    doc: "standard deviation of the strong view `jitter`, in units of the normalized input",
  }),

  device: choice(["auto", "cpu", "cuda", "mps"], "auto", {
    doc: "where to train; auto takes a GPU where there is one",
  }),
  precision: choice(["fp32", "bf16"], undefined, {
    doc: "arithmetic of convolutions and products (default: bf16 on CUDA and on CPUs with bf16 instructions, else fp32)",
  }),
  accumulate: integer(1, {
    min: 1,
    doc: "memory: run every network pass in this many groups of rows, one at a time, each computed twice; the same step as the whole batch, but batch norm sees a group",
  }),
  recompute: boolean(false, {
    doc: "memory: keep only the inputs of the network's blocks and compute the rest again for the gradient; same bits, a third more time",
  }),
  threads: integer(undefined, {
    min: 1,
    max: 1024,
    doc: "CPU threads of the engine (default: all cores, or what a container's quota allows)",
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
  logEvery: integer(10, { min: 1, doc: "steps between step events in metrics.jsonl and on the screen" }),
} as const satisfies OptionSpec;

export type RunOptionName = keyof typeof runOptions;
export type RunOptionValues = OptionsOf<typeof runOptions>;

/** What may be changed when a run is resumed: the result does not depend on it (threads: only in the last digits). */
export const neutralOptions: readonly RunOptionName[] = [
  "data",
  "device",
  "recompute",
  "threads",
  "evalEvery",
  "testBatch",
  "topK",
  "checkpointEvery",
  "keepCheckpoints",
  "logEvery",
];

/** Parts whose own options hang below their name. */
export const groups = ["dataset", "method", "model", "optimizer"] as const;
export type Group = (typeof groups)[number];
