/** What a run reports: `train()` yields these, the worker hands them on, `metrics.jsonl` holds a line for each. */

export interface RoleResult {
  /** Percentage of wrong top-1 classes, 0 .. 100. */
  readonly error: number;
  /** Mean cross-entropy in nats. */
  readonly loss: number;
  /** Images evaluated: the denominator of all. */
  readonly n: number;
  /** `top5Error` and the like: percentage of images whose class is not among the 5 the model thinks likeliest. */
  readonly [topError: `top${number}Error`]: number;
}

/** Error of one true class. */
export interface ClassResult {
  readonly class: string;
  /** Percentage of its images taken for another; NaN (`null` in files) without images. */
  readonly error: number;
  readonly n: number;
}

/** By role of the model ("student", "teacher"). */
export type RoleResults = Readonly<Record<string, RoleResult>>;

/** `result.json`, and the last line of `train --json` and `evaluate --json`. */
export interface RunResult {
  readonly method: string;
  readonly model: string;
  readonly dataset: string;
  /** How many labels the run had. */
  readonly labels: number;
  readonly steps: number;
  readonly seed: number;
  readonly device: string;
  readonly precision: string;
  /** Role whose error is the method's result. */
  readonly predictor: string;
  /** Test error of the predictor, percent. */
  readonly error: number;
  readonly test: RoleResults;
  readonly val?: RoleResults;
  /** Test error of the predictor by class, in the order of the classes. */
  readonly perClass: readonly ClassResult[];
  /** Of the weights after the last step: what `error` says. */
  readonly final: { readonly step: number; readonly error: number };
  /** With `--save-best val`: the step with the lowest validation error, and the test error of its weights. */
  readonly bestVal?: { readonly step: number; readonly valError: number; readonly error: number };
  /** Median of the predictor's errors over the last evaluations, 20 at most, on the split they used. */
  readonly medianLast20: { readonly split: "test" | "val"; readonly error: number; readonly evaluations: number };
  readonly imagesPerSecond: number;
  readonly stepSecondsMedian: number;
  readonly elapsedSeconds: number;
  readonly peakMemoryMB: number;
}

/** What `evaluateRun` returns. */
export interface RunEvaluation {
  /** The run's result with the errors just measured: `test` or `val` (and `error`) replaced. */
  readonly result: RunResult;
  /** Step of the checkpoint that was evaluated. */
  readonly step: number;
  /** Of the whole run, whether it has come to its end or not. */
  readonly totalSteps: number;
  readonly split: "test" | "val";
  readonly classes: readonly string[];
  /** By role, by class: error in percent and number of images. */
  readonly perClass: Readonly<Record<string, readonly ClassResult[]>>;
  /** By role: `[true class][predicted class]`, counts. */
  readonly confusion: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** What a reader of a run folder may rely on in `config.json` and in the start event; the rest is the run's own affair. */
export interface RecordedConfig {
  readonly dataset: string;
  /** Folder or shards as they were given. */
  readonly data?: string;
  readonly method: string;
  readonly model: string;
  readonly labels: string;
  readonly steps: number;
  readonly batch: number;
  readonly labeledBatch: number;
  readonly seed: number;
  readonly labelSeed: number;
  readonly val: number;
  readonly evalEvery: number;
  readonly out: string;
  readonly datasetOptions: Readonly<Record<string, unknown>>;
  readonly methodOptions: Readonly<Record<string, unknown>>;
  readonly modelOptions: Readonly<Record<string, unknown>>;
  readonly optimizerOptions: Readonly<Record<string, unknown>>;
}

export interface StartEvent {
  readonly type: "start";
  readonly config: RecordedConfig;
  readonly data: {
    readonly labeled: number;
    readonly unlabeled: number;
    readonly val: number;
    readonly test: number;
    readonly classes: readonly string[];
    /** With `--label-noise`: labels drawn anew, and those of them that became another class. */
    readonly labelNoise?: { readonly redrawn: number; readonly changed: number };
  };
  /** Trainable parameters of one model. */
  readonly parameters: number;
  readonly device: string;
  readonly precision: string;
  readonly threads: number;
  /** Step of the checkpoint the run continues from. */
  readonly resumedFrom?: number;
  /** Where several processes train together: how many. */
  readonly processes?: number;
}

export interface StepEvent {
  readonly type: "step";
  /** Steps done, from 1. */
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** Of the latest update of the average that teaches or is evaluated, where the method has one. */
  readonly emaDecay?: number;
  readonly imagesPerSecond: number;
  /** Median time of a step since the last event. */
  readonly stepSeconds: number;
  readonly etaSeconds: number;
  /** Seconds a step by phase (data, step, ...), where the loop measures them. */
  readonly phases?: Readonly<Record<string, number>>;
}

export interface EvaluationEvent {
  readonly type: "evaluation";
  readonly step: number;
  readonly val?: RoleResults;
  readonly test?: RoleResults;
}

export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly step: number;
  readonly path: string;
}

export interface WarningEvent {
  readonly type: "warning";
  readonly step?: number;
  readonly message: string;
}

/** The run was asked to stop and wrote a checkpoint. */
export interface InterruptedEvent {
  readonly type: "interrupted";
  readonly step: number;
  readonly path: string;
}

export interface DoneEvent {
  readonly type: "done";
  readonly result: RunResult;
}

export type TrainEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | CheckpointEvent
  | WarningEvent
  | InterruptedEvent
  | DoneEvent;
