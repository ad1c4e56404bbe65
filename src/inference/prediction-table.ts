/** Stores what a trained run predicts for every training image: stage 2 of Reduced Meta Pseudo Labels. */
import type { Catalog } from "../config/catalog.js";
import { RunFolder } from "../run/index.js";
import { PredictionWriter, type TableDType } from "../targets/index.js";
import { noGrad, scope } from "../torch/index.js";
import { allImages } from "./all-images.js";
import { type Moved, openTrainedRun } from "./open.js";

export interface PredictOptions extends Moved {
  /** The file to write. */
  readonly out: string;
  readonly dtype: TableDType;
  /** Images a pass; default the run's `--test-batch`. */
  readonly batch?: number | undefined;
  /** As in `evaluateRun`. */
  readonly catalog?: Catalog;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface PredictResult {
  readonly out: string;
  readonly rows: number;
  readonly classes: number;
  readonly dtype: TableDType;
  /** Role of the model that predicted. */
  readonly predictor: string;
  readonly dataFingerprint: string;
}

/**
 * The run's predictor in mode `eval` on all N training images, not augmented, whatever their split, and on those of a streamed
 * pool after them; a batch of images and probabilities is in memory at a time. A picture of the pool that is damaged gets equal
 * probabilities. Throws UsageError without a checkpoint, DataError on damaged data or files.
 */
export async function predictRun(path: string, options: PredictOptions): Promise<PredictResult> {
  const { session, config } = await openTrainedRun(RunFolder.open(path), options, "final", options.catalog);
  const { data, method, hardware } = session;
  try {
    const { out, dtype, batch = config.testBatch, onProgress = () => {} } = options;
    const rows = data.train.count + (data.pool?.count ?? 0);
    const { classes, fingerprint: dataFingerprint } = data;
    const predictor = method.models[method.predictor]!;
    const k = classes.length;
    const table = new PredictionWriter(out, { rows, classes, dtype, dataFingerprint, source: path });
    try {
      for await (const { images, damaged } of allImages(data, batch, hardware.device)) {
        const probs = noGrad(() =>
          scope(() => predictor.forward(images(), "eval").softmax(1).toArray() as Float32Array),
        );
        for (const row of damaged) probs.fill(1 / k, row * k, (row + 1) * k); // nobody knows
        table.append(probs);
        onProgress(table.rows, rows);
      }
      table.finish();
    } finally {
      table.abandon();
    }
    return { out, rows, classes: k, dtype, predictor: method.predictor, dataFingerprint };
  } finally {
    data.release();
  }
}
