/** `fewlabels experiment tune NAME`: the settings of `--scale small`, chosen on validation images with the same effort for every method. */
import { dirname, join, resolve } from "node:path";
import { asFlags } from "../../../config/given.js";
import { resolveConfig } from "../../../config/resolve.js";
import { checkLaidOver, withoutIdle } from "../../../config/without-idle.js";
import { UsageError, unknownName } from "../../../errors.js";
import {
  definitionNames,
  experimentsFolder,
  findDefinition,
  profileNames,
  readProfile,
  tunedFile,
} from "../../../experiments/catalog.js";
import { changesOf, missingOf, planTuning, type Tuned, type TunePlan, tunedOf } from "../../../experiments/tune.js";
import { makeFolder, writeWhole } from "../../../files/write-whole.js";
import { boolean, integer, text } from "../../../options.js";
import { spreadOf } from "../../../statistics.js";
import { argument, defineCommand } from "../../command.js";
import { table } from "../../format.js";
import { print, printError } from "../../output.js";
import { interruptedExitCode } from "../../signals.js";
import { armHeading, armOptions, notOfArms } from "./arm-options.js";
import { overridesOf, runWithProgress, threadsOf } from "./run-with-progress.js";

const who = "fewlabels experiment tune";

export const experimentTune = defineCommand({
  name: "experiment tune",
  summary: "choose the settings of --scale small on validation images",
  description:
    "Try the grid that a profile of --scale small declares, as many settings for every method, the supervised baseline included, on " +
    "validation images alone; record grid, errors and choice in a file beside the profile, which uses it from then on. Stopped or killed, " +
    "the same command goes on where it was.",
  arguments: { name: argument("an experiment, whose profile is tuned, or a profile: cifar10, mnist") },
  options: {
    jobs: integer(1, { min: 1, max: 1024, doc: "runs at a time; the threads are shared out" }),
    out: text(undefined, { doc: "folder of the runs (default: runs/experiments/tune-PROFILE)" }),
    write: text(undefined, {
      doc: "file of the choice (default: beside the profile, where it is used; needed with options that change the runs)",
    }),
    dryRun: boolean(false, { doc: "print the grid; train nothing" }),
    json: boolean(false, {
      doc: "print what was tried and chosen (with --dry-run the grid) as one JSON line at the end",
    }),
  },
  takes: "run",
  leaveOut: notOfArms,
  runOptions: armOptions,
  runHeading: armHeading,
  examples: [
    "fewlabels experiment tune mean-teacher/table-2 --data DATA --jobs 2",
    "fewlabels experiment tune mnist --dry-run",
  ],
  async run({ name, ...values }, { given, externals }) {
    const profile = readProfile(profileOf(name), experimentsFolder, { tuned: false });
    if (Object.keys(profile.grid).length === 0) {
      throw new UsageError(`${who}: the profile ${profile.name} declares no grid, so there is nothing to tune`);
    }
    const out = resolve(values.out ?? join("runs/experiments", `tune-${profile.name}`));
    const { threads: asked, ...overrides } = overridesOf(given, "small");
    const threads = threadsOf(asked, values.jobs, who);
    const changes = changesOf(overrides);
    if (changes.length > 0 && values.write === undefined && !values.dryRun) {
      throw new UsageError(
        `${who}: with ${changes.join(", ")} the runs are not those of the profile ${profile.name}, which would use what they choose. Give --write FILE, or leave ${changes.length > 1 ? "them" : "it"} out`,
      );
    }
    const plan = planTuning(profile, { out, overrides, catalog: externals.catalog });
    const all = plan.points.map(({ arm }) => {
      const describe = (option: string) => ({ ...asFlags(who)(option), who: `profile ${profile.name}, ${arm.key}` });
      // What it would do can be told without the data.
      const point = values.dryRun && !arm.given.has("data") ? new Map([...arm.given, ["data", "-"]]) : arm.given;
      resolveConfig(withoutIdle(point, externals.catalog), externals.catalog, { describe });
      return point;
    });
    checkLaidOver(given.keys(), all, { catalog: externals.catalog, describe: asFlags(who) });
    if (values.dryRun) {
      if (values.json) print(JSON.stringify({ profile: profile.name, seeds: profile.tune.seeds, grid: gridOf(plan) }));
      else
        print(
          ...plan.points.map(({ arm }) => `${arm.key}: ${[...arm.given].map((pair) => pair.join(" ")).join(", ")}`),
        );
      return;
    }
    const interrupted = await runWithProgress(plan.runs, {
      out,
      jobs: values.jobs,
      threads,
      json: values.json,
      catalog: externals.catalog,
    });
    if (interrupted) {
      printError("stopped, nothing chosen; the same command goes on where it was");
      process.exitCode ||= interruptedExitCode; // 1 where stdout could not be written
      return;
    }
    const tuned = tunedOf(plan, new Date());
    const file = resolve(values.write ?? tunedFile(profile.name));
    const missing = missingOf(plan, tuned);
    if (missing.length === 0) {
      makeFolder(dirname(file));
      writeWhole(file, `${JSON.stringify(tuned, null, 2)}\n`);
    } else
      printError(
        `not all runs of ${missing.join(", ")} are finished, so ${file} is as it was; the same command goes on`,
      );
    if (values.json) print(JSON.stringify(tuned));
    else print("", ...tunedTable(tuned), "");
    if (!values.json && missing.length === 0) print(`chosen by the lowest validation error; written to ${file}`);
  },
});

const gridOf = ({ points }: TunePlan) =>
  points.map(({ method, setting, arm }) => ({ method, setting, options: Object.fromEntries(arm.given) }));

/** A profile's own name, or that of the profile of an experiment. */
function profileOf(name: string): string {
  const profiles = profileNames();
  if (profiles.includes(name)) return name;
  const experiments = definitionNames();
  if (!experiments.includes(name)) {
    throw new UsageError(unknownName(who, "experiment or profile", name, [...profiles, ...experiments]));
  }
  return findDefinition(name).profile;
}

/** A line a setting, the chosen one marked. */
function tunedTable({ tried, chosen }: Tuned): string[] {
  const rows = Object.entries(tried).flatMap(([method, points]) =>
    points.map(({ setting, errors }) => [
      method,
      Object.entries(setting)
        .map((pair) => pair.join(" "))
        .join(", "),
      spreadOf(errors).mean.toFixed(2),
      setting === chosen[method] ? "chosen" : "",
    ]),
  );
  return table([["method", "setting", "validation error in %", ""], ...rows]);
}
