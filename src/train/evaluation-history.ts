/** What the evaluations of a run have shown so far: the best step on validation, and the median of the last ones. */

import type { EvaluationEvent } from "../run/events.js";
import type { LoggedEvent } from "../run/index.js";
import { median } from "../statistics.js";
import type { Split } from "./evaluate.js";

/** How many evaluations the median is over, as in the FixMatch papers. */
const LAST = 20;

/** The predictor's errors by step, all on one split: validation where there is one, else test. */
export class EvaluationHistory {
  readonly split: Split;
  readonly #predictor: string;
  readonly #errors = new Map<number, number>();

  constructor(predictor: string, split: Split) {
    this.#predictor = predictor;
    this.split = split;
  }

  /** Takes the evaluations up to `step` from what an earlier part of the run logged. */
  recall(events: readonly LoggedEvent[], step: number): void {
    for (const event of events) {
      if (event.type === "evaluation" && event.step! <= step) this.add(event as unknown as EvaluationEvent);
    }
  }

  add(event: EvaluationEvent): void {
    const error = event[this.split]?.[this.#predictor]?.error;
    if (error !== undefined) this.#errors.set(event.step, error); // a step evaluated again after a resume counts once
  }

  /** The step with the lowest validation error, the first of equals. Undefined without validation: test selects nothing. */
  best(): { readonly step: number; readonly valError: number } | undefined {
    let best: { step: number; valError: number } | undefined;
    if (this.split !== "val") return undefined;
    for (const [step, valError] of this.#errors) {
      if (best === undefined || valError < best.valError) best = { step, valError };
    }
    return best;
  }

  /** Median error of the last evaluations, up to 20, and how many those were. */
  medianLast20(): { readonly split: Split; readonly error: number; readonly evaluations: number } {
    const last = [...this.#errors.values()].slice(-LAST);
    return { split: this.split, error: median(last), evaluations: last.length };
  }
}
