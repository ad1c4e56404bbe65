/** What a run is, with nothing left open. */
import type { Modules } from "./plugin.js";
import type { RunOptionValues } from "./run-options.js";

/** What the data, the weights or the machine may decide where nobody chose it. */
export const openOptions = [
  "batch",
  "labeledBatch",
  "steps",
  "evalEvery",
  "checkpointEvery",
  "dataset.size",
  "dataset.channels",
  "model.width",
  "model.dropout",
  "model.headStart",
  "method.teacherDropout",
  "method.teacherNoise",
  "optimizer.backboneLrFactor",
] as const;

type Derived = "dataset" | "labels" | "labeledBatch" | "threads" | "out" | "evalEvery" | "checkpointEvery";
export type OptionValues = Readonly<Record<string, unknown>>;

/**
 * A complete configuration: plain JSON, every default filled in except what only the data set (`normalize`, `translate`,
 * `flip`) or the device (`precision`) decides. `resume` is set when the run continues the folder `out`.
 */
export interface RunConfig extends Omit<RunOptionValues, Derived> {
  readonly dataset: string;
  readonly labels: string;
  readonly labeledBatch: number;
  readonly threads: number;
  /** Nobody chose `threads`: they are the share of one of so many processes on the machine. */
  readonly coresSharedBy?: number;
  readonly out: string;
  /** Nobody chose `out`: the run takes another name where a run that started in the same second has this one. */
  readonly nameIsFree?: boolean;
  readonly evalEvery: number;
  readonly checkpointEvery: number;
  readonly datasetOptions: OptionValues;
  readonly methodOptions: OptionValues;
  readonly modelOptions: OptionValues;
  readonly optimizerOptions: OptionValues;
  /** What nobody gave, so that data, weights or machine may choose it; gone once the run has its data. */
  readonly byDefault?: readonly (typeof openOptions)[number][];
  /** Absolute paths of the files that define what is not the package's own. */
  readonly modules?: Modules;
  /** Keys of what was given by hand, for what only the data tell of it; gone once the run has them. */
  readonly given?: readonly string[];
}

/** How often a run of so many steps is evaluated where nobody says: ten times, but not within 250 steps. */
export const usualEvalEvery = (steps: number): number => Math.min(steps, Math.max(250, Math.round(steps / 10)));

/** How often it is saved: when it is evaluated, every 1,000 steps at the least. */
export const usualCheckpointEvery = (evalEvery: number): number => Math.min(1000, evalEvery || 1000);
