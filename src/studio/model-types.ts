/** What is known of the models that were trained while people labelled. */
import type { Share } from "../statistics.js";

export interface ModelRow {
  /** Folder of the run, below the studio's: "runs/0003". */
  readonly run: string;
  readonly at: string;
  /** Labels it was trained on. */
  readonly labels: number;
  readonly seconds: number;
  /** On the test set as it was then: pictures, and those taken for another class. */
  readonly tested: number;
  readonly wrong: number;
}

/** A model with its error, share and 95 % interval. */
export interface RatedModel extends ModelRow {
  readonly error: Share;
}

export interface Confusion {
  readonly classes: readonly string[];
  /** `[true class][taken for]`, counts. */
  readonly counts: readonly (readonly number[])[];
}
