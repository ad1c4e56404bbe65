/** The moving average of a student's weights where it is the result, and teaches nobody. */
import type { Model } from "../../nn/index.js";
import { EmaTeacher, recomputeStatistics } from "../../targets/index.js";
import type { Tensor } from "../../torch/index.js";
import type { Progress, Setup } from "../method.js";
import { type EmaLength, emaFrom, type GivenEma } from "./shared-options.js";

/** Rows of a pass that measures statistics, at the least. */
const LEAST_ROWS = 64;

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

/** Training images in groups, all as large, give or take one; fewer images than the least group tell too little: then there are none. */
export function* statisticsBatches({ statisticsRows: rows, trainingImages }: Setup): Generator<Tensor> {
  const groups = Math.floor(rows.length / LEAST_ROWS);
  const end = (group: number) => Math.floor((group * rows.length) / groups);
  for (let group = 0; group < groups; group++) {
    const images = trainingImages(rows.slice(end(group), end(group + 1)));
    yield images;
    images.release();
  }
}
