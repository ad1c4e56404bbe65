/** What a report needs of a run folder: its settings, its result, its curves, thinned. */
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RecordedConfig, RoleResults, RunResult } from "../run/events.js";
import { type RunFacts, RunFolder } from "../run/index.js";

/** Points of a curve: steps, and a value for each. */
export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

export interface RunRecord {
  readonly path: string;
  readonly config: RecordedConfig & RunFacts;
  /** Undefined while the run is not done. */
  readonly result?: RunResult;
  readonly curves: {
    /** Error in percent by role, on `split`. */
    readonly error: Readonly<Record<string, Curve>>;
    readonly split: "test" | "val";
    /** Classification cost of the training batches, smoothed by averaging over what was thinned. */
    readonly cost?: Curve;
    /** The same of the teacher, where the method says it. */
    readonly teacherCost?: Curve;
  };
  /** When it was done. */
  readonly finished?: string;
}

/** A curve keeps at most so many points. */
const MAX_POINTS = 60;

/** Throws UsageError where there is no run, DataError where its files are damaged. */
export function readRun(path: string): RunRecord {
  const folder = RunFolder.open(path);
  const config = folder.config<RecordedConfig>();
  const result = folder.result<RunResult>();
  const events = folder.events();
  const split = events.some((event) => event.type === "evaluation" && event.val !== undefined) ? "val" : "test";
  const error: Record<string, { steps: number[]; values: number[] }> = {};
  const costs = { classification: noPoints(), teacherClassification: noPoints() };
  for (const event of events) {
    const step = event.step ?? 0;
    if (event.type === "evaluation") {
      for (const [role, one] of Object.entries((event[split] ?? {}) as RoleResults)) {
        error[role] ??= { steps: [], values: [] };
        error[role].steps.push(step);
        error[role].values.push(one.error);
      }
    }
    if (event.type === "step") {
      for (const [name, { steps, values }] of Object.entries(costs)) {
        const value = (event.metrics as Record<string, number | null> | undefined)?.[name];
        if (typeof value !== "number") continue;
        steps.push(step);
        values.push(value);
      }
    }
  }
  const { classification: cost, teacherClassification: teacherCost } = costs;
  const resultFile = join(path, "result.json");
  return {
    path,
    config,
    ...(result && { result }),
    curves: {
      error: Object.fromEntries(Object.entries(error).map(([role, curve]) => [role, thin(curve, config.steps)])),
      split,
      ...(cost.steps.length > 1 && { cost: thin(cost, config.steps) }),
      ...(teacherCost.steps.length > 1 && { teacherCost: thin(teacherCost, config.steps) }),
    },
    ...(existsSync(resultFile) && { finished: statSync(resultFile).mtime.toISOString() }),
  };
}

const noPoints = (): { steps: number[]; values: number[] } => ({ steps: [], values: [] });

/**
 * At most `points` points: of a longer curve the means of equal stretches of the run's `total` steps, each at the end of its stretch, which
 * is the same for every run of that length, however far it has come and whatever its log lacks; four useful digits.
 */
export function thin({ steps, values }: Curve, total: number, points = MAX_POINTS): Curve {
  const out = new Map<number, { sum: number; n: number }>();
  const stretchOf = (step: number) => Math.min(points, Math.max(1, Math.ceil((points * step) / total)));
  for (const [i, step] of steps.entries()) {
    const place = steps.length <= points ? step : Math.round((stretchOf(step) * total) / points);
    const { sum, n } = out.get(place) ?? { sum: 0, n: 0 };
    out.set(place, { sum: sum + values[i]!, n: n + 1 });
  }
  return {
    steps: [...out.keys()],
    values: [...out.values()].map(({ sum, n }) => Number((sum / n).toPrecision(4))),
  };
}
