/** The moving average of a student's weights where it is the result, and teaches nobody. */
import type { Model } from "../../nn/index.js";
import { EmaTeacher, recomputeStatistics } from "../../targets/index.js";
import type { Tensor } from "../../torch/index.js";
import type { Progress, Setup } from "../method.js";
import { type EmaLength, emaFrom, type GivenEma } from "./shared-options.js";

/** Rows of a pass that measures statistics. */
const ROWS = 64;

export interface Average {
  readonly ema: EmaTeacher;
  readonly model: Model;
  /** Follows the student's step. After the last one of the run, `emaBuffers recompute` measures the statistics anew. */
  follow(now: Progress): void;
  /** The same where the average itself was trained and follows nobody any more. */
  end(now: Progress): void;
}

/** An average of `student`, built as the model of `role`. */
export function averageOf(setup: Setup, student: Model, role: string, given: GivenEma, length: EmaLength): Average {
  const ema = new EmaTeacher(student, setup.buildModel(role), emaFrom(given, length));
  const { model } = ema;
  const end = ({ step, totalSteps }: Progress) => {
    if (given.emaBuffers === "recompute" && step + 1 === totalSteps)
      recomputeStatistics(model, statisticsBatches(setup));
  };
  return {
    ema,
    model,
    end,
    follow(now) {
      ema.update();
      end(now);
    },
  };
}

/** Whole groups of training images; fewer images than a group tell too little: then there are none. */
function* statisticsBatches({ statisticsRows: rows, trainingImages }: Setup): Generator<Tensor> {
  for (let start = 0; start + ROWS <= rows.length; start += ROWS) {
    const images = trainingImages(rows.slice(start, start + ROWS));
    yield images;
    images.release();
  }
}
