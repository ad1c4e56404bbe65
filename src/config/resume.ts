/** The configuration of a run that continues. */
import { findByName, type Named, UsageError } from "../errors.js";
import { type OptionSpec, parseOption } from "../options.js";
import { catalog as builtIn, type Catalog, type Chosen, choose, families } from "./catalog.js";
import { machineShare } from "./cores.js";
import { asFields, type Describe, type Given, splitKey } from "./given.js";
import { absolutePath } from "./paths.js";
import { defaultOptimizer, type OptionValues, type RunConfig } from "./resolve.js";
import { groups, neutralOptions, runOptions } from "./run-options.js";
import { unknownKey } from "./unknown-key.js";

/**
 * The configuration that continues a saved run: the saved one, with neutral options (threads, device, ...) replaced by
 * what was given, and files of the data where they lie now. Anything else given must equal what the run was started with; throws UsageError otherwise.
 */
export function resumeConfig(
  given: Given,
  saved: RunConfig,
  folder: string,
  {
    describe = asFields("fewlabels"),
    catalog = builtIn,
  }: { readonly describe?: Describe; readonly catalog?: Catalog } = {},
): RunConfig {
  const declared = declaredOptions(saved, catalog);
  const labelsWholeBatch = !choose(saved, catalog).method.usesUnlabeled;
  const known = [
    ...Object.keys(declared),
    ...groups.flatMap((g) => Object.keys(savedGroup(saved, g)).map((k) => `${g}.${k}`)),
  ];
  /** Files of the data may lie elsewhere now: what is in them is compared with what the run was started with. */
  const mayMove = (key: string, value: unknown): boolean => {
    const { type, except } = declared[key] ?? {};
    const ofData = key === "labels" || key === "unlabeled" || key.startsWith("dataset.");
    return ofData && type === "path" && typeof value === "string" && value !== "" && !except?.test(value);
  };
  const moved = new Map<string, unknown>();
  const changed: Record<string, unknown> = {};
  for (const [key, raw] of given) {
    if (key === "resume" || key === "out") continue;
    const { who, name } = describe(key);
    if (!known.includes(key)) throw new UsageError(unknownKey(who, name, key, known));
    // Where all rows are labeled it was taken with a warning at the start, and had no effect.
    if (key === "labeledBatch" && labelsWholeBatch) continue;
    const option = declared[key];
    const value = option ? absolutePath(option, parseOption(option, name, raw, who)) : raw;
    if (mayMove(key, value) && mayMove(key, savedValue(saved, key))) moved.set(key, value);
    else if ((neutralOptions as readonly string[]).includes(key)) changed[key] = value;
    else {
      const before = otherThan(key, value, { given, saved, catalog, who, declared });
      if (before === undefined) continue;
      const movable = Object.keys(declared).filter((one) => mayMove(one, savedValue(saved, one)));
      const free = [...neutralOptions, ...movable].map((neutral) => describe(neutral).name).join(", ");
      throw new UsageError(
        `${who}: ${name} is ${show(value)}, but the run in ${folder} was started ${before}. A resumed run ` +
          `continues exactly as configured; only ${free} may change. For other settings start a new run`,
      );
    }
  }
  const datasetOptions = { ...saved.datasetOptions };
  for (const [key, value] of moved) {
    const [group, inner] = splitKey(key);
    if (inner === undefined) changed[group] = value;
    else datasetOptions[inner] = value;
  }
  return { ...saved, ...machineShare(saved), ...changed, datasetOptions, out: folder, resume: folder };
}

/**
 * The configuration of a run that an earlier version of this package began: options that it did not know have their defaults, with which
 * a run is what it was.
 */
export function withNewOptions(saved: RunConfig, { dataSet, method, model }: Chosen): RunConfig {
  return {
    ...withDefaults(runOptions, saved),
    datasetOptions: withDefaults(dataSet.options, saved.datasetOptions),
    methodOptions: withDefaults(method.options, saved.methodOptions),
    modelOptions: withDefaults(model.options, saved.modelOptions),
  };
}

/** `values`, and the defaults of what `spec` declares beside them. */
export function withDefaults<V extends object>(spec: OptionSpec, values: V): V {
  const missing = Object.entries(spec).filter(([name, option]) => option.default !== undefined && !(name in values));
  return { ...Object.fromEntries(missing.map(([name, option]) => [name, option.default])), ...values };
}

/** Of the run and of what it names, by key. */
function declaredOptions(saved: RunConfig, catalog: Catalog): OptionSpec {
  const { dataSet, method, model, optimizers } = choose(saved, catalog);
  const optimizer = findByName(optimizers, "optimizer", String(saved.optimizerOptions.name)).item;
  const below = (group: string, spec: OptionSpec) =>
    Object.fromEntries(Object.entries(spec).map(([name, option]) => [`${group}.${name}`, option]));
  return {
    ...runOptions,
    ...below("dataset", dataSet.options),
    ...below("method", method.options),
    ...below("model", model.options),
    "optimizer.name": defaultOptimizer,
    ...below("optimizer", optimizer.options),
  };
}

/**
 * How the run was started, in words, where `value` is another thing; undefined where it is the same. The name of a part may be that of a
 * preset: it then stands for the part and for the options that the preset sets.
 */
function otherThan(key: string, value: unknown, { given, saved, catalog, who, declared }: Resumed): string | undefined {
  // An earlier version did not know the option: the run has its default.
  const before = savedValue(saved, key) ?? declared[key]?.default;
  if (same(value, before)) return undefined;
  const kind = groups.find((group) => key === (group === "optimizer" ? "optimizer.name" : group));
  if (!kind) return before === undefined ? "without it" : `with ${show(before)}`;
  const { list, noun } = families[kind];
  const { item, preset } = findByName<Named>(catalog[list], noun, String(value), who);
  if (item !== findByName<Named>(catalog[list], noun, String(before), who).item) return `with ${show(before)}`;
  const own = savedGroup(saved, kind);
  // What was given beside a preset counts, and is compared by itself.
  const others = Object.entries(preset).filter(
    ([name, option]) => !given.has(`${kind}.${name}`) && !same(option, own[name]),
  );
  if (others.length === 0) return undefined;
  return `with ${show(before)} and ${others.map(([name]) => `${name} ${show(own[name])}`).join(", ")}`;
}

interface Resumed {
  readonly given: Given;
  readonly saved: RunConfig;
  readonly catalog: Catalog;
  readonly who: string;
  readonly declared: OptionSpec;
}

function same(value: unknown, before: unknown): boolean {
  return String(value) === String(before) || (typeof before === "number" && Number(value) === before);
}

function savedValue(saved: RunConfig, key: string): unknown {
  const [group, inner] = splitKey(key);
  return inner === undefined ? saved[group as keyof RunConfig] : savedGroup(saved, group)[inner];
}

function savedGroup(saved: RunConfig, group: string): OptionValues {
  const record = saved[`${group}Options` as keyof RunConfig];
  return typeof record === "object" ? (record as OptionValues) : {};
}

function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
