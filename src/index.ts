/** The public surface: one line per leaf. */
export type { Batch, Part, ViewSpec, Views } from "./batch.js";
export { type BuiltIn, type Catalog, catalog, extend } from "./config/catalog.js";
export { type Definitions, loadPlugin } from "./config/plugin.js";
export { type RunConfig, resolveConfig } from "./config/resolve.js";
export type { RunInput } from "./config/run-input.js";
export { type DataSet, type DataSetDefinition, defineDataSet, type LoadContext } from "./data/dataset.js";
export { type DownloadOptions, type DownloadReport, downloadDataSet } from "./data/download/download.js";
export { type FolderReport, inspectFolder } from "./data/folder/inspect.js";
export * from "./data/index.js";
export { folderItems, packShards, setItems } from "./data/shards/pack.js";
export { DataError, DownloadError, EngineError, FewlabelsError, TrainingError, UsageError } from "./errors.js";
export { type Comparison, compareMethods } from "./experiments/compare/compare.js";
export type { CompareEvent, CompareOptions } from "./experiments/compare/options.js";
export { type ExportOptions, type ExportReport, exportRun } from "./export/export.js";
export { type NetworkToOnnxOptions, networkToOnnx } from "./export/network-to-onnx.js";
export type { ImageSet } from "./images/image-set.js";
export { type AuditOptions, type AuditReport, auditFolder, type Finding } from "./inference/audit/audit.js";
export { type EvaluateOptions, evaluateRun } from "./inference/evaluate.js";
export { type FilterOptions, type FilterResult, filterPool } from "./inference/filter.js";
export {
  type Judgement,
  openPredictor,
  type Picture,
  type Prediction,
  type Predictor,
  type PredictorOptions,
} from "./inference/predict.js";
export { type PredictOptions, type PredictResult, predictRun } from "./inference/prediction-table.js";
export { type PseudoLabelOptions, type PseudoLabelResult, pseudoLabel } from "./inference/pseudo-label.js";
export * from "./losses/index.js";
export * from "./methods/index.js";
export * from "./models/index.js";
export { type ModelFacts, modelFacts } from "./models/model-facts.js";
export * as nn from "./nn/index.js";
export * as optim from "./optim/index.js";
export {
  createOptimizer,
  defineOptimizer,
  minimize,
  type Optimizer,
  type OptimizerDefinition,
  type OptimizerOptions,
  type OptimizerPlan,
  optimizerOptions,
  optimizers,
} from "./optim/index.js";
export { type Option, type OptionSpec, type OptionsOf, option } from "./options.js";
export { Rng } from "./rng.js";
export type { EvaluationEvent, RoleResult, RunEvaluation, RunResult, StepEvent, TrainEvent } from "./run/events.js";
export { RunFolder } from "./run/index.js";
export * from "./schedules/index.js";
export { type Preview, type PreviewOptions, previewRun } from "./session/look/preview.js";
export { packDataSet, packFolder } from "./session/pack.js";
export type { State, Stateful } from "./stateful.js";
export * from "./targets/index.js";
export type { Tensor } from "./torch/index.js";
export * as torch from "./torch/index.js";
export { demoRuns } from "./train/demo.js";
export { type Run, type RunControl, resume, train } from "./train/run.js";
export { type RunInWorker, runInWorker } from "./train/worker.js";
