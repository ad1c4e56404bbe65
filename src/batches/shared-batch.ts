/** A batch that several processes share: each has the same number of labeled and of unlabeled rows. */
import { UsageError } from "../errors.js";
import { type Spread, world } from "../torch/index.js";

import type { BatchOptions } from "./batch-options.js";

type Config = Pick<BatchOptions, "batch" | "labeledBatch" | "sampler"> & { readonly resume?: string | undefined };

/** As much of a phase of a method as tells its rows. */
interface Phase {
  readonly rows: "both" | "labeled";
  readonly batch?: number;
}

/** As much of a method as tells what its batches must divide by. */
export interface BatchReader {
  readonly phases: readonly Phase[];
  readonly usesUnlabeled: boolean;
  /** See `MethodDefinition.subBatches`. */
  readonly groups: number;
}

/** Throws UsageError where a part of the batch does not divide by the number of processes, with numbers that do. */
export function checkShared(config: Config, reader: BatchReader, { size }: Spread = world()): void {
  const wrong = misfit(config, reader, size);
  if (!wrong) return;
  const { resume, batch } = config;
  if (resume === undefined) throw new UsageError(`${wrong.what}: ${wrong.advice}`);
  const fits = Array.from({ length: batch }, (_, i) => i + 1).filter((n) => !misfit(config, reader, n));
  throw new UsageError(
    `${wrong.what}, and a run that continues keeps its batch. Continue ${resume} in ${listed(fits)} process${fits.length === 1 ? "" : "es"}`,
  );
}

/** What `size` processes cannot share, and what would do. */
function misfit(
  { batch, labeledBatch, sampler }: Config,
  { phases, usesUnlabeled, groups }: BatchReader,
  size: number,
): { readonly what: string; readonly advice: string } | undefined {
  if (size === 1) return undefined;
  if (sampler === "mixed") {
    return {
      what: `--sampler mixed: labels fall as they may, and ${size} processes need equal parts of them`,
      advice: "use --sampler two-stream",
    };
  }
  const unlabeled = batch - labeledBatch;
  if (phases.some(({ rows }) => rows === "both") && !divides([labeledBatch, unlabeled], size, groups)) {
    const [bl, bu] = near([labeledBatch, unlabeled], size, groups);
    const mixed = groups > 1 ? ` with ${groups} sub-batches of mixed rows` : "";
    return {
      what: `a batch of ${labeledBatch} labeled and ${unlabeled} unlabeled rows does not divide by ${size} processes${mixed}`,
      advice: `give --batch ${bl + bu} --labeled-batch ${bl}`,
    };
  }
  for (const { rows, batch: own } of phases) {
    const labeled = own ?? labeledBatch;
    if (rows === "both" || labeled % size === 0) continue;
    const ofRun = usesUnlabeled ? "--labeled-batch" : "--batch";
    return {
      what: `${labeled} labeled rows do not divide by ${size} processes`,
      advice: `give ${own === undefined ? ofRun : "--method.finetuneBatch"} ${near([labeled, 0], size, 1)[0]}`,
    };
  }
  return undefined;
}

/** Labeled and unlabeled rows. */
type Rows = readonly [labeled: number, unlabeled: number];

/** The mixed rows, `labeled + (groups - 1) unlabeled`, divide too: into `groups` parts, each of them by `size`. */
function divides([labeled, unlabeled]: Rows, size: number, groups: number): boolean {
  return labeled % size === 0 && unlabeled % size === 0 && ((labeled - unlabeled) / size) % groups === 0;
}

/** Rows near to these that divide; not more unlabeled ones, of which there may be no more, unless each process would have none. */
function near([labeled, unlabeled]: Rows, size: number, groups: number): Rows {
  const own = Math.max(1, Math.round(labeled / size));
  const over = own % groups;
  const others = over + groups * Math.floor((unlabeled / size - over) / groups);
  return [own * size, (others < 1 ? others + groups : others) * size];
}

/** The most rows that divide by `size` and are no more than these, but one a process. */
export const shareable = (rows: number, size: number): number => Math.max(size, rows - (rows % size));

/** The most rows that divide and are no more than these (but one of a kind a process) where only what is `free` changes; undefined where none do. */
export function sharedRows(
  [labeled, unlabeled]: Rows,
  free: { readonly batch: boolean; readonly labeled: boolean },
  size: number,
  groups: number,
): Rows | undefined {
  const first = free.labeled ? shareable(labeled, size) : labeled;
  for (let l = first; l === first || (free.labeled && l > 0); l -= size) {
    const least = free.batch ? 1 : labeled + unlabeled - l;
    const start = free.batch ? shareable(unlabeled, size) : least;
    for (let u = start; u >= least && u > 0; u -= size) if (divides([l, u], size, groups)) return [l, u];
  }
  return undefined;
}

/** `1, 2 or 4`. */
function listed(numbers: readonly number[]): string {
  return numbers.length === 1 ? `${numbers[0]}` : `${numbers.slice(0, -1).join(", ")} or ${numbers.at(-1)}`;
}
