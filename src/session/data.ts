/** From a configuration to data in memory: loaded, split, normalized, fingerprinted. */
import { existsSync } from "node:fs";
import { type ChosenViews, chooseViews } from "../augment/view-options.js";
import type { Views } from "../batch.js";
import { type ImageStore, storeImages } from "../batches/store.js";
import { checkDataSet } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import type { DataSet, DataSetDefinition } from "../data/dataset.js";
import { withUnlabeled } from "../data/extra-unlabeled.js";
import { fingerprint } from "../data/fingerprint.js";
import { DataError, UsageError } from "../errors.js";
import {
  type DamagedFile,
  type Decoding,
  isWhitening,
  type Normalization,
  type ShardPool,
} from "../images/image-set.js";
import { normalizeData } from "../images/normalize.js";
import { parseLabelFile } from "../labels/label-file.js";
import { redrawLabels } from "../labels/label-noise.js";
import { isLabelsFile, isStream } from "../labels/label-options.js";
import { readLabelTable } from "../labels/label-rows.js";
import { type Split, splitData } from "../labels/split.js";
import { Rng } from "../rng.js";

export interface PreparedData extends Omit<ChosenViews, "plan"> {
  readonly classes: readonly string[];
  readonly train: ImageStore;
  readonly test: ImageStore;
  /** True labels, -1 where there is none. Training sees `split.y` only. */
  readonly trainLabels: Int32Array;
  readonly testLabels: Int32Array;
  readonly split: Split;
  /** With `--label-noise`: how many of the labels in `split.y` were drawn anew, and how many of them became another class. */
  readonly labelNoise: { readonly redrawn: number; readonly changed: number } | undefined;
  readonly normalize: Normalization;
  readonly fingerprint: string;
  /** What the user should know about the data. */
  readonly remarks: readonly string[];
  readonly damaged: readonly DamagedFile[];
  /** How pictures from files become images such as these, where they come from files. */
  readonly decoding: Decoding | undefined;
  /** Unlabeled images that are streamed; those of `train` are then the labeled ones. */
  readonly pool: ShardPool | undefined;
  release(): void;
}

/** Rows that are needed at the same time, at the most, of images that are decoded on demand. */
export interface WorkingRows {
  readonly train: number;
  readonly test: number;
}

/** Generated data sets are the same for every seed of a run: only `dataset.*` options change them. */
const GENERATED_DATA_SEED = 0;

/** The data set as it is loaded, and who is labeled, unlabeled or held out. Throws UsageError or DataError. */
export async function loadSplit(
  config: RunConfig,
  definition: DataSetDefinition,
): Promise<{ readonly data: DataSet; readonly split: Split; readonly remarks: readonly string[] }> {
  const rng = Rng.fromSeed(GENERATED_DATA_SEED).split(`dataset:${config.dataset}`);
  const { labels, unlabeled } = config;
  const loaded = await definition.load({
    dir: config.data,
    rng,
    options: config.datasetOptions,
    labelsFile: isLabelsFile(labels) ? labels : undefined,
    unlabeledDir: isStream(unlabeled) ? undefined : unlabeled,
  });
  if (definition.module) checkDataSet(loaded, definition.module);
  const extra = !definition.takesFolders && !isStream(unlabeled);
  const data = extra ? await withUnlabeled(loaded, unlabeled) : loaded;
  if (data.pool && config.unlabeledImbalance !== 1) {
    throw new UsageError("unlabeledImbalance: draws by the true class, and images in shards have none. Leave it out");
  }
  const wanted = data.labelsFileRead ? "all" : labelsOf(labels, data);
  const split = splitData(data, config, wanted, Rng.fromSeed(config.labelSeed));
  const read = typeof wanted === "object" ? (wanted.remarks ?? []) : [];
  return {
    data,
    split,
    remarks: [...(data.remarks ?? []), ...read, ...copiesLeftOut(split), ...classesWithout(data, split)],
  };
}

function copiesLeftOut({ copies = 0 }: Split): string[] {
  return copies > 0 ? [`${copies} copies of validation pictures are left out, so that nothing trains on them`] : [];
}

/** A class that nothing is learned of is never predicted. */
function classesWithout({ classes }: DataSet, { labeled, y }: Split): string[] {
  const seen = new Set(labeled.map((row) => y[row]!));
  const without = classes.filter((_, k) => !seen.has(k));
  if (without.length === 0) return [];
  const names = `${without.slice(0, 5).join(", ")}${without.length > 5 ? ", ..." : ""}`;
  return [
    `${without.length} of ${classes.length} classes have no labeled image to learn from, and will never be predicted: ${names}`,
  ];
}

/**
 * `views`: what the method reads, so that a strong view that cannot be made is refused before minutes of whitening. Throws
 * UsageError or DataError.
 */
export async function prepareData(
  config: RunConfig,
  definition: DataSetDefinition,
  views: readonly Views[] = [],
  working: WorkingRows | undefined = undefined,
  device = "cpu",
): Promise<PreparedData> {
  const { data, split: clean, remarks } = await loadSplit(config, definition);
  const noise = Rng.fromSeed(config.labelSeed).split("label-noise");
  const { y, ...labelNoise } = redrawLabels(clean, config.labelNoise, data.classes.length, noise);
  const normalize = config.normalize ?? data.normalize;
  const whitened = isWhitening(normalize);
  const shown = withStandIns(data.train, clean.y);
  const { pixels, channels, width, height, files } = shown;
  if (whitened && files) {
    throw new UsageError(
      `normalize ${normalize}: whitens all pictures in memory, and they are more than --dataset.memoryMB. Use channel, image or none`,
    );
  }
  const bytes = pixels instanceof Uint8Array && !whitened;
  const { plan, ...chosen } = chooseViews(config, data, { bytes, channels, width, height }, views);
  const levels = normalize === "channel" ? await files?.levels() : undefined;
  const normalized = normalizeData(normalize, shown, data.test, levels);
  const how = { device, ...(plan.kind === "photo" ? { photo: plan, evaluation: plan.evaluation } : {}) };
  const [train, test] = [
    storeImages(normalized.train, { ...how, working: working?.train }),
    storeImages(normalized.test, { ...how, working: working?.test }),
  ];
  return {
    classes: data.classes,
    train,
    test,
    trainLabels: data.train.labels,
    testLabels: data.test.labels,
    split: { ...clean, y },
    labelNoise: config.labelNoise > 0 ? labelNoise : undefined,
    normalize,
    ...chosen,
    fingerprint: data.fingerprint ?? fingerprint(data),
    remarks,
    damaged: data.damaged ?? [],
    decoding: data.decoding,
    pool: data.pool,
    release() {
      train.release();
      test.release();
    },
  };
}

/** The set, where a damaged picture is replaced by one of the class that it trains as: a labels file may say another than the folder. */
function withStandIns(set: DataSet["train"], y: Int32Array): DataSet["train"] {
  if (!set.files) return set;
  return { ...set, files: { ...set.files, labels: set.labels.map((label, i) => (y[i]! >= 0 ? y[i]! : label)) } };
}

/** `all`, a number, or a labels file. */
function labelsOf(labels: string, data: DataSet) {
  if (labels === "all") return "all" as const;
  if (!isLabelsFile(labels)) return Number(labels);
  if (!existsSync(labels))
    throw new DataError(`${labels}: there is no such labels file (--labels takes a number, a file or "all")`);
  return parseLabelFile(readLabelTable(labels, data.classes), data, labels);
}
