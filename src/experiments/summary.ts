/** Measured beside published: the numbers of a table, the comparisons of its claims, and what the seeds allow to say. */
import { type PairedTest, pairedTest, type Spread, spreadOf } from "../statistics.js";
import type { Claim, Definition, Published, RowOrColumn } from "./definition/definition.js";
import { armsOf, definitionText } from "./plan.js";
import type { ArmResult, ExperimentResults } from "./results.js";

export interface Cell {
  readonly row: string;
  readonly column: string;
  /** In the unit of the paper; undefined where nothing has run. */
  readonly measured?: Spread & { readonly values: readonly number[]; readonly seeds: readonly number[] };
  readonly published: readonly Published[];
}

export type Verdict = "seen" | "leaning" | "not seen" | "not run";

export interface Comparison {
  readonly claim: Claim;
  readonly column: string;
  readonly verdict: Verdict;
  /** Of the errors, better minus worse, over the seeds that both have. */
  readonly test?: PairedTest;
  readonly better?: Spread;
  readonly worse?: Spread;
}

export interface Summary {
  readonly unit: "error" | "accuracy";
  readonly rows: readonly { readonly name: string; readonly label: string; readonly runnable: boolean }[];
  readonly columns: readonly { readonly name: string; readonly label: string }[];
  readonly cells: readonly Cell[];
  readonly comparisons: readonly Comparison[];
  readonly warnings: readonly string[];
}

export function summarize(definition: Definition, results: ExperimentResults): Summary {
  const { rows, columns, published, unit, claims } = definition;
  const inUnit = (error: number) => (unit === "error" ? error : 100 - error);
  const printedOnly = [...new Set(published.map(({ row }) => row))].filter(
    (row) => !rows.some(({ name }) => name === row),
  );
  const names = [...rows.map(({ name }) => name), ...printedOnly];
  const armOf = (row: string, column: string) => results.arms.find((arm) => arm.row === row && arm.column === column);
  const cells = names.flatMap((row) =>
    columns.map((column): Cell => {
      const arm = armOf(row, column.name);
      const values = arm?.errors.map(inUnit) ?? [];
      return {
        row,
        column: column.name,
        ...(arm && { measured: { ...spreadOf(values), values, seeds: arm.seeds } }),
        published: published.filter((one) => one.row === row && one.column === column.name),
      };
    }),
  );
  const comparisons = claims.flatMap((claim) => {
    const [better, worse] = [claim.better.split("/"), claim.worse.split("/")];
    if (better[1] !== undefined && worse[1] !== undefined) {
      const label = (name = "") => columns.find((column) => column.name === name)?.label ?? name;
      const where = `${label(better[1])} against ${label(worse[1])}`;
      return [compare(claim, where, armOf(better[0]!, better[1]), armOf(worse[0]!, worse[1]))];
    }
    return columns
      .filter(({ name }) => claim.columns?.includes(name) ?? true)
      .map(({ name }) => compare(claim, name, armOf(claim.better, name), armOf(claim.worse, name)));
  });
  const labelOf = labelsHere(definition, results);
  const present = ({ onlyAt }: RowOrColumn) => (onlyAt ?? results.scale) === results.scale;
  return {
    unit,
    rows: [
      ...rows.filter(present).map(({ name, label }) => ({ name, label, runnable: true })),
      ...printedOnly.map((name) => ({ name, label: name, runnable: false })),
    ],
    columns: columns.filter(present).map((column) => ({ name: column.name, label: labelOf(column) })),
    cells,
    comparisons,
    warnings: warningsOf(results, columns),
  };
}

/** What columns may differ by, and scale small has fewer of. */
const counted = { labels: "labels", "dataset.train": "images" } as const;

/** A column's label, and after it how many labels or images it had here, where columns differ by them and the paper's are others. */
function labelsHere(definition: Definition, { scale, arms }: ExperimentResults): (column: RowOrColumn) => string {
  if (scale === "paper" || definition.kind === "sensitivity") return ({ label }) => label;
  const published = armsOf(definition, "paper", undefined).map(({ column, given }) => ({
    column: column.name,
    options: JSON.parse(definitionText(given)) as ArmResult["options"],
  }));
  const onlyValue = (of: readonly { column: string; options: ArmResult["options"] }[], column: string, key: string) => {
    const values = new Set(of.flatMap((arm) => (arm.column === column ? [String(arm.options[key] ?? "")] : [])));
    return values.size === 1 ? [...values][0]! : "";
  };
  return ({ name, label }) => {
    const words = Object.entries(counted).flatMap(([key, what]) => {
      const here = onlyValue(arms, name, key);
      const all = new Set(definition.columns.map((column) => onlyValue(arms, column.name, key)).filter(Boolean));
      if (!/^\d+$/.test(here) || all.size < 2 || here === onlyValue(published, name, key)) return [];
      return [`${Number(here).toLocaleString("en-US")} ${what}`];
    });
    return words.length === 0 ? label : `${label} (here ${words.join(", ")})`;
  };
}

/** `seen`: over three seeds or more the mean difference has the claimed sign and its 95 % interval leaves 0 out; `leaning`: the sign alone. */
function compare(
  claim: Claim,
  column: string,
  better: ArmResult | undefined,
  worse: ArmResult | undefined,
): Comparison {
  const seeds = better?.seeds.filter((seed) => worse?.seeds.includes(seed)) ?? [];
  if (!better || !worse || seeds.length === 0) return { claim, column, verdict: "not run" };
  const of = (arm: ArmResult) => seeds.map((seed) => arm.errors[arm.seeds.indexOf(seed)]!);
  const [low, high] = [of(better), of(worse)];
  const test = pairedTest(low, high);
  const clear = test.n >= 3 && test.difference + test.half95 < 0;
  const verdict = test.difference >= 0 ? "not seen" : clear ? "seen" : "leaning";
  return { claim, column, verdict, test, better: spreadOf(low), worse: spreadOf(high) };
}

function warningsOf({ arms, missing, seeds }: ExperimentResults, columns: readonly RowOrColumn[]): string[] {
  const wanted = ({ column }: ArmResult) =>
    Math.min(seeds.length, columns.find(({ name }) => name === column)?.runs ?? seeds.length);
  const least = Math.min(...arms.map(({ errors }) => errors.length));
  const warnings: string[] = [];
  if (arms.length > 0 && least < 5) {
    const smallest = 2 / 2 ** least;
    warnings.push(
      least < 2
        ? "one seed has no spread: no interval and no test can be given"
        : `${least} seeds are few: the exact sign-flip test cannot go below p = ${smallest} with them, and the intervals are wide`,
    );
  }
  const partial = arms.filter((arm) => arm.errors.length < wanted(arm));
  if (partial.length > 0) {
    warnings.push(
      `not all seeds are done: ${partial.map((arm) => `${arm.row}/${arm.column} ${arm.errors.length} of ${wanted(arm)}`).join(", ")}`,
    );
  }
  if (missing.length > 0) warnings.push(`not run: ${missing.join(", ")}`);
  return warnings;
}
