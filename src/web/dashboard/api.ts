/** What the dashboard's server and page say to each other; types alone, read by both. */

import type { SeenPictures } from "../../run/seen-types.js";

export type { Belief, SeenPictures, SeenStep, SeenViews, Sheet } from "../../run/seen-types.js";

export type RunState = "running" | "done" | "stopped" | "damaged";

/** A run in the list. */
export interface RunRow {
  /** Path below the folder that is shown, with "/"; "." for that folder itself. Names it in every other request. */
  readonly id: string;
  readonly state: RunState;
  /** What is wrong with its files, where it is damaged. */
  readonly problem?: string;
  readonly method: string;
  readonly model: string;
  readonly dataset: string;
  readonly labels: string;
  readonly seed: number;
  /** The last step that was logged, and how many there will be. */
  readonly step: number;
  readonly steps: number;
  /** Percent: of the result where there is one, else of the last evaluation, by the role whose error is the result. */
  readonly error?: number;
  /** What `error` is of: "teacher, test". */
  readonly errorOf?: string;
  /** Milliseconds since 1970 of the last line of the log. */
  readonly updated: number;
}

/** GET /api/runs, and the first event of GET /api/events. */
export interface RunList {
  /** The folder that was given, as it was given. */
  readonly folder: string;
  readonly runs: readonly RunRow[];
  /** How many folders were left out because there are too many. */
  readonly leftOut: number;
}

/** Event "changes" of GET /api/events. */
export interface RunChanges {
  /** New runs, and those of which something has changed. */
  readonly runs: readonly RunRow[];
  /** Ids of runs whose folder is gone. */
  readonly gone: readonly string[];
}

/** GET /api/config?run=ID: config.json, flat: "method.emaDecay" -> "0.99". */
export type FlatConfig = Readonly<Record<string, string>>;

/** GET /api/series?run=ID&name=A&name=B&generation=1&counts=10,20: how the answer begins; see `packSeries`. */
export interface SeriesHeader {
  /** Where it is not the one asked with, everything before is void. */
  readonly generation: number;
  /** Every curve the run has. */
  readonly names: readonly string[];
  readonly columns: readonly { readonly name: string; readonly from: number; readonly count: number }[];
}

/** GET /api/seen?run=ID; 404 where the run has recorded nothing. The rest: /api/seen/step?step=N, /api/seen/views, /api/seen/sheet?sheet=NAME. */
export interface Seen {
  readonly steps: readonly number[];
  readonly pictures: SeenPictures;
}
