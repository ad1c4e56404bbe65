/** The trained network of a run, ready to be written: weights of one checkpoint and one role, and how its pictures are prepared. */
import { plainImages, storeImages } from "../batches/store.js";
import { catalog as builtIn, type Catalog } from "../config/catalog.js";
import { withModules } from "../config/plugin.js";
import { checkNetwork } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import { withDefaults } from "../config/resume.js";
import type { DataSetDefinition } from "../data/dataset.js";
import { fingerprint } from "../data/fingerprint.js";
import { DataError, findByName, UsageError, unknownName } from "../errors.js";
import { type Decoding, type ImageSet, isWhitening } from "../images/image-set.js";
import { unit as unitOf } from "../images/normalize.js";
import { type FittedWhitening, fitWhitening, whitenNew } from "../images/whiten.js";
import { bestCheckpoint, type Moved, whereMoved } from "../inference/open.js";
import { createModel, type Model, type Network, networkWithHead } from "../nn/index.js";
import { Rng } from "../rng.js";
import type { RunResult } from "../run/events.js";
import { type Checkpoint, type RunFacts, RunFolder } from "../run/index.js";
import { restoreModel } from "../session/checkpoint.js";
import { loadSplit } from "../session/data.js";
import { type InferenceRecord, normalizeNew, readAnyRecord } from "../session/inference-record.js";
import { savedHead } from "../session/saved-head.js";
import { noGrad, scope, setThreads } from "../torch/index.js";
import type { Normalizing } from "./onnx/preprocess.js";

export interface SourceOptions extends Moved {
  /** `last` (default), `best` (of `--save-best val`), or a step. */
  readonly checkpoint?: string | undefined;
  /** Which model: "student", "teacher". Default: the one whose error is the method's result. */
  readonly role?: string | undefined;
  readonly threads?: number | undefined;
  /** What the names in the run's configuration mean; default what comes with the package, and its recorded files. */
  readonly catalog?: Catalog | undefined;
  /** The weights alone are wanted: no data are read, and `logits` does not whiten. Default false. */
  readonly weightsOnly?: boolean;
}

export interface Source {
  readonly run: string;
  /** With the files where they lie now. */
  readonly config: RunConfig & RunFacts;
  /** With the files that the run names. */
  readonly catalog: Catalog;
  readonly record: InferenceRecord;
  readonly result: RunResult | undefined;
  readonly role: string;
  readonly step: number;
  /** Options of the network, those too that the version of the run did not know. */
  readonly modelOptions: Readonly<Record<string, unknown>>;
  /** Whether the network's own head is on it. */
  readonly ownHead: boolean;
  readonly network: Network;
  readonly model: Model;
  /** Shape of the pictures that an exported network takes. */
  readonly picture: { readonly channels: number; readonly height: number; readonly width: number };
  /** How a picture file becomes such a picture; undefined where none does. */
  readonly decoding: Decoding | undefined;
  readonly normalizing: Normalizing;
  /** `[N, K]` logits of images as they are decoded, by our engine in float32. */
  logits(images: ImageSet): Float32Array;
}

/**
 * Loads a checkpoint in float32 on the CPU. Where the run whitens its images, reads the training data to fit the whitening again.
 * Throws UsageError where there is no such checkpoint or role, DataError where files are damaged or the data are others.
 */
export async function openSource(run: string, options: SourceOptions = {}): Promise<Source> {
  const folder = RunFolder.open(run);
  const config = whereMoved(run, folder.config<RunConfig>(), options);
  const record = readAnyRecord(run);
  const checkpoint = chosenCheckpoint(folder, config, record.predictor, options.checkpoint ?? "last");
  const role = options.role ?? record.predictor;
  if (!record.models.includes(role)) throw new UsageError(unknownName(run, "model", role, record.models));
  setThreads(options.threads ?? config.threads);
  const { classes, input, evaluation, decoding } = record;
  const picture = { ...input, ...(decoding ? { height: decoding.size, width: decoding.size } : record.stored) };
  const known = await withModules(options.catalog ?? builtIn, config.modules);
  const fitted = options.weightsOnly ? undefined : await whiteningOf(run, config, record, known);
  const whitening = fitted?.whitening;
  const unit = fitted?.unit ?? record.unit;
  const { item: definition } = findByName(known.models, "model", config.model, run);
  const modelOptions = withDefaults(definition.options, config.modelOptions);
  const plain = definition.create({ ...input, numClasses: classes.length }, modelOptions);
  if (definition.module) checkNetwork(plain, definition.module);
  const head = savedHead(checkpoint, role);
  const network = head ? networkWithHead(plain, head.name, head.module) : plain;
  const model = createModel(network, { rng: Rng.fromSeed(0), precision: "fp32", device: "cpu" });
  restoreModel(checkpoint, role, model);
  return {
    run,
    config,
    catalog: known,
    record,
    result: folder.result<RunResult>(),
    role,
    step: checkpoint.step,
    modelOptions,
    ownHead: head === undefined,
    network,
    model,
    picture,
    decoding: unit === 1 ? undefined : decoding,
    normalizing: {
      normalize: record.normalize,
      ...(unit === undefined ? {} : { unit }),
      ...(record.scale && record.offset ? { scale: record.scale, offset: record.offset } : {}),
      ...(whitening ? { whitening } : {}),
      ...(evaluation ? { box: evaluation.box } : {}),
    },
    logits: (images) => logitsOf(model, images, record, whitening),
  };
}

function chosenCheckpoint(folder: RunFolder, config: RunConfig, predictor: string, which: string): Checkpoint {
  const latest = folder.latestCheckpoint();
  if (!latest) throw new UsageError(`${folder.path}: there is no checkpoint to export yet`);
  if (which === "last") return latest;
  if (which === "best") {
    if (config.saveBest === "val") return bestCheckpoint(folder, latest, predictor);
    throw new UsageError(`${folder.path}: the run kept no best checkpoint (it was not trained with --save-best val)`);
  }
  const steps = folder.checkpointSteps();
  if (steps.includes(Number(which))) return folder.checkpoint(Number(which));
  throw new UsageError(
    `${folder.path}: expected last, best or a step for --checkpoint, got ${which}. Steps there: ${steps.join(", ")}`,
  );
}

/** The data set that the run names. */
export function dataSetOf({ dataset }: RunConfig, catalog: Catalog, who: string): DataSetDefinition {
  return findByName(catalog.dataSets, "data set", dataset, who).item;
}

async function whiteningOf(
  run: string,
  config: RunConfig & RunFacts,
  { normalize }: InferenceRecord,
  catalog: Catalog,
): Promise<{ readonly whitening: FittedWhitening; readonly unit: number } | undefined> {
  if (!isWhitening(normalize)) return undefined;
  const { data } = await loadSplit(config, dataSetOf(config, catalog, run));
  const now = data.fingerprint ?? fingerprint(data);
  if (now !== config.dataFingerprint) {
    throw new DataError(
      `${run}: whitens its images (${normalize}), which is fitted on the training data, and the data are not those of the run (fingerprint ${now}, then ${config.dataFingerprint}). Give their folder with --data`,
    );
  }
  return { whitening: fitWhitening(normalize, data.train), unit: unitOf(data.train) };
}

function logitsOf(
  model: Model,
  images: ImageSet,
  record: InferenceRecord,
  whitening: FittedWhitening | undefined,
): Float32Array {
  const normalized = whitening
    ? { images: whitenNew(whitening, images), scaling: plainScaling(images.channels) }
    : normalizeNew(record, images);
  const store = storeImages(normalized, record);
  try {
    return noGrad(() =>
      scope(() => {
        const all = Int32Array.from({ length: images.count }, (_, i) => i);
        return model.forward(plainImages(store, all), "eval").toArray() as Float32Array;
      }),
    );
  } finally {
    store.release();
  }
}

function plainScaling(channels: number) {
  return { per: "channel", scale: new Float32Array(channels).fill(1), offset: new Float32Array(channels) } as const;
}
