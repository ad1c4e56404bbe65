/** `fewlabels demo`: the same few labels without and with unlabeled pictures, side by side. */
import { join } from "node:path";
import { runOptions } from "../../config/run-options.js";
import { makeFolder, writeWhole } from "../../files/write-whole.js";
import { boolean } from "../../options.js";
import type { Curve } from "../../report/read-run.js";
import type { EvaluationEvent, RunResult } from "../../run/events.js";
import { type DemoOptions, demoFacts, demoRuns } from "../../train/demo.js";
import { defineCommand } from "../command.js";
import { reportPage } from "../demo-report.js";
import { count, duration, percent, table } from "../format.js";
import { print, printError } from "../output.js";
import { Progress } from "../progress.js";
import { runTraining } from "../run-training.js";
import { interruptedExitCode } from "../signals.js";

const { seed, device, threads, out } = runOptions;

interface DemoRun {
  readonly method: string;
  readonly result: RunResult;
  readonly curve: Curve;
}

export const demo = defineCommand({
  name: "demo",
  summary: `pictures of digits, ${demoFacts.labels} labels: without and with unlabeled pictures, side by side`,
  description:
    `Draw pictures of digits, keep ${demoFacts.labels} labels, and train twice: on the labeled pictures alone, and with all the ` +
    "unlabeled ones too (Mean Teacher). Ends with a small table and a report page, in under 3 minutes.",
  options: {
    seed,
    device,
    threads,
    out: { ...out, doc: "folder for both runs and the report (default: runs/demo-TIME)" },
    json: boolean(false, { doc: "print both results as one JSON line at the end; progress goes to stderr" }),
  },
  examples: ["fewlabels demo", "fewlabels demo --seed 2 --out runs/my-demo"],
  run: ({ json, ...options }) => demoCommand(options, json),
});

async function demoCommand(options: DemoOptions, json: boolean): Promise<void> {
  const started = performance.now();
  const stream = json ? process.stderr : process.stdout;
  const done: DemoRun[] = [];
  const { folder, runs } = demoRuns(options);
  for (const config of runs) {
    const progress = new Progress({ stream, label: config.method });
    const evaluations: EvaluationEvent[] = [];
    const outcome = await runTraining(config, progress, (event) => {
      if (event.type === "evaluation") evaluations.push(event);
    });
    if (outcome.kind === "interrupted") {
      printError(`stopped; what was done so far is in ${folder}`);
      process.exitCode = interruptedExitCode;
      return;
    }
    if (outcome.trouble) throw outcome.trouble;
    const { result } = outcome;
    const curve = {
      steps: evaluations.map(({ step }) => step),
      values: evaluations.map(({ test }) => test![result.predictor]!.error),
    };
    done.push({ method: config.method, result, curve });
  }
  const report = join(folder, "report.html");
  makeFolder(folder);
  writeWhole(report, await reportPage(done.map(({ result, curve }) => ({ result, curve }))));
  if (json) print(JSON.stringify({ runs: done.map(({ result }) => result), report }));
  else print(...summary(done, report, (performance.now() - started) / 1000));
}

function summary(done: readonly DemoRun[], report: string, seconds: number): string[] {
  const [without, withUnlabeled] = [done[0]!.result, done[1]!.result];
  const fewer = (1 - withUnlabeled.error / without.error) * 100;
  const effect =
    fewer > 0
      ? `The unlabeled pictures removed ${fewer.toFixed(0)} % of the mistakes.`
      : "The unlabeled pictures did not help this time.";
  return [
    "",
    ...table([
      ["", "labeled", "unlabeled", "test error", "time"],
      ["supervised", count(without.labels), "-", percent(without.error), duration(without.elapsedSeconds)],
      [
        "mean-teacher",
        count(withUnlabeled.labels),
        count(demoFacts.pictures),
        percent(withUnlabeled.error),
        duration(withUnlabeled.elapsedSeconds),
      ],
    ]),
    "",
    `${effect} ${duration(seconds)} in all; the report is ${report}`,
  ];
}
