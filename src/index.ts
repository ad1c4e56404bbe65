/** The public surface: one line per leaf. */
export type { Batch, Part, ViewSpec, Views } from "./batch.js";
export { type Registries, withMethod } from "./config/catalog.js";
export { loadMethod, type MethodModule } from "./config/plugin.js";
export { type RunConfig, resolveConfig } from "./config/resolve.js";
export { type DataSet, type DataSetDefinition, defineDataSet } from "./data/dataset.js";
export { type FolderReport, inspectFolder } from "./data/folder/inspect.js";
export { dataSets, findDataSet } from "./data/index.js";
export { DataError, EngineError, FewlabelsError, TrainingError, UsageError } from "./errors.js";
export type { ImageSet } from "./images/image-set.js";
export { evaluateRun } from "./inference/evaluate.js";
export { type FilterOptions, type FilterResult, filterPool } from "./inference/filter.js";
export { openPredictor, type Prediction, type Predictor } from "./inference/predict.js";
export { type PseudoLabelOptions, type PseudoLabelResult, pseudoLabel } from "./inference/pseudo-label.js";
export * from "./losses/index.js";
export {
  defineMethod,
  findMethod,
  type Method,
  type MethodDefinition,
  type Metrics,
  methods,
  type Progress,
  type Setup,
} from "./methods/index.js";
export { defineModel, findModel, type ModelDefinition, models } from "./models/index.js";
export { type ModelFacts, modelFacts } from "./models/model-facts.js";
export * as nn from "./nn/index.js";
export { createOptimizer, minimize, type Optimizer, optimizerOptions } from "./optim/index.js";
export { boolean, choice, integer, number, type Option, type OptionSpec, type OptionsOf, text } from "./options.js";
export { Rng } from "./rng.js";
export type { RoleResult, RunResult, TrainEvent } from "./run/events.js";
export { RunFolder } from "./run/index.js";
export * from "./schedules/index.js";
export { packDataSet, packFolder } from "./session/pack.js";
export * from "./targets/index.js";
export * as torch from "./torch/index.js";
export { demoRuns } from "./train/demo.js";
export { train } from "./train/train.js";
export { runInWorker } from "./train/worker.js";
