/** Variants of Mean Teacher: which second branch the student agrees with, and by which distance; heads that are tied. */
import { UsageError } from "../../errors.js";
import { CONSISTENCY_COSTS, consistencyCost, logitDistance } from "../../losses/index.js";
import type { Heads, Model, PassRequest } from "../../nn/index.js";
import { boolean, choice, need, needPositive, number, type OptionsOf } from "../../options.js";
import { noGrad, type Tensor } from "../../torch/index.js";
import type { Batch, Metrics, Progress, Setup, ViewSpec } from "../method.js";
import { both, consistencyRows } from "./rows.js";

export const targetOptions = {
  cost: choice(CONSISTENCY_COSTS, "mse", {
    doc: "consistency cost: squared error, KL(teacher || student), or the family between (tau)",
  }),
  tau: number(1, {
    min: 0,
    max: 1,
    needs: [need("method.cost", "tau")],
    doc: "for cost tau: 0 squared error .. 1 scaled KL",
  }),
  legacyScale: boolean(false, {
    needs: [need("method.cost", "tau"), needPositive("method.tau")],
    doc: "for cost tau: scale of the authors' code, 1 - 1/K times the paper's",
  }),
  target: choice(["teacher", "student"], "teacher", {
    doc: "where targets come from; student: the Pi-model in the same graph, gradient into both branches",
  }),
  logBothCosts: boolean(false, { doc: "also report the cost against the other target; takes one more pass" }),
};

export const headOptions = {
  logitDistanceWeight: number(0.01, {
    min: 0,
    needs: [need("model.heads", 2)],
    doc: "two heads: weight of the squared distance of their logits",
  }),
  logitDistanceClasses: choice(["mean", "sum"], "mean", {
    needs: [need("model.heads", 2), needPositive("method.logitDistanceWeight")],
    doc: "two heads: mean or sum of that distance over classes",
  }),
};

type Options = OptionsOf<typeof targetOptions> & { readonly consistencyOnLabeled: boolean };
type Role = "student" | "teacher";
type TwoViews = Batch<Record<Role, ViewSpec>, Record<Role, ViewSpec>>;

/**
 * mean_i m_i d(softmax(rs_i), target_i), a scalar, as a function of the student's logits rs `[B, K]` and the teacher's ct
 * `[B, K]`. The target is softmax(ct), without gradient, or (`target` student) the student's own prediction on the teacher's
 * view in the teacher's `pass` (its dropout and noise), with gradient, which leaves running statistics alone. Throws
 * UsageError where that gradient would be that of a cost which is not symmetric. `looked`: the other target's cost, if it is asked for.
 */
export function agreement(setup: Setup, student: Model, options: Options, pass: Exclude<PassRequest, string>) {
  const { target, logBothCosts, cost, tau, legacyScale } = options;
  if (target === "student" && (cost === "kl" || (cost === "tau" && tau > 0))) {
    throw new UsageError(
      `mean-teacher: target student sends the gradient into both branches, which only a symmetric cost allows: expected cost mse, got ${cost}`,
    );
  }
  const other = target === "teacher" ? "consistencyWithStudent" : "consistencyWithTeacher";
  return (batch: TwoViews, rs: Tensor, ct: Tensor, now: Progress): { consistency: Tensor; looked: Metrics } => {
    const { among, divideBy } = consistencyRows(batch, options);
    const d = (probs: Tensor, gradToTarget: boolean) =>
      consistencyCost(among(rs), among(probs), { cost, tau, legacyScale, divideBy, gradToTarget });
    const byTeacher = () => d(ct.softmax(1), false);
    const byStudent = (draws: Partial<typeof pass>) =>
      d(student.forward(both(batch, "teacher"), { ...pass, updateStatistics: false, ...draws }).softmax(1), true);
    const consistency = target === "teacher" ? byTeacher() : byStudent({});
    if (!logBothCosts) return { consistency, looked: {} };
    // The extra pass has draws of its own, so that looking does not change what is trained.
    const rng = setup.rng.split(`log:${now.step}`);
    return {
      consistency,
      looked: { [other]: noGrad(() => (target === "teacher" ? byStudent({ rng }) : byTeacher())) },
    };
  };
}

/** lambda_d D(c_s, r_s), added to `loss`; with one head there is nothing to tie. `D` under its name, for the metrics. */
export function tieHeads(
  loss: Tensor,
  { logits, consistency: rs }: Heads,
  options: OptionsOf<typeof headOptions>,
): { readonly loss: Tensor; readonly tie: Metrics } {
  if (rs === logits) return { loss, tie: {} };
  const distance = logitDistance(logits, rs, { classes: options.logitDistanceClasses });
  return { loss: loss.add(distance.mul(options.logitDistanceWeight)), tie: { logitDistance: distance } };
}
