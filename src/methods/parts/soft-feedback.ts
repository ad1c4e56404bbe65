/**
 * The feedback of Meta Pseudo Labels where the label is a distribution: yhat is a function of the teacher's weights, so the
 * student's labeled loss after its step has a derivative in each of its probabilities, and no REINFORCE is needed:
 *
 *   thS' = thS + (eta / Bu) sum_u sum_k yhat_uk grad log S_k(u)    ->    dL_l(thS') / d yhat_uk = (eta / Bu) <gL, grad log S_k(u)>
 *
 * with gL = grad L_l(thS'), S_k(u) the student's probability of class k at thS. Plain SGD, as in `dot`. Where
 * parameters have rates of their own, f of eta, gL is f gL here.
 */
import type { Model } from "../../nn/index.js";
import type { Optimizer, StepProgress } from "../../optim/index.js";
import { noGrad, type Tensor } from "../../torch/index.js";
import {
  descendTwice,
  type FeedbackOptions,
  inner,
  type ReinforcementOptions,
  type StudentStep,
  scaled,
} from "./feedback.js";

/** How far `softSlopes` goes along gL to either side: long enough for float32, short enough for the curvature. */
const REACH = 0.001;

export interface SoftStep extends Pick<StudentStep, "loss" | "labeledLoss"> {
  /**
   * The student's logits `[Bu, K]` on the unlabeled rows at the weights of the moment, with the mode and the draws of the pass
   * behind `loss`; running statistics untouched.
   */
  logits(): Tensor;
  /** Of the labels in `loss`. */
  readonly smoothing: number;
}

/**
 * The student descends on `loss`, its mean cross-entropy with soft labels. Returns dL_l(thS') / d yhat `[Bu, K]`, without
 * gradient, and h = eta <gL, gS>. Second derivatives are not needed: <gL, grad log S_k(u)> is the difference of log S_k(u) at
 * thS + r gL and at thS - r gL, over 2 r; |r gL| = `reach`.
 */
export function softSlopes(
  student: Model,
  optimizer: Optimizer,
  step: SoftStep,
  { feedbackSign }: Pick<FeedbackOptions, "feedbackSign">,
  now: StepProgress,
  reach = REACH,
): { readonly slopes: Tensor; readonly h: Tensor } {
  const weights = student.parameters.map(({ tensor }) => tensor);
  const old = noGrad(() => weights.map((w) => w.clone()));
  const { gS, gL } = descendTwice(student, optimizer, step, now);
  return noGrad(() => {
    const moved = weights.map((w) => w.clone());
    const direction = scaled(gL, student, optimizer);
    const r = inner(direction, direction).sqrt().add(1e-12).pow(-1).mul(reach);
    const logProbsAt = (side: Tensor) => {
      for (const [i, w] of weights.entries()) {
        const way = direction[i];
        w.copy_(way ? old[i]!.add(way.mul(side)) : old[i]!);
      }
      return step.logits().logSoftmax(1);
    };
    const along = logProbsAt(r).sub(logProbsAt(r.neg())).div(r.mul(2));
    for (const [i, w] of weights.entries()) w.copy_(moved[i]!);
    const eta = optimizer.learningRate(now.step) * (feedbackSign === "oldMinusNew" ? 1 : -1);
    return { slopes: along.mul((eta * (1 - step.smoothing)) / along.size(0)), h: inner(direction, gS).mul(eta) };
  });
}

/**
 * What a soft label adds to the teacher's loss: feedbackWeight sum_u sum_k slopes_uk yhat_uk, or 1 / Bu of it. The gradient
 * flows into yhat `[Bu, K]`. A baseline would change nothing, as each row of yhat sums to 1.
 */
export function softReinforcement(yhat: Tensor, slopes: Tensor, options: ReinforcementOptions): Tensor {
  const sum = yhat.mul(slopes).sum().mul(options.feedbackWeight);
  return options.feedbackReduction === "sum" ? sum : sum.div(yhat.size(0));
}
