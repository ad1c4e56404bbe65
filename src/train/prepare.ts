/** From a configuration to data in memory: loaded, split, normalized, fingerprinted. */
import { existsSync, readFileSync } from "node:fs";
import type { DataSet, Normalization } from "../data/dataset.js";
import { fingerprint } from "../data/fingerprint.js";
import { findDataSet } from "../data/index.js";
import { parseLabelFile } from "../data/label-file.js";
import { type ImageStore, storeImages } from "../data/loader.js";
import { normalizeData } from "../data/normalize.js";
import { type Split, splitData } from "../data/split.js";
import { DataError } from "../errors.js";
import { Rng } from "../rng.js";
import type { RunConfig } from "./config.js";

export interface PreparedData {
  readonly classes: readonly string[];
  readonly train: ImageStore;
  readonly test: ImageStore;
  /** True labels, -1 where there is none. Training sees `split.y` only. */
  readonly trainLabels: Int32Array;
  readonly testLabels: Int32Array;
  readonly split: Split;
  readonly translate: number;
  readonly flip: boolean;
  readonly normalize: Normalization;
  readonly fingerprint: string;
  release(): void;
}

/** Generated data sets are the same for every seed of a run: only `dataset.*` options change them. */
const GENERATED_DATA_SEED = 0;

/** Throws UsageError or DataError. */
export async function prepareData(config: RunConfig): Promise<PreparedData> {
  const definition = findDataSet(config.dataset);
  const rng = Rng.fromSeed(GENERATED_DATA_SEED).split(`dataset:${config.dataset}`);
  const data = await definition.load({ dir: config.data, rng, options: config.datasetOptions });
  const split = splitData(
    data,
    {
      validation: config.val,
      labels: labelsOf(config.labels, data),
      labelDraw: config.labelDraw,
      unlabeled: config.unlabeled,
    },
    Rng.fromSeed(config.labelSeed),
  );
  const normalize = (config.normalize as Normalization | undefined) ?? data.normalize;
  const normalized = normalizeData(normalize, data.train, data.test);
  const [train, test] = [storeImages(normalized.train), storeImages(normalized.test)];
  return {
    classes: data.classes,
    train,
    test,
    trainLabels: data.train.labels,
    testLabels: data.test.labels,
    split,
    normalize,
    translate: config.translate ?? data.translate,
    flip: config.flip ?? data.flip,
    fingerprint: fingerprint(data),
    release() {
      train.release();
      test.release();
    },
  };
}

/** `all`, a number, or a labels file. */
function labelsOf(labels: string, data: DataSet) {
  if (labels === "all") return "all" as const;
  if (/^\d+$/.test(labels)) return Number(labels);
  if (!existsSync(labels))
    throw new DataError(`${labels}: there is no such labels file (--labels takes a number, a file or "all")`);
  return parseLabelFile(readFileSync(labels, "utf8"), data, labels);
}
