/** The public surface: one line per leaf. */
export type { Batch, Part, ViewSpec, Views } from "./augment/views.js";
export { type DataSet, type DataSetDefinition, defineDataSet, type ImageSet } from "./data/dataset.js";
export { dataSets, findDataSet } from "./data/index.js";
export { type FolderReport, inspectFolder } from "./data/inspect.js";
export { DataError, EngineError, FewlabelsError, TrainingError, UsageError } from "./errors.js";
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
export { RunFolder } from "./run/index.js";
export * from "./schedules/index.js";
export * from "./targets/index.js";
export * as torch from "./torch/index.js";
export { type RunConfig, resolveConfig } from "./train/config.js";
export { evaluateRun } from "./train/evaluate-run.js";
export type { RoleResult, RunResult, TrainEvent } from "./train/events.js";
export { type FilterOptions, type FilterResult, filterPool } from "./train/filter.js";
export { loadMethod, type MethodModule } from "./train/method-module.js";
export { openPredictor, type Prediction, type Predictor } from "./train/predict.js";
export { type Registries, withMethod } from "./train/registries.js";
export { train } from "./train/train.js";
export { runInWorker } from "./train/worker.js";
