/**
 * The feedback of Meta Pseudo Labels: how much one step of the student on pseudo-labels lowered its labeled loss L_l.
 * With the step's gradient gS = grad Ls, chain rule and REINFORCE give the teacher's gradient h grad sum_u H(yhat_u, T(u)),
 * the sum over all labels that were drawn, as their joint probability is a product, with
 *
 *   h = eta <gL, gS>  ~  L_l(thS) - L_l(thS'),   gL = grad L_l(thS')          old minus new, > 0 where the labels helped
 *
 * - `paired`: L_l before minus after, both on the labeled rows alone with their batch statistics, no dropout, running
 *   statistics untouched: a student that did not move gives exactly 0. It measures the whole update, so momentum credits
 *   this batch's labels with what earlier ones did;
 * - `legacy`: before from the joint pass with the unlabeled rows, after from the labeled rows alone with fresh dropout, as
 *   the public codes do: other statistics and other noise, a bias that is usually larger than the signal;
 * - `dot`: eta <gL, gS>, this batch's own gradient alone; `cosine`: <gL, gS> / (|gL| |gS| + 1e-12); L_l as in `paired`.
 *
 * Where parameters have rates of their own (f of eta: a backbone that learns slower), <a, b> is the sum of f a b.
 *
 * A soft label has a gradient of its own, and needs no REINFORCE: soft-feedback.ts.
 */
import { crossEntropy } from "../../losses/index.js";
import type { Model, PassRequest, Stateful } from "../../nn/index.js";
import { minimize, type Optimizer, type StepProgress } from "../../optim/index.js";
import { choice, need, needPositive, needThat, number } from "../../options.js";
import { RunningMean } from "../../targets/index.js";
import { noGrad, stack, type Tensor, world } from "../../torch/index.js";

export const FEEDBACKS = ["paired", "legacy", "dot", "cosine"] as const;
export const FEEDBACK_SIGNS = ["oldMinusNew", "newMinusOld"] as const;
export const FEEDBACK_REDUCTIONS = ["sum", "mean"] as const;
export const BASELINES = ["ema", "none"] as const;

/** A soft label has a gradient of its own, of one kind and without a baseline. */
const drawn = needThat("method.labelMode", "other than soft", (mode) => mode !== "soft", {});

export const feedbackOptions = {
  feedback: choice(FEEDBACKS, "dot", {
    needs: [drawn],
    doc: "how the student's progress is measured: dot or cosine of this batch's gradient and the labeled one, paired or legacy difference of its labeled loss",
  }),
  feedbackSign: choice(FEEDBACK_SIGNS, "oldMinusNew", {
    doc: "oldMinusNew, as derived: labels that helped are reinforced; newMinusOld: the public codes' opposite",
  }),
  feedbackWeight: number(1, { min: 0, doc: "weight of the feedback term; 0 is the ablation without it" }),
  feedbackReduction: choice(FEEDBACK_REDUCTIONS, "sum", {
    needs: [needPositive("method.feedbackWeight")],
    doc: "the feedback's cross-entropy over the unlabeled rows: sum, as derived, or mean, as the public codes have it, 1 / rows of the derived gradient",
  }),
  baseline: choice(BASELINES, "ema", {
    needs: [drawn],
    doc: "what the feedback is compared with: its own moving average, or nothing",
  }),
  baselineDecay: number(0.99, {
    min: 0,
    max: 1,
    needs: [drawn, need("method.baseline", "ema")],
    doc: "share of the old value in that moving average",
  }),
};

export interface FeedbackOptions {
  readonly feedback: (typeof FEEDBACKS)[number];
  readonly feedbackSign: (typeof FEEDBACK_SIGNS)[number];
  readonly baseline: (typeof BASELINES)[number];
  readonly baselineDecay: number;
}

export interface ReinforcementOptions {
  readonly feedbackReduction: (typeof FEEDBACK_REDUCTIONS)[number];
  readonly feedbackWeight: number;
}

/**
 * What REINFORCE adds to the teacher's loss: feedbackWeight h sum_u H(yhat_u, softmax(z_u)), or 1 / Bu of it.
 *
 * @param z `[Bu, K]` the teacher's logits, into which the gradient flows. @param yhat `[Bu]` or `[Bu, K]`, the very labels
 *   the student learned from. @param h a scalar without gradient.
 */
export function reinforcement(
  z: Tensor,
  yhat: Tensor,
  h: Tensor,
  { feedbackReduction, feedbackWeight }: ReinforcementOptions,
): Tensor {
  return crossEntropy(z, yhat, { divideBy: feedbackReduction === "sum" ? 1 : undefined })
    .mul(h)
    .mul(feedbackWeight);
}

export interface StudentStep {
  /** The student's loss on pseudo-labels, with its graph. */
  readonly loss: Tensor;
  /** Its loss L_l on the labeled rows alone, at the weights of the moment: a scalar. Never smoothed. */
  labeledLoss(pass: PassRequest): Tensor;
  /** The same loss out of the pass that `loss` comes from; `legacy` starts from it. */
  jointLoss(): Tensor;
}

/** The student descends on `loss`. Returns h, a scalar without gradient. */
export function learnWithFeedback(
  student: Model,
  optimizer: Optimizer,
  { loss, labeledLoss, jointLoss }: StudentStep,
  { feedback, feedbackSign }: Pick<FeedbackOptions, "feedback" | "feedbackSign">,
  now: StepProgress,
): Tensor {
  const helped = () => {
    if (feedback === "paired") {
      const before = noGrad(() => labeledLoss("probe"));
      minimize(loss, optimizer, now);
      return before.sub(noGrad(() => labeledLoss("probe")));
    }
    if (feedback === "legacy") {
      const before = jointLoss().detach();
      minimize(loss, optimizer, now);
      return before.sub(noGrad(() => labeledLoss({ mode: "train", updateStatistics: false })));
    }
    const { gS, gL } = descendTwice(student, optimizer, { loss, labeledLoss }, now);
    const sL = scaled(gL, student, optimizer);
    const product = inner(sL, gS);
    if (feedback === "dot") return product.mul(optimizer.learningRate(now.step));
    const sS = scaled(gS, student, optimizer);
    return product.div(inner(sL, gL).mul(inner(sS, gS)).sqrt().add(1e-12));
  };
  const h = helped();
  return feedbackSign === "oldMinusNew" ? h : h.neg();
}

/** The student descends on `loss`: its gradient gS before the step, and gL = grad L_l after it. Copies. */
export function descendTwice(
  student: Model,
  optimizer: Optimizer,
  { loss, labeledLoss }: Pick<StudentStep, "loss" | "labeledLoss">,
  now: StepProgress,
) {
  optimizer.zeroGrad();
  loss.backward();
  const gS = gradientsOf(student); // copies: the optimizer decays and clips them in place
  optimizer.step(now);
  optimizer.zeroGrad();
  labeledLoss("probe").backward();
  return { gS, gL: gradientsOf(student) };
}

/** The moving average b of the feedback: b <- d b + (1 - d) h first, from b = 0, then h - b. */
export interface Baseline {
  readonly state: Readonly<Record<string, Stateful>>;
  center(h: Tensor): Tensor;
}

export function createBaseline({ baseline, baselineDecay }: FeedbackOptions, student: Model): Baseline {
  if (baseline === "none") return { state: {}, center: (h) => h };
  const device = student.parameters[0]?.tensor.device ?? "cpu";
  const mean = new RunningMean({ decay: baselineDecay, shape: [], start: 0, device });
  return { state: { baseline: mean }, center: (h) => h.sub(mean.update(h)) };
}

/** Copies of the gradients by position, of the rows of all processes; undefined where a parameter has none. */
function gradientsOf({ parameters }: Model): (Tensor | undefined)[] {
  const copies = noGrad(() => parameters.map(({ tensor }) => tensor.grad?.clone()));
  world().sum(copies.filter((copy) => copy !== undefined));
  return copies;
}

/** Gradients times the factor that the optimizer sets on the learning rate of each parameter. */
export function scaled(
  gradients: readonly (Tensor | undefined)[],
  { parameters }: Model,
  { rateFactor }: Optimizer,
): readonly (Tensor | undefined)[] {
  return gradients.map((g, i) => {
    const factor = rateFactor?.(parameters[i]!) ?? 1;
    return factor === 1 ? g : g?.mul(factor);
  });
}

/** <a, b> over all parameters, a scalar. */
export function inner(a: readonly (Tensor | undefined)[], b: readonly (Tensor | undefined)[]): Tensor {
  const products = a.flatMap((t, i) => (t && b[i] ? [t.mul(b[i]).sum()] : []));
  return stack(products).sum();
}
