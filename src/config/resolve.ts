/** From what was given (flags, YAML, library fields) to a complete run configuration, or a UsageError that says what to do. */
import { downloadAdvice } from "../data/download/official-files.js";
import { findByName, UsageError } from "../errors.js";
import { type OptionSpec, parseOption, text } from "../options.js";
import { type BuiltIn, catalog as builtIn, type Listed, type Listing } from "./catalog.js";
import { defaultThreads, processesHere } from "./cores.js";
import { checkEffects } from "./effects.js";
import { asFields, type Describe, flatten, type Given } from "./given.js";
import { absolutePath } from "./paths.js";
import { type OptionValues, openOptions, type RunConfig, usualCheckpointEvery, usualEvalEvery } from "./run-config.js";
import type { RunInput } from "./run-input.js";
import { type Group, groups, type RunOptionValues, runOptions } from "./run-options.js";
import { rejectUnknown } from "./unknown-key.js";
import { wantedBy } from "./weights-wanted.js";

export type { OptionValues, RunConfig } from "./run-config.js";

/** The optimizer's name stands among its options. */
export const defaultOptimizer = text("adam", { doc: "optimizer, see docs/schedules-and-losses.md" });

export interface ResolveContext {
  /** How to name a key in errors. */
  readonly describe?: Describe;
  /** Called with remarks that do not stop the run. */
  readonly warn?: (message: string) => void;
  /** For the name of the default run folder. */
  readonly now?: Date;
  /** Whether a given option that cannot have an effect is refused (the default), or may stand: where no run is meant. */
  readonly idle?: "refuse" | "allow";
}

/**
 * Checks `given` (nested as a program writes it, or flattened) and fills the defaults in. `catalog`: what its names mean; default
 * what comes with the package. Throws UsageError.
 */
export function resolveConfig<C extends Listing = BuiltIn>(
  given: RunInput<C> | Given,
  catalog: C | BuiltIn = builtIn,
  { describe = asFields("fewlabels"), warn = () => {}, now = new Date(), idle = "refuse" }: ResolveContext = {},
): RunConfig {
  const flat = isFlat(given) ? given : flatten({ ...given }, describe);
  const all: Given = new Map([...flat].filter(([, value]) => value !== undefined)); // a key without a value is not given
  const run = parseRunOptions(all, describe);
  const known: Listing = catalog;
  if (run.resume !== undefined) {
    const { who, name } = describe("resume");
    throw new UsageError(
      `${who}: ${name} ${run.resume} continues a run, whose settings are its own. Call resume(${JSON.stringify(run.resume)}), or train with it`,
    );
  }
  if (run.dataset === undefined) {
    const names = known.dataSets.map((set) => set.name).join(", ");
    throw new UsageError(`${describe("dataset").who}: ${describe("dataset").name} is required: one of ${names}`);
  }
  const dataSet = findByName(known.dataSets, "data set", run.dataset, describe("dataset").who);
  const method = findByName(known.methods, "method", run.method, describe("method").who);
  const model = findModel(run.model, all, known, describe);
  const optimizerName = String(all.get("optimizer.name") ?? defaultOptimizer.default);
  const optimizer = findByName(known.optimizers, "optimizer", optimizerName, describe("optimizer.name").who);
  const chosen: Record<Group, { readonly item: Listed; readonly preset: OptionValues }> = {
    dataset: dataSet,
    method,
    model,
    optimizer: {
      ...optimizer,
      item: { ...optimizer.item, options: { name: defaultOptimizer, ...optimizer.item.options } },
    },
  };
  rejectUnknown(all, chosen, known, describe);
  const groupOptions = (group: Group) =>
    parseGroup(group, chosen[group].item.options, chosen[group].preset, all, describe);

  if (dataSet.item.needsDir && run.data === undefined) {
    const { who } = describe("data");
    throw new UsageError(
      `${who}: data set ${dataSet.item.name} needs ${describe("data").name} DIR, the folder with its files${downloadAdvice(dataSet.item.official)}`,
    );
  }
  const labels = run.labels ?? (dataSet.item.takesFolders ? "all" : "100");
  const byDefault = openOptions.filter((key) => !all.has(key) && model.preset[key.replace("model.", "")] === undefined);
  const labeledBatch = checkBatch({ ...run, labels }, method.item, describe, warn);
  if (run.saveBest === "val" && run.val === 0) {
    const { who, name } = describe("saveBest");
    throw new UsageError(
      `${who}: ${name} val needs validation images: give ${describe("val").name} N, the number to hold out. Selecting on test images would report an error that is too low`,
    );
  }
  const modelOptions = groupOptions("model");
  if (modelOptions.freeze === "backbone" && modelOptions.weights === undefined) {
    const { who, name: freeze } = describe("model.freeze");
    throw new UsageError(
      `${who}: ${freeze} backbone keeps weights that were loaded; give ${describe("model.weights").name} FILE with it`,
    );
  }
  const steps = method.item.onFeatures && !all.has("steps") ? 1 : run.steps;
  const evalEvery = run.evalEvery ?? usualEvalEvery(steps);
  const config: RunConfig = {
    ...run,
    steps,
    dataset: dataSet.item.name,
    method: method.item.name,
    model: model.item.name,
    data: absolutePath(runOptions.data, run.data),
    labels: absolutePath(runOptions.labels, checkLabels(labels, describe)),
    unlabeled: absolutePath(runOptions.unlabeled, run.unlabeled),
    labeledBatch,
    threads: run.threads ?? defaultThreads(),
    ...(run.threads === undefined ? { coresSharedBy: processesHere() } : {}),
    out: run.out ?? `runs/${dataSet.item.name}-${method.item.name}-${timestamp(now)}`,
    ...(run.out === undefined ? { nameIsFree: true } : {}),
    evalEvery,
    checkpointEvery: run.checkpointEvery ?? usualCheckpointEvery(evalEvery),
    datasetOptions: groupOptions("dataset"),
    methodOptions: groupOptions("method"),
    modelOptions,
    optimizerOptions: groupOptions("optimizer"),
    ...(byDefault.length > 0 ? { byDefault } : {}),
    ...modulesOf(chosen),
    ...(idle === "refuse" ? { given: [...all.keys()] } : {}),
  };
  if (idle === "refuse") checkEffects(all, config, chosen, method.item, describe);
  return config;
}

/** The network that was asked for, or the one that the weights are of, with the options they were trained with. */
function findModel(name: string, given: Given, { models }: Listing, describe: Describe) {
  const weights = given.get("model.weights");
  const wanted = !given.has("model") && typeof weights === "string" ? wantedBy(weights) : undefined;
  if (!wanted) return findByName(models, "model", name, describe("model").who);
  const { item, preset } = findByName(models, "model", wanted.model, describe("model.weights").who);
  return { item, preset: { ...preset, ...wanted.modelOptions } };
}

function isFlat(given: object): given is Given {
  return given instanceof Map;
}

function parseRunOptions(given: Given, describe: Describe): RunOptionValues {
  const entries = Object.entries(runOptions).map(([key, option]) => {
    const raw = given.get(key);
    const { who, name } = describe(key);
    if (key === "resume" && (raw === true || raw === false)) return [key, undefined];
    return [key, raw === undefined ? option.default : parseOption(option as OptionSpec[string], name, raw, who)];
  });
  return Object.fromEntries(entries) as RunOptionValues;
}

function parseGroup(
  group: Group,
  spec: OptionSpec,
  preset: OptionValues,
  given: Given,
  describe: Describe,
): OptionValues {
  const entries = Object.entries(spec).map(([name, option]) => {
    const key = `${group}.${name}`;
    const raw = given.get(key) ?? preset[name];
    const { who, name: spelled } = describe(key);
    return [name, raw === undefined ? option.default : absolutePath(option, parseOption(option, spelled, raw, who))];
  });
  return Object.fromEntries(entries);
}

function modulesOf(chosen: Readonly<Record<Group, { readonly item: Listed }>>): Pick<RunConfig, "modules"> {
  const found = groups.flatMap((group) => {
    const { module } = chosen[group].item;
    return module === undefined ? [] : [[group, module]];
  });
  return found.length === 0 ? {} : { modules: Object.fromEntries(found) };
}

function checkBatch(
  { batch, labels, labeledBatch, sampler }: RunOptionValues & { readonly labels: string },
  method: { name: string; usesUnlabeled: boolean },
  describe: Describe,
  warn: (message: string) => void,
): number {
  const { who, name } = describe("labeledBatch");
  const batchName = describe("batch").name;
  if (!method.usesUnlabeled) {
    if (labeledBatch !== undefined && labeledBatch !== batch) {
      warn(
        `${method.name} reads no unlabeled rows, so all ${batch} rows of its batch are labeled; ${name} ${labeledBatch} has no effect`,
      );
    }
    return batch;
  }
  const all = /^\d+$/.test(labels) ? Number(labels) : Number.POSITIVE_INFINITY;
  const count = labeledBatch ?? Math.min(all, Math.max(1, Math.round(batch / 4)));
  if (sampler === "two-stream" && count >= batch) {
    throw new UsageError(
      `${who}: ${name} ${count} leaves no room for unlabeled rows in ${batchName} ${batch}, and ${method.name} learns from them. ` +
        `Give ${batchName} more than ${name}, or use the method supervised`,
    );
  }
  if (sampler === "two-stream" && labeledBatch === 0) {
    throw new UsageError(`${who}: expected at least 1 for ${name} with two streams, got 0`);
  }
  return count;
}

function checkLabels(labels: string, describe: Describe): string {
  if (/^[-+]?[\d.]+$/.test(labels) && !/^[1-9]\d*$/.test(labels)) {
    const { who, name } = describe("labels");
    throw new UsageError(
      `${who}: expected a whole number of at least 1, a labels file or "all" for ${name}, got ${JSON.stringify(labels)}`,
    );
  }
  return labels;
}

/** 20261120-213455, local time. */
function timestamp(date: Date): string {
  const two = (n: number) => String(n).padStart(2, "0");
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  return `${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}
