/** Everything that a run can name: the package's own methods, networks, data sets and optimizers, and those of others. */
import type { DataSetDefinition } from "../data/dataset.js";
import { packagedDataSets } from "../data/index.js";
import { findByName, type Named, namesOf, UsageError } from "../errors.js";
import { type MethodDefinition, packagedMethods } from "../methods/index.js";
import { type ModelDefinition, packagedModels } from "../models/index.js";
import { type OptimizerDefinition, packagedOptimizers } from "../optim/index.js";
import type { OptionSpec } from "../options.js";
import type { Given } from "./given.js";
import type { Group } from "./run-options.js";

export interface Catalog {
  readonly methods: readonly MethodDefinition[];
  readonly models: readonly ModelDefinition[];
  readonly dataSets: readonly DataSetDefinition[];
  readonly optimizers: readonly OptimizerDefinition[];
}

/** What comes with the package. */
export const catalog = {
  methods: packagedMethods,
  models: packagedModels,
  dataSets: packagedDataSets,
  optimizers: packagedOptimizers,
} as const satisfies Catalog;

export type BuiltIn = typeof catalog;

/** What a configuration needs to know of a catalog. */
export interface Listing {
  readonly methods: readonly (Listed &
    Pick<MethodDefinition, "usesUnlabeled" | "onFeatures"> &
    Partial<Pick<MethodDefinition, "views">>)[];
  readonly models: readonly Listed[];
  readonly dataSets: readonly (Listed & Pick<DataSetDefinition, "needsDir" | "takesFolders" | "official">)[];
  readonly optimizers: readonly Listed[];
}

export interface Listed extends Named {
  readonly options: OptionSpec;
  readonly module?: string;
}

/** What the value of each key of a run names. */
export interface Definitions {
  readonly dataset: DataSetDefinition;
  readonly method: MethodDefinition;
  readonly model: ModelDefinition;
  readonly optimizer: OptimizerDefinition;
}

/** Which list of a catalog the key of a run names something of, that key in `Given`, and what such a thing is called in messages. */
export const families = {
  dataset: { list: "dataSets", key: "dataset", noun: "data set" },
  method: { list: "methods", key: "method", noun: "method" },
  model: { list: "models", key: "model", noun: "model" },
  optimizer: { list: "optimizers", key: "optimizer.name", noun: "optimizer" },
} as const satisfies Record<Group, { readonly list: keyof Catalog; readonly key: string; readonly noun: string }>;

/** By key of `Given` the files of what is not the package's own among what is named there. */
export function filesOf(given: Given, catalog: Listing): ReadonlyMap<string, string> {
  const found = Object.values(families).flatMap(({ list, key }) => {
    const { module } = catalog[list].find(({ name }) => name === given.get(key)) ?? {};
    return module === undefined ? [] : [[key, module] as const];
  });
  return new Map(found);
}

/** `given` as another process is told it, which has nothing but the package: files in place of the names that they define. */
export function byFile(given: Given, catalog: Listing): Given {
  return new Map([...given, ...filesOf(given, catalog)]);
}

type Extended<C extends Catalog, A extends Partial<Catalog>> = {
  readonly [K in keyof Catalog]: readonly (C[K][number] | (A[K] extends readonly (infer D)[] ? D : never))[];
};

/**
 * `base` with definitions of yours: `extend(catalog, { dataSets: [mine] })`. Throws UsageError where a name is taken; the same
 * definition may come again.
 */
export function extend<
  const C extends Catalog,
  const M extends readonly MethodDefinition[] = readonly [],
  const N extends readonly ModelDefinition[] = readonly [],
  const D extends readonly DataSetDefinition[] = readonly [],
  const O extends readonly OptimizerDefinition[] = readonly [],
>(
  base: C,
  additions: { readonly methods?: M; readonly models?: N; readonly dataSets?: D; readonly optimizers?: O },
): Extended<C, { methods: M; models: N; dataSets: D; optimizers: O }> {
  const { methods, models, dataSets, optimizers } = additions;
  return {
    methods: joined("method", base.methods, methods),
    models: joined("model", base.models, models),
    dataSets: joined("data set", base.dataSets, dataSets),
    optimizers: joined("optimizer", base.optimizers, optimizers),
  };
}

/** New ones first, so that the help of an option that others have too is theirs. */
function joined<A extends Listed, B extends Listed>(
  noun: string,
  base: readonly A[],
  added: readonly B[] = [],
): readonly (A | B)[] {
  const known = (mine: Listed) =>
    base.find((one) => one.name === mine.name && one.module !== undefined && one.module === mine.module);
  const taken = new Set(namesOf(base.filter((one) => !added.some((mine) => known(mine) === one))));
  for (const mine of added) {
    const name = namesOf([mine]).find((name) => taken.has(name));
    if (name === undefined) continue;
    throw new UsageError(
      `${mine.module ?? "extend"}: there is a ${noun} called "${name}" already; give yours another name`,
    );
  }
  return [...added, ...base.filter((one) => !added.some((mine) => known(mine) === one))];
}

/** The definitions of a run. */
export interface Chosen {
  readonly dataSet: DataSetDefinition;
  readonly method: MethodDefinition;
  readonly model: ModelDefinition;
  /** Of which `optimizerOptions.name` is one; a method may take another. */
  readonly optimizers: readonly OptimizerDefinition[];
}

/** What a configuration names. Throws UsageError where the catalog has no such thing. */
export function choose(
  { dataset, method, model }: { readonly dataset: string; readonly method: string; readonly model: string },
  { dataSets, methods, models, optimizers }: Catalog,
  who = "fewlabels",
): Chosen {
  return {
    dataSet: findByName<DataSetDefinition>(dataSets, "data set", dataset, who).item,
    method: findByName<MethodDefinition>(methods, "method", method, who).item,
    model: findByName<ModelDefinition>(models, "model", model, who).item,
    optimizers,
  };
}
