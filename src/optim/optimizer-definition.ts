/** What an optimizer declares: options and a `create`; the run adds the learning rate over time. */
import type { NamedTensor } from "../nn/model.js";
import type { OptionSpec, OptionsOf } from "../options.js";
import type { Schedule } from "../schedules/index.js";
import type { Optimizer } from "./optimizer.js";
import type { RateFactor } from "./rates.js";
import { scheduleOptions } from "./schedules.js";

/** What the run decides, whichever optimizer it has. */
export interface OptimizerPlan {
  /** By the step of the run. */
  readonly learningRate: Schedule;
  /** Factor on it for one parameter (`rateOptions`: the backbone may learn slower). */
  readonly rateFactor: RateFactor;
  /** By the step of the run: 1 until the schedule's ramp-down, then its factor. */
  readonly down: Schedule;
  /** Whether the schedule is in its warm-up at that step of the run. */
  readonly warmingUp: (step: number) => boolean;
}

export interface OptimizerDefinition<S extends OptionSpec = OptionSpec, N extends string = string> {
  /** Command-line name: `--optimizer.name`. */
  readonly name: N;
  readonly paper: string;
  readonly summary: string;
  readonly options: S;
  /** Absolute path of the file that defines it, where it is not the package's own. */
  readonly module?: string;
  /** An optimizer over `parameters`. */
  create(parameters: readonly NamedTensor[], options: OptionsOf<S>, plan: OptimizerPlan): Optimizer;
}

/** Infers the types of an optimizer from its declaration, and adds the options of the learning-rate schedule. */
export function defineOptimizer<const S extends OptionSpec, const N extends string>(
  definition: OptimizerDefinition<S, N>,
): OptimizerDefinition<typeof scheduleOptions & S, N> {
  return { ...definition, options: { ...scheduleOptions, ...definition.options } };
}
