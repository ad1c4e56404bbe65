/** Options that optimizers share. Those of one optimizer stand beside it. Formulas in docs/schedules-and-losses.md. */
import { boolean, choice, need, needPositive, number } from "../options.js";
import { DECAY_SCOPES } from "./gradients.js";

/** What is done to gradients before they are applied; for an optimizer that passes them to `prepareGradients`. */
export const gradientOptions = {
  weightDecay: number(0, { min: 0, doc: "this times the weight is added to its gradient" }),
  decayScope: choice(DECAY_SCOPES, "all", {
    needs: [needPositive("optimizer.weightDecay")],
    doc: "what weight decay applies to: all; noNorm, all but normalization layers; kernelsOnly, tensors of 2 or more axes",
  }),
  decoupledDecay: boolean(false, {
    needs: [needPositive("optimizer.weightDecay")],
    doc: "weight decay apart from the gradient, w <- (1 - lr weightDecay) w, as AdamW (VAT, ICT and MixMatch of FixMatch's code: adam, weightDecay 0.02)",
  }),
  clipNorm: number(0, { min: 0, doc: "largest global norm of the gradients; 0 = no clipping" }),
  clipAfterDecay: boolean(false, {
    needs: [
      needPositive("optimizer.clipNorm", 0.01),
      needPositive("optimizer.weightDecay"),
      need("optimizer.decoupledDecay", false),
    ],
    doc: "count weight decay in the norm that is clipped (Google's Meta Pseudo Labels)",
  }),
} as const;

/** For an optimizer whose parameters may have rates of their own (`OptimizerPlan.rateFactor`). */
export const rateOptions = {
  backboneLrFactor: number(1, {
    needs: [need("model.freeze", "none")],
    min: 0,
    doc: "factor on the learning rate of all but the heads, below 1 to fine-tune loaded weights (0 leaves them as they are)",
  }),
} as const;
