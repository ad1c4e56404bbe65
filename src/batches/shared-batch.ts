/** A batch that several processes share: each has the same number of labeled and of unlabeled rows. */
import { UsageError } from "../errors.js";
import { type Spread, world } from "../torch/index.js";

import type { BatchOptions } from "./batch-options.js";

type Config = Pick<BatchOptions, "batch" | "labeledBatch" | "sampler">;
/** As much of a phase of a method as tells its rows. */
interface Phase {
  readonly rows: "both" | "labeled";
  readonly batch?: number;
}

/** Throws UsageError where a part of the batch does not divide by the number of processes, with numbers that do. */
export function checkShared(config: Config, phases: readonly Phase[], { size }: Spread = world()): void {
  if (size === 1) return;
  const { batch, labeledBatch, sampler } = config;
  if (sampler === "mixed") {
    throw new UsageError(
      `--sampler mixed: labels fall as they may, and ${size} processes need equal parts of them. Use --sampler two-stream`,
    );
  }
  const fitted = (rows: number) => Math.max(size, Math.round(rows / size) * size);
  for (const { rows, batch: own } of phases) {
    if (rows === "labeled") {
      const labeled = own ?? labeledBatch;
      if (labeled % size === 0) continue;
      const option = own === undefined ? "--labeled-batch" : "--method.finetuneBatch";
      throw new UsageError(
        `${labeled} labeled rows do not divide by ${size} processes: give ${option} ${fitted(labeled)}`,
      );
    }
    const unlabeled = batch - labeledBatch;
    if (labeledBatch % size === 0 && unlabeled % size === 0) continue;
    const [bl, bu] = [fitted(labeledBatch), fitted(unlabeled)];
    throw new UsageError(
      `a batch of ${labeledBatch} labeled and ${unlabeled} unlabeled rows does not divide by ${size} processes: ` +
        `give --batch ${bl + bu} --labeled-batch ${bl}`,
    );
  }
}
