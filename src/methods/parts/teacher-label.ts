/** The label yhat that the teacher of Meta Pseudo Labels gives. */
import { choice, need, number, type OptionsOf } from "../../options.js";
import type { Rng } from "../../rng.js";
import { hardLabels, sampleLabels } from "../../targets/index.js";
import type { Tensor } from "../../torch/index.js";

export const LABEL_MODES = ["sample", "argmaxWeak", "argmaxStrong", "soft"] as const;

export const labelOptions = {
  labelMode: choice(LABEL_MODES, "sample", {
    doc: "the student's label: drawn from the teacher's prediction on the strong view, the most probable class of the weak or the strong view, or the whole distribution of the strong view",
  }),
  labelTemperature: number(1, {
    min: 0.01,
    needs: [need("method.labelMode", "soft")],
    doc: "labelMode soft: softmax(logits / this) is the label",
  }),
};

/** What the student learns from and the teacher is reinforced on: `[Bu]` classes, or `[Bu, K]` probabilities with gradient. */
export function labelOf(
  weak: Tensor,
  strong: Tensor,
  { labelMode, labelTemperature }: OptionsOf<typeof labelOptions>,
  rng: Rng,
): Tensor {
  if (labelMode === "sample") return sampleLabels(strong.detach().softmax(1), rng);
  if (labelMode === "soft") return strong.div(labelTemperature).softmax(1);
  return hardLabels(labelMode === "argmaxWeak" ? weak : strong);
}
