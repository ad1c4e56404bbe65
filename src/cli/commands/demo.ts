/** `fewlabels demo`: the same few labels without and with unlabeled pictures, side by side. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { asFlags, flatten, type Given } from "../../config/given.js";
import { resolveConfig } from "../../config/resolve.js";
import { runOptions } from "../../config/run-options.js";
import { writeWhole } from "../../files/write-whole.js";
import type { OptionSpec } from "../../options.js";
import type { EvaluationEvent, RunResult } from "../../run/events.js";
import { addFlags, givenFlags } from "../flags.js";
import { count, duration, percent, table } from "../format.js";
import { print, printError } from "../output.js";
import { Progress } from "../progress.js";
import { registries } from "../registries.js";
import { interruptedExitCode, runTraining } from "../run-training.js";
import { type Curve, reportPage } from "./demo-report.js";

const who = "fewlabels demo";

const { seed, device, threads, out } = runOptions;
const demoOptions = {
  seed,
  device,
  threads,
  out: { ...out, doc: "folder for both runs and the report (default: runs/demo-TIME)" },
};

/** What both runs share: everything but the method. */
const shared = {
  dataset: { name: "digits", train: 6000, test: 2000 },
  labels: 100,
  model: { name: "cnn-13", width: 0.25, dropout: 0.3, inputNoise: 0.3 },
  steps: 1000,
  evalEvery: 100,
  checkpointEvery: 0,
  optimizer: { name: "adam", lr: 0.003, warmupSteps: 50 },
};

/**
 * The two runs: both see 50 labeled pictures a step; Mean Teacher 50 unlabeled ones beside them. Settings from
 * docs/presets.md, in fewer steps.
 */
const runs = [
  { method: { name: "supervised", emaDecay: 0.95 }, batch: 50 },
  {
    method: {
      name: "mean-teacher",
      consistencyWeight: 10,
      classReduction: "labeled",
      rampUpSteps: 500,
      emaDecay: 0.95,
      teacherDropout: 0,
      teacherNoise: 0,
    },
    batch: 100,
    labeledBatch: 50,
  },
] as const;

interface DemoRun {
  readonly method: string;
  readonly result: RunResult;
  readonly curve: Curve;
}

export function addDemo(program: Command): void {
  const command = program
    .command("demo")
    .summary("what unlabeled pictures are worth, in under 3 minutes")
    .description(
      `Draw pictures of digits, keep ${shared.labels} labels, and train twice: on the labeled pictures alone, and with all the ` +
        "unlabeled ones too (Mean Teacher). Ends with a small table and a report page.",
    )
    .option("--json", "print both results as one JSON line at the end; progress goes to stderr");
  addFlags(command, demoOptions as OptionSpec);
  command.addHelpText("after", "\nExamples:\n  fewlabels demo\n  fewlabels demo --seed 2 --out runs/my-demo");
  command.action((values: Record<string, unknown>) =>
    demoCommand(givenFlags(values, ["json"], who), values.json === true),
  );
}

async function demoCommand(flags: Given, json: boolean): Promise<void> {
  const started = performance.now();
  const stream = json ? process.stderr : process.stdout;
  const done: DemoRun[] = [];
  let folder: string | undefined = flags.has("out") ? String(flags.get("out")) : undefined;
  for (const own of runs) {
    const given: Given = new Map([...flatten({ ...shared, ...own }), ...flags]);
    const base = resolveConfig(given, registries, { describe: asFlags(who), warn: printError });
    folder ??= base.out.replace(/^runs\/[a-z-]+-(?=\d)/, "runs/demo-");
    const config = { ...base, out: join(folder, base.method) };
    const progress = new Progress({ stream, label: base.method });
    const evaluations: EvaluationEvent[] = [];
    const outcome = await runTraining(config, progress, (event) => {
      if (event.type === "evaluation") evaluations.push(event);
    });
    if (outcome.kind === "interrupted") {
      printError(`stopped; what was done so far is in ${folder}`);
      process.exitCode = interruptedExitCode;
      return;
    }
    const { result } = outcome;
    const curve = evaluations.map(({ step, test }) => [step, test![result.predictor]!.error] as const);
    done.push({ method: base.method, result, curve });
  }
  const report = join(folder!, "report.html");
  mkdirSync(folder!, { recursive: true });
  writeWhole(report, reportPage(done.map(({ result, curve }) => ({ result, curve }))));
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
        count(shared.dataset.train),
        percent(withUnlabeled.error),
        duration(withUnlabeled.elapsedSeconds),
      ],
    ]),
    "",
    `${effect} ${duration(seconds)} in all; the report is ${report}`,
  ];
}
