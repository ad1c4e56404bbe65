/** Runs as a program starts them: from fields that the compiler checks, or from the folder of a run that was interrupted. */
import { type BuiltIn, catalog as builtIn, type Catalog } from "../config/catalog.js";
import { flatten } from "../config/given.js";
import { type RunConfig, resolveConfig } from "../config/resolve.js";
import { resumeConfig } from "../config/resume.js";
import type { RunInput } from "../config/run-input.js";
import type { RunResult, TrainEvent } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { trainConfig } from "./train.js";

/** A run under way: iterate it for its events; nothing happens before. `return` of the iteration is the result. */
export interface Run extends AsyncGenerator<TrainEvent, RunResult | undefined> {
  /** The run folder; where nobody chose its name, known for certain once the run has started. */
  readonly folder: string;
  readonly config: RunConfig;
}

export interface RunControl<C extends Catalog = BuiltIn> {
  /** What the names mean; default what comes with the package. */
  readonly catalog?: C;
  /** Asked after every step; true ends the run with a checkpoint. */
  readonly stop?: () => boolean;
}

/**
 * Trains what `input` describes, a complete configuration (`resolveConfig`) or a part of one. Throws UsageError at once where it
 * is wrong; the iteration throws DataError where data are, and TrainingError where a loss is not finite.
 */
export function train<const C extends Catalog = BuiltIn>(
  input: RunInput<C> | RunConfig,
  control: RunControl<C> = {},
): Run {
  const { catalog = builtIn } = control;
  return start(isComplete(input) ? input : resolveConfig<Catalog>(input, catalog), control);
}

/**
 * Continues the run in `folder` exactly where its last checkpoint is; `changes` may be what a result does not depend on (threads,
 * device, data, how often things are written). A run that is finished gives its result and no event. Throws UsageError where there
 * is no run, or something else would change.
 */
export function resume<const C extends Catalog = BuiltIn>(
  folder: string,
  control: RunControl<C> & { readonly changes?: Partial<RunInput> } = {},
): Run {
  const { changes = {}, catalog = builtIn } = control;
  const config = resumeConfig(flatten({ ...changes }), savedConfig(folder), folder, { catalog });
  const result = RunFolder.open(folder).result<RunResult>();
  return result ? Object.assign(finished(result), { folder, config }) : start(config, control);
}

/** The configuration of the run in `folder`. Throws UsageError where there is none. */
export function savedConfig(folder: string): RunConfig {
  const { versions, dataFingerprint, labelsFingerprint, ...saved } = RunFolder.open(folder).config<RunConfig>();
  return saved;
}

function start(config: RunConfig, { catalog, stop = () => false }: RunControl<Catalog>): Run {
  let folder = config.out;
  async function* events(): AsyncGenerator<TrainEvent, RunResult | undefined> {
    const inner = trainConfig(config, { stop, catalog });
    try {
      for (let next = await inner.next(); ; next = await inner.next()) {
        if (next.done) return next.value;
        if (next.value.type === "start") folder = next.value.config.out; // another name, where this one was taken
        yield next.value;
      }
    } finally {
      await inner.return(undefined);
    }
  }
  return Object.defineProperty(Object.assign(events(), { folder, config }), "folder", { get: () => folder });
}

// biome-ignore lint/correctness/useYield: a run that has nothing left to report
async function* finished(result: RunResult): AsyncGenerator<TrainEvent, RunResult> {
  return result;
}

function isComplete(input: object): input is RunConfig {
  return "datasetOptions" in input;
}
