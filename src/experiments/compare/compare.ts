/** Which method for these pictures: a short list, cheapest first, on the same folds of the labeled pictures, within a time. */
import { relative, resolve } from "node:path";
import { asFlags } from "../../config/given.js";
import { resolveConfig } from "../../config/resolve.js";
import { checkLaidOver, withoutIdle } from "../../config/without-idle.js";
import { UsageError } from "../../errors.js";
import { folderPictures } from "../../inference/folder-pictures.js";
import { locateWeights } from "../../pretrained/cache.js";
import { Rng } from "../../rng.js";
import type { RunResult } from "../../run/events.js";
import { holdFolder } from "../../run/hold-folder.js";
import { RunFolder } from "../../run/index.js";
import { mean } from "../../statistics.js";
import { type Arm, definitionText, isDefinitionOf, type Plan, type PlannedRun } from "../plan.js";
import { collectResults, type ExperimentResults } from "../results.js";
import { runAll } from "../run-all.js";
import { findMovedData, stateOf } from "../run-state.js";
import { planSteps } from "./budget.js";
import { whenOver } from "./deadline.js";
import { dealFolds, type Folds, foldsAreThere, writeFolds } from "./folds.js";
import type { CompareOptions } from "./options.js";
import { type Ranking, rank } from "./recommend.js";
import { type CompareRecord, readRecord, secondsBefore, secondsOfRun, shareDone, writeRecord } from "./record.js";
import { checkOnly, findMethod, planOf, runGiven } from "./short-list.js";
import { timed, wantedSteps } from "./timing.js";

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
  const { dir, out, overrides, catalog } = options;
  const inside = relative(resolve(dir), resolve(out));
  if (inside === "" || !(inside.startsWith("..") || resolve(inside) === inside)) {
    throw new UsageError(`fewlabels compare: --out ${out} lies among the pictures; give a folder outside ${dir}`);
  }
  checkOnly(options);
  const { "model.weights": weights } = overrides;
  if (typeof weights === "string") locateWeights(weights);
  const pictures = folderPictures(dir, {
    labelsFile: options.labelsFile,
    unlabeledDir: options.unlabeledDir,
    onlyNamed: overrides["dataset.keepLabels"] === undefined,
  });
  for (const message of pictures.remarks) options.onEvent({ type: "remark", message });
  const folds = await dealFolds(pictures, dir, options.folds, Rng.fromSeed(options.seed));
  const base = planOf(options, folds);
  const all = base.arms.map(({ given }) => given);
  for (const given of all) resolveConfig(withoutIdle(given, catalog), catalog);
  checkLaidOver(Object.keys(overrides), all, { catalog, describe: asFlags("fewlabels compare") });

  return holdFolder(out, () => compareOn(folds, base, options));
}

async function compareOn(folds: Folds, base: Plan, options: CompareOptions): Promise<Comparison> {
  const { out, budgetSeconds, overrides, catalog, signal, onEvent } = options;
  const trains = ({ given }: Arm) => !findMethod(catalog, given).onFeatures;
  const before = readRecord(out);
  if (before && before.fingerprint !== folds.fingerprint) {
    throw new UsageError(
      `fewlabels compare: ${out} compares other pictures, labels or folds. Give another --out, or remove that folder`,
    );
  }
  if (!before || !foldsAreThere(out)) writeFolds(out, folds);
  const text = definitionText(new Map(Object.entries(overrides)));
  let record: CompareRecord = {
    fingerprint: folds.fingerprint,
    options: text,
    runSeconds: before?.runSeconds ?? {},
    spentSeconds: before?.spentSeconds ?? 0,
    ...(before?.steps !== undefined &&
      isDefinitionOf(before.options, new Map(Object.entries(overrides))) && { steps: before.steps }),
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
  const stopWaiting = whenOver(left, () => late.abort());
  const stop = AbortSignal.any([signal, late.signal]);
  const runs = new Map<string, PlannedRun[]>();
  const secondsOf = (run: PlannedRun) => secondsOfRun(record, run);
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
      const done = own.filter((one) => stateOf(one) === "finished").map(secondsOf);
      const whole = done.length > 0 ? Math.max(...done) : expected.get(method);
      const share = shareDone(run);
      const likely = whole === undefined ? undefined : whole * (1 - share);
      if (left() <= 0 || (likely !== undefined && likely * RESERVE > left())) {
        leave(
          method,
          `${share > 0 ? "the rest of a run" : "a run"} takes about ${Math.ceil(likely ?? 0)} s, and ${Math.max(0, Math.floor(left()))} s of the budget are left`,
        );
        return;
      }
      const spentBefore = secondsBefore(record, run);
      const began = performance.now();
      const result = await runAll([run], {
        jobs: 1,
        threads: options.threads,
        catalog,
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
      const seconds = spentBefore + (performance.now() - began) / 1000;
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
    await findMovedData([...runs.values()].flat(), catalog);
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
      // What was planned before stays; whether a run still fits is looked at before it.
      const all = { steps: record.steps ?? 0, methods: costs.map(({ method }) => method) };
      const how = { left: left(), runs: folds.count, wanted, least: Math.max(1, Math.ceil(LEAST * wanted)) };
      const kept = record.steps === undefined ? planSteps(costs, how) : all;
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
    for (const [method, own] of runs) {
      if (!leftOut.some((one) => one.method === method) && own.some((run) => stateOf(run) !== "finished"))
        leave(method, signal.aborted ? "interrupted" : "the budget was spent before it");
    }
  } finally {
    stopWaiting();
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
        .map(secondsOf),
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

function resultOf({ folder }: PlannedRun): RunResult {
  return RunFolder.open(folder).result<RunResult>()!;
}
function errorOfRun(run: PlannedRun): number | undefined {
  const { test, predictor } = resultOf(run);
  return test[predictor]?.error;
}
