/** Which of the images in memory a run shows its networks: none that its method has no use for. */
import type { RunConfig } from "../config/resolve.js";
import type { MethodDefinition } from "../methods/index.js";
import type { Rng } from "../rng.js";
import type { PreparedData } from "./data.js";

/** Rows of the batch for data-dependent initialization (methods.md 1.4). */
export const INIT_ROWS = 100;
/** Images from which an average's running statistics are measured at the end of a run. */
export const STATISTICS_ROWS = 256;

/** Positions in the training set; those held out for validation are none of them. */
export interface Shown {
  readonly labeled: Int32Array;
  /** The unlabeled stream, labeled images among them with `--unlabeled all`; empty where it is not shown or not in memory. */
  readonly stream: Int32Array;
  /** Those of the stream that can come as unlabeled rows: a mixed batch has each labeled image once, with its label. */
  readonly unlabeled: Int32Array;
}

/** Whether batches have rows of the unlabeled stream: mixed ones do, whether the method reads them or not. */
export function showsUnlabeled(
  { sampler }: Pick<RunConfig, "sampler">,
  { usesUnlabeled }: Pick<MethodDefinition, "usesUnlabeled">,
): boolean {
  return usesUnlabeled || sampler === "mixed";
}

export function shownRows(
  config: Pick<RunConfig, "sampler">,
  method: Pick<MethodDefinition, "usesUnlabeled">,
  { split, pool }: Pick<PreparedData, "split" | "pool">,
): Shown {
  const { labeled, y } = split;
  const stream = showsUnlabeled(config, method) && !pool ? split.unlabeled : new Int32Array(0);
  const unlabeled = config.sampler === "mixed" ? stream.filter((row) => y[row]! < 0) : stream;
  return { labeled, stream, unlabeled };
}

/** Every image that is shown, labeled or not, ascending. */
export function trainedRows({ labeled, stream }: Shown): Int32Array {
  return Int32Array.from(new Set([...labeled, ...stream])).sort();
}

/** Some of them. */
export function statisticsRows(shown: Shown, rng: Rng): Int32Array {
  return rng.split("statistics").shuffle(trainedRows(shown)).slice(0, STATISTICS_ROWS);
}

export const initialDraws = (rng: Rng) => rng.split("initialization");

/** The images of the minibatch for data-dependent initialization. */
export function initializationRows({ labeled, stream }: Shown, rng: Rng): Int32Array {
  return initialDraws(rng)
    .shuffle((stream.length > 0 ? stream : labeled).slice())
    .slice(0, INIT_ROWS);
}
