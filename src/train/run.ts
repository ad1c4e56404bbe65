/** Runs as a program starts them: from fields that the compiler checks, or from the folder of a run that was interrupted. */
import { resolve } from "node:path";
import { type BuiltIn, catalog as builtIn, type Catalog, families } from "../config/catalog.js";
import { flatten } from "../config/given.js";
import { type RunConfig, resolveConfig } from "../config/resolve.js";
import { resumeConfig } from "../config/resume.js";
import type { RunInput } from "../config/run-input.js";
import type { Group } from "../config/run-options.js";
import { namesOf, UsageError } from "../errors.js";
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
 * Trains what `input` describes, a complete configuration (`resolveConfig`) or a part of one; with `resume` as `resume` does, the other
 * fields being its changes. Throws UsageError at once where it
 * is wrong; the iteration throws DataError where data are, and TrainingError where a loss is not finite.
 */
export function train<const C extends Catalog = BuiltIn>(
  input: RunInput<C> | RunConfig,
  control: RunControl<C> = {},
): Run {
  const { catalog = builtIn } = control;
  if (isComplete(input)) return start(input, control);
  const { resume: folder, ...changes } = input;
  if (typeof folder !== "string") return start(resolveConfig<Catalog>(input, catalog), control);
  if (changes.out !== undefined && resolve(changes.out) !== resolve(folder))
    throw new UsageError(`train: resume ${folder} continues in that folder; leave out ${changes.out} out`);
  return resume<Catalog>(folder, { ...control, changes: changes as Partial<RunInput> });
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
  const saved = savedConfig(folder);
  checkModules(saved, folder, catalog);
  const config = resumeConfig(flatten({ ...changes }), saved, folder, { catalog });
  const result = RunFolder.open(folder).result<RunResult>();
  return result ? Object.assign(finished(result), { folder, config }) : start(config, control);
}

/** Throws UsageError where the run is of a definition from outside that the catalog lacks: loading it takes an `await`. */
function checkModules(saved: RunConfig, folder: string, catalog: Catalog): void {
  for (const [kind, file] of Object.entries(saved.modules ?? {}) as [Group, string][]) {
    const name = kind === "optimizer" ? String(saved.optimizerOptions.name) : saved[kind];
    const { list, noun } = families[kind];
    if (namesOf(catalog[list]).includes(name)) continue;
    throw new UsageError(
      `resume: the ${noun} "${name}" of the run in ${folder} is defined in ${file}. Give a catalog that has it: ` +
        `resume(folder, { catalog: extend(catalog, { ${list}: [await loadPlugin("${kind}", file)] }) })`,
    );
  }
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
