/** Stores what a trained run predicts for every training image: stage 2 of Reduced Meta Pseudo Labels. */
import { holdAll, plainImages } from "../batches/store.js";
import type { Catalog } from "../config/catalog.js";
import { UsageError } from "../errors.js";
import { RunFolder } from "../run/index.js";
import { type TableDType, writePredictionTable } from "../targets/index.js";
import { noGrad, scope } from "../torch/index.js";
import { openTrainedRun } from "./open.js";

export interface PredictOptions {
  /** The file to write. */
  readonly out: string;
  readonly dtype: TableDType;
  /** Images a pass; default the run's `--test-batch`. */
  readonly batch?: number | undefined;
  /** Folder of the data set, where it is no longer that of the training run. */
  readonly data?: string | undefined;
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
 * The run's predictor in mode `eval` on all N training images, not augmented, whatever their split; a batch of
 * probabilities is in memory at a time. Throws UsageError without a checkpoint, DataError on damaged data or files.
 */
export async function predictRun(path: string, options: PredictOptions): Promise<PredictResult> {
  const { session, config } = await openTrainedRun(RunFolder.open(path), options.data, "final", options.catalog);
  const { data, method, hardware } = session;
  try {
    if (data.pool) {
      throw new UsageError(
        `${path}: its unlabeled images are streamed from shards; a table of predictions needs them in memory`,
      );
    }
    const { out, dtype, batch = config.testBatch, onProgress = () => {} } = options;
    await holdAll(data.train, "a table of predictions");
    const rows = data.train.count;
    const { classes, fingerprint: dataFingerprint } = data;
    const predictor = method.models[method.predictor]!;
    function* chunks(): Generator<Float32Array> {
      for (let start = 0; start < rows; start += batch) {
        const index = Int32Array.from({ length: Math.min(batch, rows - start) }, (_, i) => start + i);
        yield noGrad(() =>
          scope(
            () =>
              predictor
                .forward(plainImages(data.train, index, hardware.device), "eval")
                .softmax(1)
                .toArray() as Float32Array,
          ),
        );
        onProgress(start + index.length, rows);
      }
    }
    writePredictionTable(out, { rows, classes, dtype, dataFingerprint, source: path }, chunks());
    return { out, rows, classes: classes.length, dtype, predictor: method.predictor, dataFingerprint };
  } finally {
    data.release();
  }
}
