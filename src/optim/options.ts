import { boolean, choice, integer, number, type OptionsOf } from "../options.js";
import { DECAY_SCOPES } from "./gradients.js";

export const LEARNING_RATE_SCHEDULES = [
  "sigmoid",
  "te",
  "linear-cosine",
  "kek",
  "gmpl",
  "cosine-7-16",
  "constant",
] as const;

/** The optimizer of a run: `--optimizer.<name>` on the command line. Formulas in docs/schedules-and-losses.md. */
export const optimizerOptions = {
  name: choice(["adam", "sgd"], "adam", { doc: "adam, or sgd with momentum" }),
  lr: number(0.003, { min: 0, doc: "largest learning rate; 0.003 suits adam, sgd usually wants 0.03 to 0.1" }),
  backboneLrFactor: number(1, {
    min: 0,
    doc: "factor on the learning rate of all but the heads, below 1 to fine-tune loaded weights (0 leaves them as they are)",
  }),
  schedule: choice(LEARNING_RATE_SCHEDULES, "sigmoid", {
    doc: "learning rate over time: sigmoid (Mean Teacher's ConvNet), te (Temporal Ensembling), linear-cosine (Mean Teacher's residual networks), kek and gmpl (Meta Pseudo Labels), cosine-7-16 (UDA, FixMatch), constant",
  }),
  warmupSteps: integer(undefined, {
    min: 0,
    doc: "steps of learning-rate warm-up; if not given, 4/15 of the steps for sigmoid and te (40,000 of 150,000; 80 of 300 epochs), 1/60 for kek and gmpl (5,000 of 300,000), 0 for the others",
  }),
  rampDownSteps: integer(undefined, {
    min: 0,
    doc: "last steps in which sigmoid and te bring the learning rate down; if not given, 1/6 of the steps (25,000 of 150,000)",
  }),
  initialLr: number(0, { min: 0, doc: "learning rate at step 0 of linear-cosine with a warm-up" }),
  cosineSteps: integer(undefined, {
    min: 1,
    doc: "step at which linear-cosine would reach 0, not before the last; if not given, 7/6 of the steps (350 of 300 epochs)",
  }),
  waitSteps: integer(0, { min: 0, doc: "steps at learning rate 0 before the warm-up of kek and gmpl" }),
  epochSteps: integer(undefined, {
    min: 1,
    doc: "steps of one epoch, for te, which changes once an epoch; if not given, 1/300 of the steps",
  }),
  momentum: number(0.9, { min: 0, max: 1, doc: "sgd: share of the old velocity" }),
  nesterov: boolean(true, { doc: "sgd: look ahead by the momentum" }),
  weightDecay: number(0, { min: 0, doc: "this times the weight is added to its gradient" }),
  decayScope: choice(DECAY_SCOPES, "all", {
    doc: "what weight decay applies to: all; noNorm, all but normalization layers; kernelsOnly, tensors of 2 or more axes",
  }),
  beta1: number(0.9, { min: 0, max: 1, doc: "adam: decay of the mean gradient" }),
  beta1End: number(0.5, { min: 0, max: 1, doc: "adam: what beta1 falls to in the ramp-down of sigmoid and te" }),
  beta2: number(0.999, { min: 0, max: 1, doc: "adam: decay of the mean squared gradient" }),
  beta2RampUp: number(undefined, {
    min: 0,
    max: 1,
    doc: "adam: beta2 during the warm-up (0.99 in Mean Teacher's SVHN runs); if not given, beta2",
  }),
  eps: number(1e-8, { min: 0, doc: "adam: added to the root of the mean squared gradient" }),
  epsPlacement: choice(["torch", "tf"], "torch", {
    doc: "adam: add eps after the bias correction (torch) or before it (tf, as the papers' code does)",
  }),
  clipNorm: number(0, { min: 0, doc: "largest global norm of the gradients; 0 = no clipping" }),
  clipAfterDecay: boolean(false, {
    doc: "count weight decay in the norm that is clipped (Google's Meta Pseudo Labels)",
  }),
} as const;

export type OptimizerOptions = OptionsOf<typeof optimizerOptions>;
