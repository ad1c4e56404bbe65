/** The methods that are compared, and their runs on the folds. */
import { join } from "node:path";
import type { Catalog } from "../../config/catalog.js";
import { UsageError, unknownName } from "../../errors.js";
import { experimentsFolder } from "../catalog.js";
import { readDefinition } from "../definition/read.js";
import { type Arm, type Plan, type PlannedRun, planExperiment } from "../plan.js";
import { type Folds, foldFolder } from "./folds.js";
import type { CompareOptions } from "./options.js";

const listFile = join(experimentsFolder, "compare.yaml");

/** Throws UsageError for a method that is not on the list. */
export function checkOnly({ only = [] }: CompareOptions): void {
  const names = readDefinition("compare", listFile).rows.map(({ name }) => name);
  const wrong = only.find((name) => !names.includes(name));
  if (wrong !== undefined)
    throw new UsageError(unknownName("fewlabels compare: --only", "method of the list", wrong, names));
}

/** The short list with the data of fold 1; rows on features only with weights, and only methods that the catalog has. */
export function planOf({ out, only, overrides, catalog }: CompareOptions, { count }: Folds): Plan {
  const definition = readDefinition("compare", listFile);
  const seeds = Array.from({ length: count }, (_, i) => i + 1);
  const plan = planExperiment(definition, {
    scale: "paper", // no profile shrinks it
    out,
    seeds,
    overrides: { ...overrides, data: foldFolder(out, 1) },
    catalog,
    ...(only && { only }),
  });
  const usable = ({ given }: Arm) => {
    const name = String(given.get("method"));
    if (!catalog.methods.some((method) => method.name === name)) return false;
    return only !== undefined || overrides["model.weights"] !== undefined || !findMethod(catalog, given).onFeatures;
  };
  const arms = plan.arms.filter(usable);
  return { ...plan, arms, runs: plan.runs.filter(({ arm }) => arms.includes(arm)) };
}

export function findMethod({ methods }: Catalog, given: Arm["given"]) {
  return methods.find(({ name }) => name === given.get("method"))!;
}

/** With the data of its fold. */
export function runGiven(run: PlannedRun, out: string, steps: number | undefined): PlannedRun["given"] {
  const given = new Map([...run.given, ["data", foldFolder(out, run.seed)] as const]);
  if (steps !== undefined) given.set("steps", steps);
  return given;
}
