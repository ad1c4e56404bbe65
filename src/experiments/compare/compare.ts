/** Which method for these pictures: a short list, cheapest first, on the same folds of the labeled pictures, within a time. */
import { join, relative, resolve } from "node:path";
import { type Catalog, choose } from "../../config/catalog.js";
import { resolveConfig } from "../../config/resolve.js";
import { withoutIdle } from "../../config/without-idle.js";
import { UsageError, unknownName } from "../../errors.js";
import { makeFolder } from "../../files/write-whole.js";
import { folderPictures } from "../../inference/folder-pictures.js";
import { locateWeights } from "../../pretrained/cache.js";
import { Rng } from "../../rng.js";
import type { RunResult } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import { resolveDevice } from "../../session/device.js";
import { photoDefaults } from "../../session/photo-defaults.js";
import { mean } from "../../statistics.js";
import { experimentsFolder } from "../catalog.js";
import { readDefinition } from "../definition.js";
import { estimateArms } from "../estimate.js";
import { type Arm, type Plan, type PlannedRun, planExperiment } from "../plan.js";
import { collectResults, type ExperimentResults } from "../results.js";
import { type RunAllEvent, runAll } from "../run-all.js";
import { stateOf } from "../run-state.js";
import { type Cost, planSteps } from "./budget.js";
import { dealFolds, type Folds, foldFolder, foldsAreThere, writeFolds } from "./folds.js";
import { type Ranking, rank } from "./recommend.js";
import { type CompareRecord, readRecord, writeRecord } from "./record.js";

export interface CompareOptions {
  readonly dir: string;
  readonly labelsFile?: string | undefined;
  /** In place of `DIR/unlabeled`. */
  readonly unlabeledDir?: string | undefined;
  /** Folder of folds, runs and report. */
  readonly out: string;
  readonly folds: number;
  readonly seed: number;
  /** Of all calls together. */
  readonly budgetSeconds: number;
  readonly threads: number;
  /** Names of the short list; all of it where not given. */
  readonly only?: readonly string[] | undefined;
  /** Options of a run, laid over every method. */
  readonly overrides: Readonly<Record<string, unknown>>;
  readonly catalog: Catalog;
  readonly signal: AbortSignal;
  readonly onEvent: (event: CompareEvent) => void;
}

export type CompareEvent =
  | { readonly type: "start"; readonly folds: Folds; readonly finished: number; readonly spentSeconds: number }
  | { readonly type: "timing"; readonly method: string }
  | { readonly type: "planned"; readonly steps: number; readonly wanted: number }
  | { readonly type: "left out"; readonly method: string; readonly why: string }
  | { readonly type: "run"; readonly run: RunAllEvent; readonly error?: number; readonly spentSeconds: number };

export interface Comparison {
  readonly folds: Folds;
  readonly ranking: Ranking;
  readonly results: ExperimentResults;
  /** Methods that did not run, or not on all folds, and why. */
  readonly leftOut: readonly { readonly method: string; readonly why: string }[];
  readonly failed: boolean;
  readonly interrupted: boolean;
  readonly spentSeconds: number;
  /** Of the methods that train: as they ran, and as they would without a budget. */
  readonly steps: number | undefined;
  readonly wantedSteps: number | undefined;
}

/** Steps under this share of what would be right by default say little about a method. */
const LEAST = 0.1;
/** A run is started where this many times its expected time is left. */
const RESERVE = 1.1;

/** Throws UsageError and DataError before anything runs. */
export async function compareMethods(options: CompareOptions): Promise<Comparison> {
  const { dir, out, budgetSeconds, overrides, catalog, signal, onEvent } = options;
  const inside = relative(resolve(dir), resolve(out));
  if (inside === "" || !(inside.startsWith("..") || resolve(inside) === inside)) {
    throw new UsageError(`fewlabels compare: --out ${out} lies among the pictures; give a folder outside ${dir}`);
  }
  checkOnly(options);
  const { "model.weights": weights } = overrides;
  if (typeof weights === "string") locateWeights(weights);
  const folds = await dealFolds(
    folderPictures(dir, {
      labelsFile: options.labelsFile,
      unlabeledDir: options.unlabeledDir,
      onlyNamed: overrides["dataset.keepLabels"] === undefined,
    }),
    dir,
    options.folds,
    Rng.fromSeed(options.seed),
  );
  const base = planOf(options, folds);
  const trains = ({ given }: Arm) => !findMethod(catalog, given).onFeatures;
  for (const { given } of base.arms) resolveConfig(withoutIdle(given, catalog), catalog);

  makeFolder(out);
  const before = readRecord(out);
  if (before && before.fingerprint !== folds.fingerprint) {
    throw new UsageError(
      `fewlabels compare: ${out} compares other pictures, labels or folds. Give another --out, or remove that folder`,
    );
  }
  if (!before || !foldsAreThere(out)) writeFolds(out, folds);
  const text = JSON.stringify(overrides);
  let record: CompareRecord = {
    fingerprint: folds.fingerprint,
    options: text,
    runSeconds: before?.runSeconds ?? {},
    spentSeconds: before?.spentSeconds ?? 0,
    ...(before?.steps !== undefined && before.options === text && { steps: before.steps }),
  };
  const started = performance.now();
  const spent = () => (before?.spentSeconds ?? 0) + (performance.now() - started) / 1000;
  const left = () => budgetSeconds - spent();
  const save = () => {
    record = { ...record, spentSeconds: spent() };
    writeRecord(out, record);
  };
  save();
  let saved = performance.now();

  const leftOut: { method: string; why: string }[] = [];
  const leave = (method: string, why: string) => {
    leftOut.push({ method, why });
    onEvent({ type: "left out", method, why });
  };
  if (overrides["model.weights"] === undefined && !options.only) {
    for (const row of base.definition.rows) {
      if (!base.arms.some((arm) => arm.row === row))
        leave(row.name, "works on features of a trained network: give --model.weights");
    }
  }
  // Stops what runs when the time is over, as Ctrl-C does.
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), Math.max(0, 1000 * left()));
  const stop = AbortSignal.any([signal, late.signal]);
  const runs = new Map<string, PlannedRun[]>();
  const secondsOfRun = (run: PlannedRun) => record.runSeconds[run.key] ?? resultOf(run).elapsedSeconds;
  const withSteps = (arm: Arm, steps: number | undefined) =>
    base.runs
      .filter((run) => run.arm === arm)
      .map((run) => ({ ...run, given: runGiven(run, out, trains(arm) ? steps : undefined) }));
  let failed = false;
  let wanted: number | undefined;
  const expected = new Map<string, number>();

  const runArm = async (arm: Arm): Promise<void> => {
    const method = arm.row.name;
    const own = runs.get(method) ?? [];
    for (const run of own) {
      if (stop.aborted) break;
      if (stateOf(run) === "finished") continue;
      const done = own.filter((one) => stateOf(one) === "finished").map(secondsOfRun);
      const likely = done.length > 0 ? Math.max(...done) : expected.get(method);
      if (left() <= 0 || (likely !== undefined && likely * RESERVE > left())) {
        leave(
          method,
          `a run takes about ${Math.ceil(likely ?? 0)} s, and ${Math.max(0, Math.floor(left()))} s of the budget are left`,
        );
        return;
      }
      const began = performance.now();
      const result = await runAll([run], {
        jobs: 1,
        threads: options.threads,
        signal: stop,
        onEvent(event) {
          if (performance.now() - saved > 3000) {
            saved = performance.now();
            save();
          }
          const error = event.type === "finished" ? errorOfRun(event.run) : undefined;
          onEvent({ type: "run", run: event, spentSeconds: spent(), ...(error !== undefined && { error }) });
        },
      });
      const seconds = (record.runSeconds[run.key] ?? 0) + (performance.now() - began) / 1000;
      record = { ...record, runSeconds: { ...record.runSeconds, [run.key]: seconds } };
      save();
      const [failure] = result.failed;
      if (failure) {
        failed = true;
        leave(method, `failed: ${failure.message.split("\n").at(-1)}`);
        return;
      }
    }
    if (stop.aborted && own.some((run) => stateOf(run) !== "finished"))
      leave(method, signal.aborted ? "interrupted" : "the budget was spent in the middle of it");
  };

  try {
    for (const arm of base.arms) runs.set(arm.row.name, withSteps(arm, record.steps));
    const finished = [...runs.values()].flat().filter((run) => stateOf(run) === "finished").length;
    onEvent({ type: "start", folds, finished, spentSeconds: spent() });
    for (const arm of base.arms.filter((one) => !trains(one))) await runArm(arm);
    const training = base.arms.filter(trains);
    if (training.length > 0 && !stop.aborted) {
      wanted = await wantedSteps(training[0]!, catalog);
      const open = training.filter(
        (arm) => record.steps === undefined || runs.get(arm.row.name)!.some((run) => stateOf(run) !== "finished"),
      );
      const costs = open.length === 0 ? [] : await timed(open, base, folds, options, stop, leave);
      const kept = planned(costs, {
        left: left(),
        runs: folds.count,
        wanted: record.steps ?? wanted,
        least: record.steps ?? Math.max(1, Math.ceil(LEAST * wanted)),
      });
      for (const { method } of costs.filter(({ method }) => !kept.methods.includes(method)))
        leave(method, `its steps do not fit into what is left of the budget, ${Math.max(0, Math.floor(left()))} s`);
      if (kept.steps > 0 && !stop.aborted) {
        if (record.steps === undefined) record = { ...record, steps: kept.steps };
        save();
        onEvent({ type: "planned", steps: kept.steps, wanted });
        for (const { method, secondsPerStep, fixedSeconds } of costs)
          expected.set(method, fixedSeconds + kept.steps * secondsPerStep);
      }
      for (const arm of training) runs.set(arm.row.name, withSteps(arm, record.steps));
      for (const arm of training) if (kept.methods.includes(arm.row.name)) await runArm(arm);
    }
  } finally {
    clearTimeout(timer);
    save();
  }
  const plan: Plan = { ...base, runs: base.arms.flatMap((arm) => runs.get(arm.row.name) ?? []) };
  const results = collectResults(plan);
  const measured = results.arms.map(({ row, errors, steps }) => ({
    method: row,
    label: base.definition.rows.find(({ name }) => name === row)?.label ?? row,
    errors,
    seconds: mean(
      runs
        .get(row)!
        .filter((run) => stateOf(run) === "finished")
        .map(secondsOfRun),
    ),
    steps,
  }));
  return {
    folds,
    ranking: rank(measured, folds.count),
    results,
    leftOut: leftOut.filter(({ method }, i) => leftOut.findIndex((one) => one.method === method) === i),
    failed,
    interrupted: signal.aborted,
    spentSeconds: spent(),
    steps: record.steps,
    wantedSteps: wanted,
  };
}

const listFile = join(experimentsFolder, "compare.yaml");

function checkOnly({ only = [] }: CompareOptions): void {
  const names = readDefinition("compare", listFile).rows.map(({ name }) => name);
  const wrong = only.find((name) => !names.includes(name));
  if (wrong !== undefined)
    throw new UsageError(unknownName("fewlabels compare: --only", "method of the list", wrong, names));
}

/** The short list with the data of fold 1; rows on features only with weights, and only methods that the catalog has. */
function planOf({ out, only, overrides, catalog }: CompareOptions, { count }: Folds): Plan {
  const definition = readDefinition("compare", listFile);
  const seeds = Array.from({ length: count }, (_, i) => i + 1);
  const plan = planExperiment(definition, {
    scale: "paper", // no profile shrinks it
    out,
    seeds,
    overrides: { ...overrides, data: foldFolder(out, 1) },
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

function findMethod({ methods }: Catalog, given: Arm["given"]) {
  return methods.find(({ name }) => name === given.get("method"))!;
}

function runGiven(run: PlannedRun, out: string, steps: number | undefined): PlannedRun["given"] {
  const given = new Map([...run.given, ["data", foldFolder(out, run.seed)] as const]);
  if (steps !== undefined) given.set("steps", steps);
  return given;
}

/** What a run of these pictures would take by default, or what was given. */
async function wantedSteps({ given }: Arm, catalog: Catalog): Promise<number> {
  const config = resolveConfig(withoutIdle(given, catalog), catalog);
  const { dataSet, method } = choose(config, catalog);
  return (await photoDefaults(config, dataSet, method, resolveDevice(config.device))).config.steps;
}

/** Times a few steps of each; one that cannot be timed is left out. */
async function timed(
  arms: readonly Arm[],
  plan: Plan,
  folds: Folds,
  { threads, onEvent }: CompareOptions,
  stop: AbortSignal,
  leave: (method: string, why: string) => void,
): Promise<Cost[]> {
  const costs: Cost[] = [];
  for (const arm of arms) {
    if (stop.aborted) break;
    const method = arm.row.name;
    onEvent({ type: "timing", method });
    const started = performance.now();
    const [found] = await estimateArms({ ...plan, arms: [arm] }, { threads, timing: true, steps: TIMED });
    const wall = (performance.now() - started) / 1000;
    if (found?.secondsPerStep === undefined) {
      leave(method, found?.remark ?? "could not be timed");
      continue;
    }
    const { secondsPerStep } = found;
    // A pass over the held-out pictures costs about a third of a step over as many.
    const batch = Number(arm.given.get("batch") ?? 100);
    const evaluation = (folds.labeled.length / folds.count / batch / 3) * secondsPerStep;
    costs.push({ method, secondsPerStep, fixedSeconds: Math.max(0, wall - (TIMED + 1) * secondsPerStep) + evaluation });
  }
  return costs;
}
const TIMED = 3;

function planned(costs: readonly Cost[], how: Parameters<typeof planSteps>[1]) {
  return costs.length === 0 ? { steps: 0, methods: [] } : planSteps(costs, how);
}

function resultOf({ folder }: PlannedRun): RunResult {
  return RunFolder.open(folder).result<RunResult>()!;
}
function errorOfRun(run: PlannedRun): number | undefined {
  const { test, predictor } = resultOf(run);
  return test[predictor]?.error;
}
