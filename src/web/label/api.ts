/** What the labelling studio's server and page say to each other; types alone, read by both. Rows are places in the list of pictures. */
import type { Confusion, RatedModel } from "../../studio/model-types.js";

export type { Confusion, RatedModel } from "../../studio/model-types.js";

/** First event ("state") of GET /api/events, and again where classes have gone. */
export interface StudioState {
  /** Unlike that of any other start of the server: a page that was loaded from an earlier one has an old token. */
  readonly instance: string;
  /** Folder of pictures and folder of labels, as they were given. */
  readonly folder: string;
  readonly out: string;
  /** Names this list of pictures in addresses of thumbnails. */
  readonly key: string;
  readonly count: number;
  readonly classes: readonly string[];
  /** Classes are those of class folders; none can be added. */
  readonly fixed: boolean;
  /** By row: the place of its class, or -1 open, -2 skipped, -3 in none of the classes. */
  readonly codes: readonly number[];
  /** Share of the pictures asked about that are drawn at random and only test. */
  readonly testShare: number;
  readonly background: BackgroundState;
}

/** Event "answers". */
export interface AnswerChanges {
  readonly classes: readonly string[];
  readonly rows: readonly number[];
  readonly codes: readonly number[];
  readonly tests: TestState;
}

export interface TestState {
  /** Pictures of the test set with a label, in no class, and skipped; and how many it may become. */
  readonly labeled: number;
  readonly none: number;
  readonly skipped: number;
  readonly most: number;
}

/** Event "background". */
export interface BackgroundState {
  readonly tests: TestState;
  /** Why pictures come in the order they do. */
  readonly by: "random" | "typical" | "uncertain";
  readonly reading?: { readonly done: number; readonly total: number };
  /** What keeps it from choosing. */
  readonly problem?: string;
  /** Features are there: GET /api/map gives the map. */
  readonly map: boolean;
  /** Undefined where nothing is trained. */
  readonly training?: TrainingState;
}

export interface TrainingState {
  readonly models: readonly RatedModel[];
  readonly running?: { readonly since: number; readonly labels: number };
  readonly waiting?: string;
  readonly problem?: string;
  readonly confusion?: Confusion;
  /** Run of the model whose guesses GET /api/guesses gives. */
  readonly guesses?: string;
  readonly doubts: number;
  readonly command: string;
}

/** POST /api/answer */
export type AnswerRequest =
  | { readonly by: string; readonly do: "label"; readonly rows: readonly number[]; readonly class: string }
  | { readonly by: string; readonly do: "skip" | "none" | "clear"; readonly rows: readonly number[] };

/** POST /api/undo and /api/redo, with { by }: the rows that changed. */
export interface Undone {
  readonly rows: readonly number[];
}

/** POST /api/next, with { tab, count } */
export interface Next {
  readonly rows: readonly number[];
}

/** GET /api/names?from=0&count=100 */
export interface Names {
  readonly names: readonly string[];
}

/** GET /api/guesses: what the latest model says of pictures that are not of the test set. */
export interface GuessList {
  readonly run: string;
  readonly classes: readonly string[];
  readonly rows: readonly number[];
  /** Places in `classes`. */
  readonly best: readonly number[];
  readonly confidence: readonly number[];
}

/** GET /api/map: places in 0 .. 1, x and y of each row. */
export interface FeatureMap {
  readonly rows: readonly number[];
  readonly places: readonly number[];
}

/** GET /api/doubts: labels that classifiers contradict which have not seen the picture, the surest first. */
export interface Doubts {
  readonly doubts: readonly { readonly row: number; readonly suggested: string; readonly margin: number }[];
}

/** POST /api/export, with { format } */
export interface Exported {
  readonly out: string;
  /** The same as people type it. */
  readonly command: string;
}
