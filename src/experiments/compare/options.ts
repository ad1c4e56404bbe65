/** What a comparison is asked, and what it tells on its way. */
import type { Catalog } from "../../config/catalog.js";
import type { RunAllEvent } from "../run-all.js";
import type { Folds } from "./folds.js";

export interface CompareOptions {
  readonly dir: string;
  readonly labelsFile?: string | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  /** Folder of folds, runs and report. */
  readonly out: string;
  readonly folds: number;
  readonly seed: number;
  /** Of all calls together. */
  readonly budgetSeconds: number;
  readonly threads: number;
  /** Names of the short list; all of it where not given. */
  readonly only?: readonly string[] | undefined;
  /** Options of a run, laid over every method. */
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly catalog: Catalog;
  readonly signal: AbortSignal;
  readonly onEvent: (event: CompareEvent) => void;
}

export type CompareEvent =
  /** What the user should know about how the labels file was read. */
  | { readonly type: "remark"; readonly message: string }
  | { readonly type: "start"; readonly folds: Folds; readonly finished: number; readonly spentSeconds: number }
  | { readonly type: "timing"; readonly method: string }
  | { readonly type: "planned"; readonly steps: number; readonly wanted: number }
  | { readonly type: "left out"; readonly method: string; readonly why: string }
  | { readonly type: "run"; readonly run: RunAllEvent; readonly error?: number; readonly spentSeconds: number };
