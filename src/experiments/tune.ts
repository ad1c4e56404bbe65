/** Settings of `--scale small`: a declared grid for every method, validation images only, the lowest error chosen. */
import { cpus } from "node:os";
import { join } from "node:path";
import { catalog as builtIn, filesOf, type Listing } from "../config/catalog.js";
import { flagOf } from "../config/given.js";
import { UsageError } from "../errors.js";
import type { RunResult } from "../run/events.js";
import { RunFolder } from "../run/index.js";
import { spreadOf } from "../statistics.js";
import type { Profile } from "./catalog.js";
import { type Arm, definitionText, mergeLayers, type PlannedRun } from "./plan.js";
import { stateOf } from "./run-state.js";

/** Options of one point of a method's grid, by dotted key. */
export type Setting = Readonly<Record<string, unknown>>;

export interface TunePlan {
  readonly profile: Profile;
  /** Laid over every point. */
  readonly overrides: Setting;
  readonly points: readonly { readonly method: string; readonly setting: Setting; readonly arm: Arm }[];
  readonly runs: readonly PlannedRun[];
}

/** `PROFILE-tuned.json`: what was tried, what came of it, and what the profile uses from now on. */
export interface Tuned {
  readonly profile: string;
  /** Day on which it was written. */
  readonly date: string;
  readonly machine: string;
  /** Labels, validation images and seeds of the runs, and the options that all of them shared. */
  readonly tune: Profile["tune"];
  readonly base: Setting;
  /** Mean validation error in percent of the method's predictor over the seeds, by method, in the order of the grid. */
  readonly tried: Readonly<
    Record<string, readonly { readonly setting: Setting; readonly errors: readonly number[] }[]>
  >;
  readonly chosen: Readonly<Record<string, Setting>>;
}

/**
 * Every point of the grid, over the profile's seeds. `profile` must be read without what an earlier tuning chose. Throws UsageError where
 * a point has no validation images: nothing could be chosen.
 */
export function planTuning(
  profile: Profile,
  {
    out,
    overrides = {},
    catalog = builtIn,
  }: {
    readonly out: string;
    readonly overrides?: Setting;
    /** What names mean; default what comes with the package. */
    readonly catalog?: Listing;
  },
): TunePlan {
  const { base, methods, grid, tune } = profile;
  const own = ownOf(profile);
  const points = Object.entries(grid).flatMap(([method, options]) =>
    pointsOf(options).map((setting) => {
      const layers = [base, own, { method }, methods[method] ?? {}, setting, overrides];
      const name = Object.entries(setting)
        .map(([key, value]) => `${key}=${String(value)}`)
        .join(",");
      const line = (of: string) => ({ name: of, label: of, options: {}, paper: {}, small: {} });
      const given = mergeLayers(layers);
      const files = filesOf(given, catalog);
      const arm: Arm = { key: `${method}/${name}`, row: line(method), column: line(name), given, files };
      return { method, setting, arm };
    }),
  );
  const unseen = points.find(({ arm }) => Number(arm.given.get("val")) === 0);
  if (unseen)
    throw new UsageError(
      `fewlabels experiment tune: expected at least 1 for --val, got 0 for ${unseen.arm.key}: settings are chosen on validation images. Give --val N, or leave it out`,
    );
  const runs = tune.seeds.flatMap((seed) =>
    points.map(({ arm }): PlannedRun => {
      const folder = join(out, arm.row.name, arm.column.name.replace(/[^\w.+=,-]+/g, "_"), `seed-${seed}`);
      const given = new Map([...arm.given, ["seed", seed], ["labelSeed", seed]]);
      return { arm, seed, key: `${arm.key}/seed-${seed}`, folder, given };
    }),
  );
  return { profile, overrides, points, runs };
}

/** What every run of the tuning has beside the profile's settings. */
const ownOf = ({ tune: { val, labels } }: Profile): Setting => ({ val, ...(labels !== undefined && { labels }) });

/** All combinations of the options' values, the last option changing fastest. */
export function pointsOf(options: Readonly<Record<string, readonly unknown[]>>): Setting[] {
  return Object.entries(options).reduce<Setting[]>(
    (points, [key, values]) => points.flatMap((point) => values.map((value) => ({ ...point, [key]: value }))),
    [{}],
  );
}

/** Reads what is finished and chooses; a method with a point that is not finished, or has no validation error, is left out of both. */
export function tunedOf({ profile, overrides, points, runs }: TunePlan, date: Date): Tuned {
  const tried: Record<string, { setting: Setting; errors: number[] }[]> = {};
  for (const { method, setting, arm } of points) {
    const own = runs.filter((run) => run.arm === arm && stateOf(run) === "finished");
    const errors = own
      .map(({ folder }) => validationError(RunFolder.open(folder).result<RunResult>()))
      .filter(Number.isFinite);
    tried[method] = [...(tried[method] ?? []), { setting, errors }];
  }
  const whole = Object.entries(tried).filter(([, some]) =>
    some.every(({ errors }) => errors.length === profile.tune.seeds.length),
  );
  const mean = ({ errors }: { readonly errors: readonly number[] }) => spreadOf(errors).mean;
  const { val, labels } = JSON.parse(definitionText(mergeLayers([ownOf(profile), overrides])));
  return {
    profile: profile.name,
    date: date.toISOString().slice(0, 10),
    machine: `${cpus().length} x ${cpus()[0]?.model ?? "?"}`,
    tune: { ...profile.tune, val, ...(labels !== undefined && { labels }) },
    base: JSON.parse(definitionText(mergeLayers([profile.base, overrides]))),
    tried: Object.fromEntries(whole),
    chosen: Object.fromEntries(
      whole.map(([method, some]) => [method, some.reduce((a, b) => (mean(b) < mean(a) ? b : a)).setting]),
    ),
  };
}

/** Methods of the grid that `tuned` lacks: a run of theirs is not finished. */
export function missingOf({ points }: TunePlan, { chosen }: Tuned): string[] {
  return [...new Set(points.map(({ method }) => method))].filter((method) => !(method in chosen));
}

/** Options laid over every point that change what is measured, as the command line has them. */
export function changesOf(overrides: Setting): string[] {
  return Object.keys(JSON.parse(definitionText(mergeLayers([overrides])))).map(flagOf);
}

function validationError(result: RunResult | undefined): number {
  return result?.val?.[result.predictor]?.error ?? Number.NaN;
}
