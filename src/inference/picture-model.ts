/** A network ready for pictures that come later: of a run's latest checkpoint, or of weights from elsewhere. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { plainImages, storeImages } from "../batches/store.js";
import { catalog as builtIn, type Catalog } from "../config/catalog.js";
import { withModules } from "../config/plugin.js";
import { checkNetwork } from "../config/plugin-check.js";
import type { RunConfig } from "../config/resolve.js";
import { withDefaults } from "../config/resume.js";
import { DataError, findByName, refuseIdle, UsageError, unknownName } from "../errors.js";
import { readWeightsFile } from "../files/torch-file.js";
import { defaultMaxMegapixels } from "../images/decode.js";
import type { Decoding, ImageSet } from "../images/image-set.js";
import { findModel } from "../models/index.js";
import { createModel, type Model, withHead } from "../nn/index.js";
import { parseOptions } from "../options.js";
import { findWeights, isWeightsFile, locateWeights } from "../pretrained/cache.js";
import { inOurNames } from "../pretrained/names.js";
import { notRecognized, recognize } from "../pretrained/recognize.js";
import { Rng } from "../rng.js";
import { RunFolder } from "../run/index.js";
import { restoreModel } from "../session/checkpoint.js";
import { hardwareOfUse, openHardware } from "../session/device.js";
import { type InferenceRecord, normalizeNew, readInferenceRecord } from "../session/inference-record.js";
import { savedHead } from "../session/saved-head.js";
import { loadWeights } from "../session/weights.js";
import { noGrad, scope, setThreads, type Tensor } from "../torch/index.js";

export interface PredictorOptions {
  /** Which model: "student", "teacher". Default: the one whose error is the method's result. */
  readonly role?: string | undefined;
  /** Default: the run's. */
  readonly device?: string | undefined;
  readonly threads?: number | undefined;
  /** Side of the pictures, of weights alone; default their own. */
  readonly size?: number | undefined;
  /** What the names in the run's configuration mean; default what comes with the package, and its recorded files. */
  readonly catalog?: Catalog;
}

export interface PictureModel {
  readonly model: Model;
  readonly record: InferenceRecord & { readonly decoding: Decoding };
  readonly role: string;
  readonly device: string;
}

/** What weights of unknown origin are taken to want, as nearly all do. */
const usual = { size: 224, resize: 256, interpolation: "bilinear" } as const;
/** Mean and deviation of ImageNet's channels (methods.md 4.2), of values in 0 .. 1. */
const mean = [0.485, 0.456, 0.406];
const deviation = [0.229, 0.224, 0.225];

/** A run folder, or the name or file of weights. Throws UsageError and DataError as the two below. */
export async function openPictureModel(source: string, options: PredictorOptions = {}): Promise<PictureModel> {
  return existsSync(join(source, "config.json")) ? await openRunModel(source, options) : openWeights(source, options);
}

/** The latest checkpoint of a run. Throws UsageError where there is none or its images are no pictures. */
export async function openRunModel(run: string, options: PredictorOptions = {}): Promise<PictureModel> {
  const { role, device, threads, size, catalog = builtIn } = options;
  refuseIdle(run, { size }, "is for weights, and a run has pictures of the size it was trained on");
  const folder = RunFolder.open(run);
  const config = folder.config<RunConfig>();
  const record = readInferenceRecord(run);
  const checkpoint = folder.latestCheckpoint();
  if (!checkpoint) throw new UsageError(`${run}: there is no checkpoint to predict with yet`);
  setThreads(threads ?? config.threads);
  const { device: place, precision } = openHardware(hardwareOfUse(config, device));

  const { classes, input, models } = record;
  const chosen = role ?? record.predictor;
  if (!models.includes(chosen)) throw new UsageError(unknownName(run, "model", chosen, models));
  const known = await withModules(catalog, config.modules);
  const { item: definition } = findByName(known.models, "model", config.model, run);
  const network = definition.create(
    { ...input, numClasses: classes.length },
    withDefaults(definition.options, config.modelOptions),
  );
  if (definition.module) checkNetwork(network, definition.module);
  const plain = createModel(network, { rng: Rng.fromSeed(0), precision, device: place });
  const head = savedHead(checkpoint, chosen);
  const model = head ? withHead(plain, head.name, head.module) : plain;
  restoreModel(checkpoint, chosen, model);
  return { model, record, role: chosen, device: place };
}

/**
 * Weights by name or file, with their own size of pictures and normalization; those of a file are taken to be ImageNet's. The head has
 * one class and means nothing. Throws UsageError where the name is unknown or not here, DataError where the network is not recognized.
 */
export function openWeights(nameOrFile: string, { role, device, threads, size }: PredictorOptions = {}): PictureModel {
  refuseIdle(nameOrFile, { role }, "is for runs, and weights are one network");
  const path = locateWeights(nameOrFile, undefined, { who: "fewlabels", what: "run folder, file or weights" });
  const official = isWeightsFile(nameOrFile) ? undefined : findWeights(nameOrFile);
  const name = official?.model ?? recognize(inOurNames(readWeightsFile(path).tensors))?.model;
  if (name === undefined) {
    throw new DataError(`${path}: the network is ${notRecognized}. If these are the weights of a run, give its folder`);
  }
  if (threads !== undefined) setThreads(threads);
  const { device: place } = openHardware({ device: device ?? "auto", precision: "fp32" });
  const wanted = official ?? usual;
  const side = size ?? wanted.size;
  const short = Math.round((side * wanted.resize) / wanted.size);
  const { definition, preset } = findModel(name);
  const input = { channels: 3, height: side, width: side };
  // Small pictures do not change the network that brought weights are of.
  const shape = definition.name === "convnext" ? { stem: "4" } : {};
  const options = parseOptions(definition.options, { ...preset, ...shape }, name);
  const network = definition.create({ ...input, numClasses: 1 }, options);
  const model = createModel(network, { rng: Rng.fromSeed(0), precision: "fp32", device: place });
  loadWeights(model, path);
  const from = Math.floor((short - side) / 2);
  const record = {
    models: ["weights"],
    predictor: "weights",
    classes: ["none"],
    input,
    decoding: { size: short, channels: 3, fit: "crop", maxMegapixels: defaultMaxMegapixels },
    evaluation: { box: [from, from, from + side, from + side], side, interpolation: wanted.interpolation },
    normalize: "imagenet",
    scale: deviation.map((std) => 1 / (255 * std)),
    offset: mean.map((m, c) => -m / deviation[c]!),
  } as const;
  return { model, record, role: "weights", device: place };
}

/** What `forward` makes of images in memory, all of them in one pass, `[N, D]` row by row. */
export function ofImages(
  { record, device }: PictureModel,
  images: ImageSet,
  forward: (x: Tensor) => Tensor,
): Float32Array {
  const store = storeImages(normalizeNew(record, images), record);
  try {
    return noGrad(() =>
      scope(() => {
        const all = Int32Array.from({ length: images.count }, (_, i) => i);
        return forward(plainImages(store, all, device)).toArray() as Float32Array;
      }),
    );
  } finally {
    store.release();
  }
}

/** Names the network, its numbers and its way with pictures: equal ids give equal features. */
export function idOf({ model, record }: PictureModel): string {
  const hash = createHash("sha256");
  const { decoding, evaluation, normalize, scale, offset, input } = record;
  hash.update(JSON.stringify({ decoding, evaluation, normalize, scale, offset, input }));
  for (const { name, tensor } of [...model.parameters, ...model.buffers]) {
    const { buffer, byteOffset, byteLength } = scope(() => tensor.toArray());
    hash.update(name).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  return hash.digest("hex").slice(0, 32);
}
