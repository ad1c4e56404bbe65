/** What an experiment's runs measured, collected from their run folders: `results.json`, small enough for a repository. */
import { cpus, totalmem } from "node:os";
import { UsageError } from "../errors.js";
import { type RunRecord, readRun } from "../report/read-run.js";
import type { RunResult } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import type { RowOrColumn, Scale } from "./definition/definition.js";
import { definitionText, type Plan } from "./plan.js";
import { stateOf } from "./run-state.js";

export interface ArmResult {
  readonly row: string;
  readonly column: string;
  /** By seed, in the order of `seeds`; percent, of the role that counts. */
  readonly errors: readonly number[];
  readonly seeds: readonly number[];
  /** By role, by seed. */
  readonly roles: Readonly<Record<string, readonly number[]>>;
  readonly seconds: readonly number[];
  readonly steps: number;
  readonly options: Readonly<Record<string, unknown>>;
  /** Evaluations and the classification cost by seed, thinned. */
  readonly curves: readonly RunRecord["curves"][];
}

export interface ExperimentResults {
  readonly experiment: string;
  readonly scale: Scale;
  /** How scale small shrank it when it ran, in words. */
  readonly shrunk?: string;
  readonly seeds: readonly number[];
  readonly arms: readonly ArmResult[];
  /** Arms of the definition of which nothing is finished, "row/column". */
  readonly missing: readonly string[];
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGB: number;
    readonly device: string;
  };
  readonly versions: Readonly<Record<string, string>>;
  /** When the first and the last run finished. */
  readonly dates: readonly [string, string];
}

/** Reads what is finished; runs of another definition do not count. */
export function collectResults(plan: Plan): ExperimentResults {
  const dates: string[] = [];
  let device = "";
  let versions: Readonly<Record<string, string>> = {};
  const results = plan.arms.flatMap((arm): ArmResult[] => {
    const runs = plan.runs.filter((run) => run.arm === arm && stateOf(run) === "finished");
    const records = runs.map(({ folder }) => readRun(folder));
    const found = records.flatMap(({ result }) => (result ? [result] : []));
    for (const { finished } of records) if (finished !== undefined) dates.push(finished);
    device = found[0]?.device ?? device;
    if (runs[0]) versions = RunFolder.open(runs[0].folder).config().versions;
    const roles = [...new Set(found.flatMap(({ test }) => Object.keys(test)))];
    const of = (column: RowOrColumn): ArmResult => ({
      row: arm.row.name,
      column: column.name,
      errors: found.map((result) => errorOf(result, arm.row, column)),
      seeds: runs.map(({ seed }) => seed),
      roles: Object.fromEntries(roles.map((role) => [role, found.map(({ test }) => test[role]?.error ?? Number.NaN)])),
      seconds: found.map(({ elapsedSeconds }) => Math.round(elapsedSeconds)),
      steps: found[0]?.steps ?? 0,
      options: JSON.parse(definitionText(arm.given)),
      curves: records.map(({ curves }) => curves),
    });
    const again = plan.definition.columns.filter(
      ({ runsOf, onlyAt }) => runsOf === arm.column.name && (onlyAt ?? plan.scale) === plan.scale,
    );
    return [of(arm.column), ...again.map((column) => ({ ...of(column), curves: [], seconds: [] }))];
  });
  dates.sort();
  return {
    experiment: plan.definition.name,
    scale: plan.scale,
    ...(plan.profile && { shrunk: plan.profile.summary }),
    seeds: plan.seeds,
    arms: results.filter(({ errors }) => errors.length > 0),
    missing: results.filter(({ errors }) => errors.length === 0).map(({ row, column }) => `${row}/${column}`),
    machine: { cpu: cpus()[0]?.model ?? "?", cores: cpus().length, memoryGB: Math.round(totalmem() / 2 ** 30), device },
    versions,
    dates: [dates[0] ?? "", dates.at(-1) ?? ""],
  };
}

/** Percent. Throws UsageError where the runs did not measure the metric. `valError`: on validation images where they were held out, else `error`. */
function errorOf({ test, val, predictor }: RunResult, row: RowOrColumn, column: RowOrColumn): number {
  const role = row.role ?? column.role ?? predictor;
  const of = (split: RunResult["test"]) => split[role] ?? split[predictor];
  const measured: Readonly<Record<string, number>> = { ...of(test), valError: of(val ?? test)?.error ?? Number.NaN };
  const metric = column.metric ?? row.metric ?? "error";
  const value = measured[metric];
  if (value !== undefined) return value;
  throw new UsageError(
    `fewlabels experiment: column ${column.name} wants ${metric}, its runs measured ${Object.keys(measured).join(", ")}`,
  );
}
