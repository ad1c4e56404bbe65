/** A report on any runs: those on the same data that differ in their seeds alone are one arm. */
import { basename, dirname } from "node:path";
import { spreadOf } from "../statistics.js";
import { type CurveSeries, curveFigure, type Dots, dotFigure } from "./figures.js";
import type { Section } from "./page.js";
import { COLORS, type Figure } from "./plot.js";
import type { RunRecord } from "./read-run.js";

/** Runs of one setting. */
export interface RunGroup {
  readonly label: string;
  readonly runs: readonly RunRecord[];
}

export interface RunsReport {
  readonly title: string;
  readonly sections: readonly Section[];
  readonly figures: readonly Figure[];
  readonly groups: readonly RunGroup[];
  /** What makes the numbers less than they look. */
  readonly remarks: readonly string[];
}

/** What may differ between runs of one arm, or says nothing about the setting. */
const seedKeys = [
  "seed",
  "labelSeed",
  "out",
  "resume",
  "threads",
  "coresSharedBy",
  "versions",
  "dataFingerprint",
  "labelsFingerprint",
  "data",
];

/** Groups runs by their data and everything but their seeds; a group is named by what differs between groups. */
export function groupRuns(records: readonly RunRecord[]): RunGroup[] {
  const flat = records.map(({ config }) => flattenConfig(config));
  const groups = new Map<string, Group>();
  for (const [i, record] of records.entries()) {
    const settings = flat[i]!;
    const [same, data] = [JSON.stringify([...settings].sort()), dataOf(record)];
    const key = JSON.stringify([same, data]);
    const group = groups.get(key) ?? { settings, same, data, runs: [] };
    group.runs.push(record);
    groups.set(key, group);
  }
  const all = [...groups.values()];
  const keys = [...new Set(flat.flatMap((settings) => [...settings.keys()]))];
  const differing = keys.filter((key) => new Set(all.map(({ settings }) => settings.get(key))).size > 1);
  const method = differing.includes("method");
  // The options of a method follow from it; they name a group only where another of the same method has other ones.
  const telling = differing.filter((key) => {
    if (!method || key === "method") return true;
    const byMethod = new Map<string, Set<string | undefined>>();
    for (const { settings } of all) {
      const name = settings.get("method") ?? "";
      byMethod.set(name, (byMethod.get(name) ?? new Set()).add(settings.get(key)));
    }
    return [...byMethod.values()].some((values) => values.size > 1);
  });
  return all.map((group) => {
    const { settings, runs } = group;
    const rest = telling.filter((key) => key !== "method").map((key) => `${shortKey(key)} ${settings.get(key) ?? "-"}`);
    const name = method || rest.length === 0 ? [settings.get("method") ?? basename(runs[0]!.path)] : [];
    return { label: [...name, ...rest, ...dataWords(group, all)].join(", "), runs };
  });
}

interface Group {
  readonly settings: ReadonlyMap<string, string>;
  /** The settings as text. */
  readonly same: string;
  /** See `dataOf`. */
  readonly data: string;
  readonly runs: RunRecord[];
}

/** What tells the data from others: the fingerprint. Folds of `fewlabels compare`, of which each is a seed's, are one set: the folder of them. */
function dataOf({ config: { data, seed, dataFingerprint } }: RunRecord): string {
  const ofSeed = typeof data === "string" && basename(data) === `fold-${seed}` && basename(dirname(data)) === "folds";
  return ofSeed ? dirname(data) : JSON.stringify(dataFingerprint);
}

/** Names the data where another group has the same settings: by folder and, where that does not tell them apart, fingerprint. */
function dataWords({ same, data, runs }: Group, all: readonly Group[]): string[] {
  const alike = all.filter((other) => other.same === same);
  if (alike.length === 1) return [];
  const placeOf = ({ runs }: Pick<Group, "runs">) => String(runs[0]!.config.data ?? "");
  const place = placeOf({ runs });
  const unique = place !== "" && alike.filter((other) => placeOf(other) === place).length === 1;
  const sum = data.replaceAll('"', "").slice(0, 8);
  return [unique ? `data ${place}` : `data ${[place, sum].filter(Boolean).join(" ")}`];
}

function flattenConfig(config: object): Map<string, string> {
  const flat = new Map<string, string>();
  for (const [key, value] of Object.entries(config)) {
    if (seedKeys.includes(key) || value === null || value === undefined) continue;
    if (typeof value === "object") {
      for (const [inner, one] of Object.entries(value))
        flat.set(`${key.replace(/Options$/, "")}.${inner}`, String(one));
    } else flat.set(key, String(value));
  }
  return flat;
}

const shortKey = (key: string) => key.replace(/^(method|model|dataset|optimizer)\./, "");

/** Table, error with intervals, and curves of error and classification cost. */
export function reportOnRuns(records: readonly RunRecord[], title: string): RunsReport {
  const groups = groupRuns(records);
  const dots = groups.map(
    ({ label, runs }): Dots => ({
      row: label,
      column: "test error",
      values: runs.flatMap(({ result }) => (result ? [result.error] : [])),
    }),
  );
  const figures = [
    dotFigure("errors", "Test error: mean with 95 % interval, and every seed", "test error in %", dots),
    ...curveFigures(groups),
  ];
  const head = ["", "test error in %", "seeds", "steps", "images/s", "time of a run"];
  const rows = groups.map(({ label, runs }) => {
    const results = runs.flatMap(({ result }) => (result ? [result] : []));
    if (results.length === 0) return [label, "not finished", "0", String(runs[0]!.config.steps), "-", "-"];
    const { mean, sd, n } = spreadOf(results.map(({ error }) => error));
    const seconds = spreadOf(results.map(({ elapsedSeconds }) => elapsedSeconds)).mean;
    const speed = spreadOf(results.map(({ imagesPerSecond }) => imagesPerSecond)).mean;
    return [
      label,
      n > 1 ? `${mean.toFixed(2)} ± ${sd.toFixed(2)}` : mean.toFixed(2),
      String(n),
      String(results[0]!.steps),
      speed.toFixed(0),
      `${seconds.toFixed(0)} s`,
    ];
  });
  const sections: Section[] = [
    { kind: "table", rows: [head, ...rows] },
    ...figures.map((figure): Section => ({ kind: "figure", figure })),
  ];
  return { title, sections, figures, groups, remarks: groups.flatMap(twice) };
}

/** A line for every run of an arm that has the seeds of an earlier one: it is no draw of its own. */
function twice({ label, runs }: RunGroup): string[] {
  const first = new Map<string, string>();
  return runs.flatMap(({ path, config: { seed, labelSeed } }) => {
    const seeds = JSON.stringify([seed, labelSeed]);
    const earlier = first.get(seeds);
    if (earlier === undefined) first.set(seeds, path);
    return earlier === undefined
      ? []
      : [
          `${earlier} and ${path} are both seed ${seed} of "${label}", and count as two: the deviation is too small. Leave one out`,
        ];
  });
}

type Split = RunRecord["curves"]["split"];

/** Error of every role, and classification cost, over the steps; none where runs were evaluated only once. */
function curveFigures(groups: readonly RunGroup[]): Figure[] {
  const several = (curve: { steps: readonly number[] }) => curve.steps.length > 1;
  const rolesOf = ({ runs }: RunGroup) => [...new Set(runs.flatMap(({ curves }) => Object.keys(curves.error)))];
  // More lines than colors: a panel for each arm.
  const apart = groups.reduce((sum, group) => sum + rolesOf(group).length, 0) > COLORS.length;
  const errorsOn = (split: Split) =>
    groups.flatMap((group) => {
      const { label, runs } = group;
      const roles = rolesOf(group);
      return roles.map((role): CurveSeries => {
        const curves = runs.flatMap(({ curves: { error, split: own } }) =>
          own === split && error[role] && several(error[role]) ? [error[role]] : [],
        );
        if (apart) return { series: role, facet: label, curves };
        return { series: roles.length > 1 ? `${label}, ${role}` : label, facet: "", curves };
      });
    });
  const costs = groups.map(
    ({ label, runs }): CurveSeries => ({
      series: label,
      facet: "",
      curves: runs.flatMap(({ curves: { cost } }) => (cost && several(cost) ? [cost] : [])),
    }),
  );
  const some = (all: readonly CurveSeries[]) => all.filter(({ curves }) => curves.length > 0);
  const splits = (["test", "val"] as const).filter((split) => some(errorsOn(split)).length > 0);
  return [
    // Errors on test and on validation images are no two lines of one figure.
    ...splits.map((split) => {
      const words = split === "val" ? "validation" : "test";
      return curveFigure(
        splits.length > 1 ? `error-curves-${split}` : "error-curves",
        `Error on ${words} images over the steps, mean and deviation of the seeds`,
        some(errorsOn(split)),
        { label: `${words} error in %` },
      );
    }),
    ...(some(costs).length > 0
      ? [
          curveFigure("cost-curves", "Classification cost of the training batches", some(costs), {
            label: "classification cost",
            log: true,
          }),
        ]
      : []),
  ];
}
