/** What most methods own: one network, its optimizer, and the moving average of its weights, which teaches nobody. */
import { minimize } from "../../optim/index.js";
import type { Tensor } from "../../torch/index.js";
import type { Progress, Setup } from "../method.js";
import { averageOf } from "./average.js";
import { type GivenEma, rampUpLength } from "./shared-options.js";

interface Averaging {
  /** Share of the run for which `emaDecayRampUp` holds where `rampUpSteps` does not say: the method's own ramp, default 4/15. */
  readonly rampShare?: number;
  /** The largest decay by default. */
  readonly most?: number;
}

export function averagedStudent(
  setup: Setup,
  options: GivenEma & { readonly rampUpSteps?: number | undefined },
  { rampShare, most }: Averaging = {},
) {
  const { totalSteps } = setup;
  const student = setup.buildModel("student");
  const rampUpSteps = rampUpLength(options.rampUpSteps, totalSteps, rampShare);
  const average = averageOf(setup, student, "teacher", options, { totalSteps, rampUpSteps, ...(most && { most }) });
  const { ema, model: teacher } = average;
  const optimizer = setup.buildOptimizer("student", student);
  return {
    student,
    device: student.parameters[0]!.tensor.device,
    /** What the method returns besides its step: the average is the result, unless it says otherwise. */
    rest: {
      predictor: "teacher",
      models: { student, teacher },
      state: { student, teacher, ema, optimizer },
    },
    /** One descent on `loss` (none: there was nothing to learn from), then the average follows. */
    descend(loss: Tensor | undefined, now: Progress): void {
      if (loss) minimize(loss, optimizer, now);
      average.follow(now);
    },
  };
}
