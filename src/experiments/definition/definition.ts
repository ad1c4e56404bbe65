/** What an experiment file says: arms by row and column, published values, claims. `docs/experiments.md` explains the keys. */

export const SCALES = ["paper", "small"] as const;
export type Scale = (typeof SCALES)[number];

/** `table`: errors in rows and columns; `sensitivity`: error over the columns' x; `curves`: error over steps; `regions`: decision regions. */
export const KINDS = ["table", "sensitivity", "curves", "regions"] as const;
export type Kind = (typeof KINDS)[number];

/** Run options, and under `paper` and `small` those of one scale only. */
export interface Layer {
  readonly options: Readonly<Record<string, unknown>>;
  readonly paper: Readonly<Record<string, unknown>>;
  readonly small: Readonly<Record<string, unknown>>;
}

export interface RowOrColumn extends Layer {
  readonly name: string;
  readonly label: string;
  /** Place on the x axis of a sensitivity plot. */
  readonly x?: number;
  /** Whose error counts ("teacher"); default: the method's predictor. */
  readonly role?: string;
  /** The scale at which it exists; both, if not given. */
  readonly onlyAt?: Scale;
  /** Another column, whose runs this one reads once more, with `metric`: top-1 and top-5 of the same runs. */
  readonly runsOf?: string;
  /** Seeds at the most: the papers ran fewer with all labels. */
  readonly runs?: number;
  /** What of a run's result counts: "top5Error", or "valError", on validation images where they were held out; `error` if not given. */
  readonly metric?: string;
  /** Another row, whose run of the same column and seed stores the predictions that this one starts from. */
  readonly predictionsOf?: string;
}

/** A printed value, in the unit of the paper. */
export interface Published {
  readonly row: string;
  readonly column: string;
  readonly mean: number;
  readonly sd?: number;
  /** T: read in the paper; C: in its code; m-H, m-M, m-L: recalled, with high, middling or low confidence. */
  readonly mark: string;
  readonly source: string;
}

/** "`better` has a lower error than `worse`": two rows, or two arms ("row/column"). */
export interface Claim {
  readonly text: string;
  readonly better: string;
  readonly worse: string;
  /** All that both have, if not given. */
  readonly columns?: readonly string[];
}

/** A row of the paper that cannot be run here. */
export interface Listed {
  readonly row: string;
  readonly why: string;
  readonly nearest: string;
}

export interface Definition {
  /** "mean-teacher/table-2". */
  readonly name: string;
  readonly file: string;
  readonly title: string;
  readonly paper: string;
  readonly kind: Kind;
  readonly notes: string;
  readonly unit: "error" | "accuracy";
  /** Name and scale of the x axis of a sensitivity plot. */
  readonly xAxis: { readonly label: string; readonly scale: "linear" | "log" | "names" };
  readonly settings: Layer;
  readonly rows: readonly RowOrColumn[];
  readonly columns: readonly RowOrColumn[];
  /** By "row/column". */
  readonly cells: Readonly<Record<string, Layer>>;
  /** "row/column" pairs that the paper does not have. */
  readonly skip: readonly string[];
  readonly seeds: Readonly<Record<Scale, readonly number[]>>;
  /** Name of the profile that shrinks it: `experiments/scales/small/PROFILE.yaml`. */
  readonly profile: string;
  readonly published: readonly Published[];
  readonly listed: readonly Listed[];
  readonly claims: readonly Claim[];
}

/** Of a row or column, as its folder is called. */
export const fileName = (name: string) => name.replace(/[^\w.+-]+/g, "_");
