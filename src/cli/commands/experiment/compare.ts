/** `fewlabels compare DIR`: which method for my pictures? */
import { join, resolve } from "node:path";
import { runOptions } from "../../../config/run-options.js";
import { secondsOf } from "../../../experiments/compare/budget.js";
import { compareMethods } from "../../../experiments/compare/compare.js";
import type { CompareEvent, CompareOptions } from "../../../experiments/compare/options.js";
import { compareRows, leftOutLines, notesOf, winnerCommand } from "../../../experiments/compare/report.js";
import { lineName } from "../../../files/names.js";
import { boolean, integer, text } from "../../../options.js";
import { argument, defineCommand } from "../../command.js";
import { count, duration, percent, table, wrap } from "../../format.js";
import { print, printError } from "../../output.js";
import { interruptedExitCode, untilStopped } from "../../signals.js";
import { threadsOf } from "./run-with-progress.js";

export const compare = defineCommand({
  name: "compare",
  summary: "which method for these pictures: a table and one recommendation",
  description:
    "Run a short list of methods, cheapest first, on the same folds of the labeled pictures, and recommend one. Stops inside the budget; stopped or killed, the same command goes on where it was. The test set plays no part. Options of a run (--model.weights) are laid over every method.",
  arguments: { dir: argument("folder of pictures, as `train --dataset folder --data DIR` takes it") },
  options: {
    budget: text("30m", { value: "time", doc: "time for all of it, all calls together: 90s, 30m, 1h30m" }),
    labels: text(undefined, { value: "file", doc: "labels file, for pictures that are in no class folders" }),
    unlabeled: text(undefined, { value: "folder", doc: "folder of unlabeled pictures, in place of DIR/unlabeled" }),
    folds: integer(5, { min: 2, max: 20, doc: "parts of the labeled pictures, each held out once" }),
    only: text(undefined, { doc: "methods of the list, separated by commas (default: all that can run)" }),
    out: text(undefined, {
      value: "folder",
      doc: "folder of folds, runs and report (default: runs/compare/NAME of DIR)",
    }),
    seed: integer(1, { min: 0, max: Number.MAX_SAFE_INTEGER, doc: "seed of the folds" }),
    json: boolean(false, { doc: "print the result as one JSON line at the end; progress goes to stderr" }),
  },
  takes: "run",
  leaveOut: [
    "dataset",
    "data",
    "labels",
    "labelDraw",
    "labelSeed",
    "labelNoise",
    "imbalance",
    "unlabeledImbalance",
    "unlabeled",
    "val",
    "saveBest",
    "method",
    "seed",
    "out",
    "resume",
    "syncBatchNorm",
    "worldTimeout",
  ],
  runOptions: {
    steps: {
      ...runOptions.steps,
      default: undefined,
      doc: "optimizer steps of each method that trains (default: as for own photos, or as many as fit into the budget)",
    },
  },
  runHeading: "Run, laid over every method:",
  examples: [
    "fewlabels compare photos --model.weights resnet-18.tv1",
    "fewlabels compare photos --labels labels.csv --budget 2h --folds 3",
  ],
  notes:
    "Exit codes: 0 done, 1 a method failed or none finished, 2 wrong usage, 3 bad data, 130 interrupted (the same command goes on).",
  async run({ dir, budget, labels, unlabeled, folds, only, out, seed, json }, { who, given, externals }) {
    const { threads, ...overrides } = Object.fromEntries(given);
    const say = json ? printError : print;
    const budgetSeconds = secondsOf(budget, who, "--budget");
    const folder = resolve(out ?? join("runs/compare", resolve(dir).split(/[\\/]/).at(-1) || "pictures"));
    const options: Omit<CompareOptions, "signal"> = {
      dir: resolve(dir),
      labelsFile: labels === undefined ? undefined : resolve(labels),
      unlabeledDir: unlabeled === undefined ? undefined : resolve(unlabeled),
      out: folder,
      folds,
      seed,
      budgetSeconds,
      threads: threadsOf(threads, 1, who),
      ...(only !== undefined && { only: only.split(",").map((name) => name.trim()) }),
      overrides,
      catalog: externals.catalog,
      onEvent: (event) => {
        for (const line of told(event, budgetSeconds)) say(line);
      },
    };
    const comparison = await untilStopped(
      "stopping: the run writes a checkpoint; interrupt again to quit at once",
      (signal) => compareMethods({ ...options, signal }),
    );
    const { ranking, leftOut, failed, interrupted, spentSeconds } = comparison;
    const { recommendation } = ranking;
    const command =
      recommendation &&
      winnerCommand({ ...options, dir, labelsFile: labels, unlabeledDir: unlabeled }, recommendation.method);
    const { writeComparison } = await import("../../../experiments/compare/report-page.js"); // plots: half of the time a command takes to start
    const report = writeComparison(folder, comparison, command);
    if (json) {
      const { labeled, classes, count: parts } = comparison.folds;
      const facts = {
        dir,
        labeled: labeled.length,
        unlabeled: comparison.folds.unlabeled.length,
        classes,
        folds: parts,
      };
      print(
        JSON.stringify({
          ...facts,
          methods: ranking.rows,
          recommendation,
          command,
          leftOut,
          report,
          spentSeconds,
          budgetSeconds,
        }),
      );
    } else {
      print("", ...table(compareRows(comparison)), "");
      for (const line of leftOutLines(comparison)) print(...wrap(`not compared: ${line}`, 116));
      for (const note of notesOf(comparison)) print(...wrap(note, 116));
      if (recommendation) {
        print(
          "",
          ...wrap(`recommended: ${recommendation.method}: ${recommendation.reason}`, 116),
          "",
          "trained on everything:",
          `  ${command}`,
        );
      } else
        print(
          "",
          `no method has finished all folds, so none is recommended${failed || interrupted ? "" : "; a larger --budget goes on where this ended"}`,
        );
      print("", `the report is ${report}; ${duration(spentSeconds)} of ${duration(budgetSeconds)} are spent`);
    }
    if (interrupted) {
      printError("stopped; the same command goes on where it was");
      process.exitCode ||= interruptedExitCode; // 1 where stdout could not be written
    } else if (failed || !recommendation) process.exitCode = 1;
  },
});

function told(event: CompareEvent, budgetSeconds: number): string[] {
  switch (event.type) {
    case "start": {
      const { labeled, unlabeled, classes, count: parts } = event.folds;
      const before =
        event.finished > 0 ? `; ${event.finished} runs finished before, ${duration(event.spentSeconds)} spent` : "";
      return [
        `${count(labeled.length)} labeled and ${count(unlabeled.length)} unlabeled pictures of ${classes.length} classes in ${parts} folds; ${duration(budgetSeconds)} for all${before}`,
      ];
    }
    case "timing":
      return [`timing a few steps of ${event.method}`];
    case "planned":
      return [
        `${count(event.steps)} steps for each method that trains${event.steps < event.wanted ? `, of ${count(event.wanted)} without a budget` : ""}`,
      ];
    case "remark":
      return [`note: ${lineName(event.message)}`];
    case "left out":
      return [`${event.method} left out: ${event.why}`];
    case "run": {
      const { run, error, spentSeconds } = event;
      if (run.type !== "finished") return [];
      const result = error === undefined ? "" : `: error ${percent(error)}`;
      return [
        `${duration(spentSeconds)} of ${duration(budgetSeconds)}  ${run.run.arm.row.name}, fold ${run.run.seed}${result} in ${duration(run.seconds)}`,
      ];
    }
  }
}
