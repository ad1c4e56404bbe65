/** The optimizers of the package, a row each, and from declared options to one of them. */
import { findByName } from "../errors.js";
import type { NamedTensor } from "../nn/model.js";
import { choice, type OptionSpec, type OptionsOf, parseOptions } from "../options.js";
import { adam } from "./adam.js";
import { checkOptimizer, type Optimizer } from "./optimizer.js";
import type { OptimizerDefinition, OptimizerPlan } from "./optimizer-definition.js";
import { planSchedule, type ScheduleOptions, scheduleOptions } from "./schedules.js";
import { sgd } from "./sgd.js";

/** Each with its own name and options, for the types of a run. */
export const packagedOptimizers = [adam, sgd] as const;
export const optimizers: readonly OptimizerDefinition[] = packagedOptimizers;

/** All options of the package's optimizers in one record, whichever is chosen. */
export const optimizerOptions = {
  name: choice(
    packagedOptimizers.map(({ name }) => name),
    "adam",
    { doc: "adam, or sgd with momentum; or a file (./mine.mjs) or package that defines one" },
  ),
  ...scheduleOptions,
  ...sgd.options,
  ...adam.options,
} as const;

export type OptimizerOptions = OptionsOf<typeof optimizerOptions>;

/** `name` says which; what else is given must be in the range declared. */
export interface GivenOptimizer {
  readonly name: string;
  readonly [option: string]: unknown;
}

/**
 * The run's optimizer over `parameters`; what the options leave open follows from `totalSteps`, and options of other optimizers
 * are passed over. Its schedules begin at `startStep` of the run and span `totalSteps`: a method may train in stages.
 */
export function createOptimizer(
  parameters: readonly NamedTensor[],
  given: GivenOptimizer,
  totalSteps: number,
  startStep = 0,
  known: readonly OptimizerDefinition[] = optimizers,
): Optimizer {
  const { item: definition } = findByName(known, "optimizer", given.name);
  const { backboneLrFactor = 1 } = given;
  const plan: OptimizerPlan = {
    ...planOf(declared(scheduleOptions, given), totalSteps, startStep),
    rateFactor: ({ part }) => (part === "backbone" ? Number(backboneLrFactor) : 1),
  };
  const optimizer = definition.create(parameters, declared(definition.options, given), plan);
  if (definition.module) checkOptimizer(optimizer, definition.module);
  return optimizer;
}

/** The schedule in steps of the run. */
export function planOf(options: ScheduleOptions, totalSteps: number, startStep = 0): Omit<OptimizerPlan, "rateFactor"> {
  const { learningRate, down, warmupEnd } = planSchedule(options, totalSteps);
  return {
    learningRate: (step) => learningRate(step - startStep),
    down: (step) => down(step - startStep),
    warmingUp: (step) => step - startStep < warmupEnd,
  };
}

/** What `spec` declares out of `given`, with its defaults. */
function declared<S extends OptionSpec>(spec: S, given: GivenOptimizer): OptionsOf<S> {
  const own = Object.entries(given).filter(([name]) => Object.hasOwn(spec, name));
  return parseOptions(spec, Object.fromEntries(own), `optimizer ${given.name}`);
}
