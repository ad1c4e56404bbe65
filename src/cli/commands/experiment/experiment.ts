/** `fewlabels experiment NAME`: a table or figure of a paper, published numbers beside ours. */
import { join, resolve } from "node:path";
import type { Catalog } from "../../../config/catalog.js";
import { asFlags, type Given } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { checkLaidOver, withoutIdle } from "../../../config/without-idle.js";
import { UsageError } from "../../../errors.js";
import { findDefinition } from "../../../experiments/catalog.js";
import { SCALES } from "../../../experiments/definition/definition.js";
import { type ArmEstimate, estimateArms } from "../../../experiments/estimate.js";
import { type Plan, planExperiment } from "../../../experiments/plan.js";
import { collectResults } from "../../../experiments/results.js";
import { summarize } from "../../../experiments/summary.js";
import { comparisonText, tableRows } from "../../../experiments/table.js";
import { boolean, choice, integer, type OptionsOf, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, digits, duration, table, wrap } from "../../format.js";
import { print, printError } from "../../output.js";
import { interruptedExitCode } from "../../signals.js";
import { armHeading, armOptions, notOfArms } from "./arm-options.js";
import { overridesOf, runWithProgress, threadsOf } from "./run-with-progress.js";

const who = "fewlabels experiment";

const options = {
  scale: choice(SCALES, "small", {
    doc: "paper: every published hyper-parameter; small: shrunk for a few cores, all arms of a comparison equally",
  }),
  seeds: text(undefined, {
    doc: "seeds, separated by commas (default: the experiment's); the label draw follows the seed",
  }),
  only: text(undefined, { doc: "ROW, ROW/COLUMN, 'ROW/*' or '*/COLUMN', separated by commas (default: all arms)" }),
  jobs: integer(1, { min: 1, max: 1024, doc: "runs at a time; the threads are shared out" }),
  out: text(undefined, { doc: "folder of runs and results (default: runs/experiments/NAME-SCALE)" }),
  dryRun: boolean(false, { doc: "print every arm's hyper-parameters and what the whole will cost; train nothing" }),
  timing: boolean(true, { doc: "with --dry-run: time a few steps of every arm" }),
  collect: boolean(false, { doc: "train nothing: table and report of what is finished, also while it runs elsewhere" }),
  save: text(undefined, { doc: "also write the results as one small JSON file into this folder" }),
  json: boolean(false, { doc: "print results and statistics as one JSON line at the end; progress goes to stderr" }),
} as const;
type Options = OptionsOf<typeof options>;

export const experiment = defineCommand({
  name: "experiment",
  summary: "a paper's table or figure: published numbers beside measured ones",
  description:
    "Run the arms of a paper's table or figure over several seeds, each in a run folder of its own, and put the published numbers " +
    "beside the measured ones: table, CSV, JSON and a report page with plots. Stopped or killed, the same command goes on where it " +
    "was. Options of a run (--steps, --model.width) are laid over every arm; --data is the folder of the data sets' folders " +
    "(default: FEWLABELS_DATA).",
  arguments: { name: argument("experiment, see `fewlabels list experiments`, or a YAML file that defines one") },
  options,
  takes: "run",
  leaveOut: notOfArms,
  runOptions: armOptions,
  runHeading: armHeading,
  examples: [
    "fewlabels experiment meta-pseudo-labels/two-moons",
    "fewlabels experiment mean-teacher/table-2 --data DATA --only '*/1000,*/4000'",
    "fewlabels experiment mean-teacher/table-2 --scale paper --dry-run",
  ],
  notes: "Exit codes: 0 done, 1 an arm failed, 2 wrong usage, 3 bad data, 130 interrupted (the same command goes on).",
  run: ({ name, ...values }, { given, externals }) => experimentCommand(name, values, given, externals.catalog),
});

async function experimentCommand(name: string, values: Options, given: Given, catalog: Catalog): Promise<void> {
  const definition = findDefinition(name);
  const folderName = `${definition.name.replaceAll(/[^\w-]+/g, "-")}-${values.scale}`;
  const out = resolve(values.out ?? join("runs/experiments", folderName));
  const { threads: asked, ...laidOver } = overridesOf(given, values.scale);
  // What is finished is finished, wherever its data lie now.
  const overrides = values.collect ? { ...laidOver, data: undefined } : laidOver;
  const plan = planExperiment(definition, {
    scale: values.scale,
    out,
    overrides,
    catalog,
    ...(values.seeds !== undefined && { seeds: seedsOf(values.seeds) }),
    ...(values.only !== undefined && { only: values.only.split(",").map((one) => one.trim()) }),
  });
  checkArms(plan, given, catalog, values.dryRun || values.collect);
  const threads = threadsOf(asked, values.jobs, who);
  if (values.dryRun) {
    await dryRun(plan, threads, values, catalog);
    return;
  }
  const interrupted =
    !values.collect &&
    (await runWithProgress(plan.runs, { out, jobs: values.jobs, threads, json: values.json, catalog }));
  const results = collectResults(plan);
  const summary = summarize(definition, results);
  const { writeOutputs } = await import("../../../experiments/outputs.js"); // plots: half of the time a command takes to start
  const written = await writeOutputs(plan, results, summary, values.save);
  if (values.json) print(JSON.stringify({ ...results, summary }));
  else {
    print(
      "",
      `${definition.title} (${definition.paper}), scale ${plan.scale}${plan.shrunk === undefined ? "" : `: ${plan.shrunk}`}`,
      "",
      ...table(tableRows(summary)),
      "",
      ...summary.comparisons.map(comparisonText),
      ...summary.warnings.map((warning) => `warning: ${warning}`),
      `the report is ${written.report}; everything is in ${out}`,
    );
  }
  if (interrupted) {
    printError("stopped; the same command goes on where it was");
    process.exitCode ||= interruptedExitCode; // 1 where stdout could not be written
  }
}

/** Every arm's options and cost. */
async function dryRun(plan: Plan, threads: number, { timing, json, jobs }: Options, catalog: Catalog): Promise<void> {
  const estimates = await estimateArms(plan, { threads, timing, catalog }, ({ key }) =>
    printError(`timing a few steps of ${key}`),
  );
  const secondsOf = ({ secondsPerStep, steps, runs }: ArmEstimate) => (secondsPerStep ?? Number.NaN) * steps * runs;
  const total =
    estimates
      .map(secondsOf)
      .filter(Number.isFinite)
      .reduce((sum, one) => sum + one, 0) / jobs;
  if (json) {
    const arms = estimates.map(({ arm, ...rest }) => ({
      arm: arm.key,
      options: Object.fromEntries(arm.given),
      ...rest,
    }));
    print(
      JSON.stringify({
        experiment: plan.definition.name,
        scale: plan.scale,
        seeds: plan.seeds,
        arms,
        totalSeconds: total,
      }),
    );
    return;
  }
  const figure = (value: number | undefined, unit: string) => (value === undefined ? "-" : `${digits(value)} ${unit}`);
  const rows = estimates.map((one) => [
    one.arm.key,
    count(one.steps),
    String(one.runs),
    figure(one.secondsPerStep, "s"),
    one.secondsPerStep === undefined ? "-" : duration(one.secondsPerStep * one.steps),
    figure(one.memoryMB, "MB"),
    figure(one.diskMB, "MB"),
  ]);
  print(
    `${plan.definition.title} (${plan.definition.paper}), scale ${plan.scale}, seeds ${plan.seeds.join(", ")}`,
    "",
    ...estimates.flatMap(({ arm, remark }) => [
      arm.key,
      ...wrap([...arm.given].map(([key, value]) => `${key} ${String(value)}`).join(", "), 116, "  "),
      ...(remark === undefined ? [] : [`  (${remark})`]),
    ]),
    "",
    ...table([["arm", "steps", "runs left", "a step", "a run", "memory", "disk a run"], ...rows]),
    ...(timing
      ? [
          "",
          `${duration(total)} in all for what could be timed, ${jobs} at a time with ${threads} threads; memory and disk are estimates`,
        ]
      : []),
  );
}

/** Every arm as `train` would check it, before anything runs. */
function checkArms({ arms, definition }: Plan, laidOver: Given, catalog: Catalog, dryRun: boolean): void {
  const whole = arms.map(({ key, given, row }) => {
    const all = new Map(given);
    if (row.predictionsOf !== undefined) all.set("method.table", "-");
    if (dryRun && !all.has("data")) all.set("data", "-"); // what it would do can be told without the data
    const describe = (option: string) => ({ ...asFlags(who)(option), who: `${definition.file}, arm ${key}` });
    resolveConfig(withoutIdle(all, catalog), catalog, { describe });
    return all;
  });
  checkLaidOver(laidOver.keys(), whole, { catalog, describe: asFlags(who) });
}

function seedsOf(list: string): number[] {
  const seeds = list.split(",").map((one) => (/^\s*\d+\s*$/.test(one) ? Number(one) : Number.NaN));
  if (!seeds.every(Number.isSafeInteger)) {
    throw new UsageError(`${who}: expected whole numbers separated by commas for --seeds, got ${JSON.stringify(list)}`);
  }
  return [...new Set(seeds)];
}
