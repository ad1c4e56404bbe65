/** The named door for bench/ and scripts/, which are not part of the public surface: what they reach, and no promise to anybody else. */
export { planWeak, type WeakName } from "./augment/photo.js";
export { createLoader } from "./batches/loader.js";
export { storeImages } from "./batches/store.js";
export { commandRows, commands } from "./cli/commands/index.js";
export { freePort } from "./cli/commands/launch/processes.js";
export { type Catalog, catalog } from "./config/catalog.js";
export { parseConfig } from "./config/config-file.js";
export { flatten } from "./config/given.js";
export { resolveConfig } from "./config/resolve.js";
export { runOptions } from "./config/run-options.js";
export { parseCifarRecords } from "./data/cifar-records.js";
export { dataSets, findDataSet } from "./data/index.js";
export { findManifest } from "./data/shards/manifest.js";
export { folderItems, packShards, ShardWriter } from "./data/shards/pack.js";
export { FewlabelsError } from "./errors.js";
export { definitionNames, findDefinition } from "./experiments/catalog.js";
export { armsOf } from "./experiments/plan.js";
export { keptResults, resultsPage } from "./experiments/results-page.js";
export { openSource as openExportSource } from "./export/source.js";
export { errorOf, fitOnPath, rowsOf } from "./features/logistic.js";
export { suggest } from "./features/suggest.js";
export { parseIdx } from "./files/idx.js";
export { parseMat5 } from "./files/mat5.js";
export { unpickle } from "./files/pickle.js";
export { plainNames } from "./files/pickle-names.js";
export { encodePixmap } from "./files/pixmap.js";
export { decodeSafetensors, writeSafetensors } from "./files/safetensors.js";
export { TarFile } from "./files/tar.js";
export { TarWriter } from "./files/tar-writer.js";
export { decodeTorchFile } from "./files/torch-file.js";
export { decodeImage, defaultMaxMegapixels, readImage } from "./images/decode.js";
export { encodeImage } from "./images/encode.js";
export type { Decoding } from "./images/image-set.js";
export { normalizeData } from "./images/normalize.js";
export { embed } from "./inference/embed.js";
export { openTrainedRun } from "./inference/open.js";
export { openPictureModel, openWeights } from "./inference/picture-model.js";
export { parseLabelFile } from "./labels/label-file.js";
export { readLabelTable } from "./labels/label-rows.js";
export { crossEntropy } from "./losses/index.js";
export { methods } from "./methods/index.js";
export { statisticsBatches } from "./methods/parts/average.js";
export { findModel, models } from "./models/index.js";
export { modelFacts } from "./models/model-facts.js";
export { createModel } from "./nn/index.js";
export { createOptimizer, minimize, optimizerOptions } from "./optim/index.js";
export { parseOptions } from "./options.js";
export { renderPlot } from "./report/plot.js";
export { Rng } from "./rng.js";
export { readCheckpoint, writeCheckpoint } from "./run/checkpoints.js";
export { RunFolder } from "./run/index.js";
export { openSession } from "./session/session.js";
export { mean, median, spread } from "./statistics.js";
export { chooseNext } from "./studio/mind/choose.js";
export { featuresOf } from "./studio/mind/features.js";
export { decayOfRun, EmaTeacher, recomputeStatistics, writePredictionTable } from "./targets/index.js";
export {
  autocast,
  callTensor,
  closeWorld,
  conv2d,
  engineInfo,
  liveTensors,
  noGrad,
  normal,
  openWorld,
  releaseMemory,
  scope,
  setThreads,
  Tensor,
  tensor,
} from "./torch/index.js";
export { train } from "./train/run.js";
