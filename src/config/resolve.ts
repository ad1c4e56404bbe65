/** From what was given (flags, YAML, library fields) to a complete run configuration, or a UsageError that says what to do. */
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { downloadAdvice } from "../data/download/official-files.js";
import { badValue, nearest, UsageError } from "../errors.js";
import { type OptionSpec, parseOption } from "../options.js";
import type { Named, Registries } from "./catalog.js";
import { asFields, type Describe, flatten, type Given } from "./given.js";
import { type Group, type RunOptionValues, runOptions } from "./run-options.js";
import { rejectUnknown } from "./unknown-key.js";

export type { Named, Registries } from "./catalog.js";

type Derived = "dataset" | "labels" | "labeledBatch" | "threads" | "out" | "evalEvery" | "checkpointEvery";
export type OptionValues = Readonly<Record<string, unknown>>;

/**
 * A complete configuration: plain JSON, every default filled in except what only the data set (`normalize`, `translate`,
 * `flip`) or the device (`precision`) decides. `resume` is set when the run continues the folder `out`.
 */
export interface RunConfig extends Omit<RunOptionValues, Derived> {
  readonly dataset: string;
  readonly labels: string;
  readonly labeledBatch: number;
  readonly threads: number;
  readonly out: string;
  readonly evalEvery: number;
  readonly checkpointEvery: number;
  readonly datasetOptions: OptionValues;
  readonly methodOptions: OptionValues;
  readonly modelOptions: OptionValues;
  readonly optimizerOptions: OptionValues;
  /** Absolute path of the file that defines the method, where it is not one of the package's own. */
  readonly methodModule?: string;
}

export interface ResolveContext {
  /** How to name a key in errors. */
  readonly describe?: Describe;
  /** Called with remarks that do not stop the run. */
  readonly warn?: (message: string) => void;
  /** For the name of the default run folder. */
  readonly now?: Date;
}

/** Checks `given` (nested record, or flattened) and fills the defaults in. Throws UsageError. */
export function resolveConfig(
  given: Readonly<Record<string, unknown>> | Given,
  registries: Registries,
  { describe = asFields("fewlabels"), warn = () => {}, now = new Date() }: ResolveContext = {},
): RunConfig {
  const all = given instanceof Map ? given : flatten(given as Record<string, unknown>, describe);
  const run = parseRunOptions(all, describe);
  if (run.dataset === undefined) {
    const names = registries.dataSets.map((set) => set.name).join(", ");
    throw new UsageError(`${describe("dataset").who}: ${describe("dataset").name} is required: one of ${names}`);
  }
  const dataSet = find("data set", run.dataset, registries.dataSets, describe("dataset"));
  const method = find("method", run.method, registries.methods, describe("method"));
  const model = find("model", run.model, registries.models, describe("model"));
  const specs: Record<Group, { name: string; spec: OptionSpec; preset: OptionValues }> = {
    dataset: { name: dataSet.item.name, spec: dataSet.item.options, preset: dataSet.preset },
    method: { name: method.item.name, spec: method.item.options, preset: method.preset },
    model: { name: model.item.name, spec: model.item.options, preset: model.preset },
    optimizer: { name: "optimizer", spec: registries.optimizer, preset: {} },
  };
  rejectUnknown(all, specs, registries, describe);
  const groupOptions = (group: Group) => parseGroup(group, specs[group].spec, specs[group].preset, all, describe);

  if (dataSet.item.needsDir && run.data === undefined) {
    const { who } = describe("data");
    throw new UsageError(
      `${who}: data set ${dataSet.item.name} needs ${describe("data").name} DIR, the folder with its files${downloadAdvice(dataSet.item.name)}`,
    );
  }
  const labels = run.labels ?? (dataSet.item.takesFolders ? "all" : "100");
  if (run.unlabeled !== "all" && run.unlabeled !== "rest" && !dataSet.item.takesFolders) {
    const { who, name } = describe("unlabeled");
    const advice = `only the data sets folder, imagenet and shards take unlabeled pictures of their own`;
    throw new UsageError(badValue(who, name, "all or rest", run.unlabeled, advice));
  }
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
  const evalEvery = run.evalEvery ?? Math.min(run.steps, Math.max(250, Math.round(run.steps / 10)));
  return {
    ...run,
    dataset: dataSet.item.name,
    method: method.item.name,
    model: model.item.name,
    data: absolutePath("data", run.data),
    labels: absolutePath("labels", checkLabels(labels, describe)),
    unlabeled: absolutePath("unlabeled", run.unlabeled),
    labeledBatch,
    threads: run.threads ?? availableParallelism(),
    out: run.out ?? `runs/${dataSet.item.name}-${method.item.name}-${timestamp(now)}`,
    evalEvery,
    checkpointEvery: run.checkpointEvery ?? Math.min(1000, evalEvery || 1000),
    datasetOptions: groupOptions("dataset"),
    methodOptions: groupOptions("method"),
    modelOptions,
    optimizerOptions: groupOptions("optimizer"),
    ...(method.item.module !== undefined ? { methodModule: method.item.module } : {}),
  };
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
    return [name, raw === undefined ? option.default : absolutePath(key, parseOption(option, spelled, raw, who))];
  });
  return Object.fromEntries(entries);
}

function find<T extends Named>(
  kind: string,
  wanted: string,
  items: readonly T[],
  { who }: { who: string },
): { item: T; preset: OptionValues } {
  for (const item of items) {
    if (item.name === wanted) return { item, preset: {} };
    const preset = item.presets?.[wanted];
    if (preset) return { item, preset };
  }
  const names = items.flatMap((item) => [item.name, ...Object.keys(item.presets ?? {})]);
  const near = nearest(wanted, names);
  const hint = near === undefined ? "" : ` Did you mean "${near}"?`;
  throw new UsageError(`${who}: unknown ${kind} "${wanted}".${hint} Valid: ${names.join(", ")}`);
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
  if (sampler === "two-stream" && count === 0) {
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

/** Paths are kept absolute, so that a run can be resumed from another working directory. */
export function absolutePath<T>(key: string, value: T): T {
  if (typeof value !== "string") return value;
  const isPath =
    key === "data" ||
    key === "method.table" ||
    key === "model.weights" ||
    (key === "dataset.testShards" && value !== "") ||
    (key === "labels" && value !== "all" && !/^\d+$/.test(value)) ||
    (key === "unlabeled" && value !== "all" && value !== "rest");
  if (!isPath) return value;
  // Shards may be several patterns with commas between them, outside braces.
  const parts = value.includes(".tar") ? value.split(/,(?![^{]*\})/) : [value];
  return parts.map((part) => resolve(part.trim())).join(",") as T;
}
