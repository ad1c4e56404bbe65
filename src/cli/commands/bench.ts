/** `fewlabels bench`: step time, images per second, memory; and side by side with the Python peer. */
import { catalog as builtIn, type Catalog, choose } from "../../config/catalog.js";
import { asFlags, type Given } from "../../config/given.js";
import { type RunConfig, resolveConfig } from "../../config/resolve.js";
import { UsageError } from "../../errors.js";
import { writeWhole } from "../../files/write-whole.js";
import { boolean, integer, type OptionSpec, type OptionsOf, path, text } from "../../options.js";
import { resolveDevice } from "../../session/device.js";
import { photoDefaults } from "../../session/photos/photo-defaults.js";
import { median as medianOf, quantile } from "../../statistics.js";
import { defineCommand } from "../command.js";
import { load, machine } from "../measure/machine.js";
import { type Measurement, measure } from "../measure/measure.js";
import { comparePeer } from "../measure/peer.js";
import { type BenchResult, benchLines } from "../measure/result.js";
import { makePlaces, print, printError } from "../output.js";

const who = "fewlabels bench";

export const benchOptions = {
  steps: integer(30, { min: 2, doc: "measured steps" }),
  warmup: integer(10, { min: 0, doc: "steps before the measured ones" }),
  peer: text(undefined, { value: "file", doc: "Python script to measure against, run in turns A B A B with ours" }),
  rounds: integer(3, { min: 1, doc: "turns with the peer" }),
  peerLayout: text("nhwc", { doc: "the peer's --layout (nhwc or nchw)" }),
  peerPrecision: text(undefined, { doc: "the peer's --precision (default: ours)" }),
  save: text(undefined, { value: "file", doc: "also write the results to this JSON file" }),
  json: boolean(false, { doc: "print one JSON line at the end; progress goes to stderr" }),
} as const satisfies OptionSpec;

/** What is timed where nothing else is given. */
const byDefault = {
  dataset: text("digits", {
    doc: "data set, see `fewlabels list datasets`; or a file (./mine.mjs) or package that defines one",
  }),
  labels: path(undefined, {
    doc: "how many labels: a number, a labels file, or `all` (default: 1000; all of a folder's)",
  }),
} as const satisfies OptionSpec;

/** Run options that mean nothing here. */
const leaveOut = [
  "steps",
  "out",
  "resume",
  "evalEvery",
  "testBatch",
  "checkpointEvery",
  "keepCheckpoints",
  "logEvery",
  "val",
  "saveBest",
  "topK",
  "seen",
  "tensorboard",
  "syncBatchNorm",
  "worldTimeout",
];

export const bench = defineCommand({
  name: "bench",
  summary: "step time, images per second, memory; beside PyTorch if you like",
  description:
    "Time the real training loop, data included, on generated pictures (or a data set): median step time, images per " +
    "second, resident memory. With --peer, in turns with a Python script in a process of its own.",
  options: benchOptions,
  takes: "run",
  leaveOut,
  runOptions: byDefault,
  examples: [
    "fewlabels bench --model.width 0.25",
    "fewlabels bench --model.width 0.25 --steps 2000 --json        # is memory flat?",
    "fewlabels bench --dataset cifar10 --data DIR --labels 1000 --peer SCRIPT.py --save mine.json",
  ],
  run: (options, { given, externals }) => benchCommand(options, given, externals.catalog),
});

async function benchCommand(
  { peer, json, ...options }: OptionsOf<typeof benchOptions>,
  given: Given,
  catalog: Catalog,
): Promise<void> {
  const config = benchConfig(given, catalog);
  makePlaces(who, { save: options.save });
  let result: BenchResult;
  if (peer === undefined) result = await benchOurs(await settled(config, catalog), options);
  else {
    if (config.data === undefined)
      throw new UsageError(`${who}: --peer reads real data: give --dataset cifar10 --data DIR`);
    const comparison = await comparePeer(config, { ...options, peer, flags: [...given] });
    result = { ...comparison.ours, peer: comparison.peer };
  }
  if (options.save !== undefined) writeWhole(options.save, `${JSON.stringify(result, null, 2)}\n`);
  if (json) print(JSON.stringify(result));
  else print(...benchLines(result));
}

/** The run to time: what was given over small defaults. */
export function benchConfig(given: Given, catalog: Catalog = builtIn): RunConfig {
  const dataset = given.get("dataset") ?? byDefault.dataset.default;
  const ownPictures = catalog.dataSets.find(({ name }) => name === dataset)?.takesFolders === true;
  const merged: Given = new Map([
    ...(ownPictures ? [] : [["labels", "1000"] as const]),
    ...given,
    ["dataset", dataset],
  ]);
  if (merged.get("dataset") !== "digits" || merged.has("dataset.train")) {
    return resolveConfig(merged, catalog, { describe: asFlags(who), warn: printError });
  }
  // As many pictures as a short run needs; drawing them all would take longer than timing it.
  return resolveConfig(new Map([...merged, ["dataset.train", 2000], ["dataset.test", 100]]), catalog, {
    describe: asFlags(who),
    warn: printError,
  });
}

/** How long a run is and what it does on the way: as a measurement wants it. */
const ofTheRun: readonly string[] = ["steps", "evalEvery", "checkpointEvery"];

/** With what own pictures choose, and closed to what they would choose in the measured run once more. */
async function settled(config: RunConfig, catalog: Catalog): Promise<RunConfig> {
  const { dataSet, method } = choose(config, catalog);
  const chosen = await photoDefaults(config, dataSet, method, resolveDevice(config.device));
  for (const remark of chosen.remarks) printError(`warning: ${remark}`);
  return { ...chosen.config, byDefault: (config.byDefault ?? []).filter((key) => !ofTheRun.includes(key)) };
}

async function benchOurs(
  config: RunConfig,
  { warmup, steps }: { warmup: number; steps: number },
): Promise<BenchResult> {
  const before = load();
  let told = performance.now();
  const measured = await measure(config, {
    warmup,
    steps,
    onStep(step, seconds) {
      if (performance.now() - told < 5000) return;
      told = performance.now();
      printError(`step ${step}/${warmup + steps}  ${(seconds * 1000).toFixed(1)} ms`);
    },
  });
  return benchResult(config, measured, warmup, { before, after: load() });
}

function benchResult(
  config: RunConfig,
  measured: Measurement,
  warmup: number,
  loads: BenchResult["load"],
): BenchResult {
  const { start, stepSeconds, memoryMB: memory } = measured;
  const { batch, labeledBatch, modelOptions } = start.config as RunConfig; // few pictures make a smaller batch
  const median = medianOf(stepSeconds);
  const whole = (value: number | undefined) => Math.round(value ?? Number.NaN);
  return {
    method: config.method,
    model: config.model,
    modelOptions,
    dataset: config.dataset,
    batch,
    labeledBatch,
    device: start.device,
    precision: start.precision,
    threads: start.threads,
    parameters: start.parameters,
    warmup,
    steps: stepSeconds.length,
    stepSecondsMedian: median,
    stepSecondsP10: quantile(stepSeconds, 0.1),
    stepSecondsP90: quantile(stepSeconds, 0.9),
    imagesPerSecond: batch / median,
    memoryMB: {
      first: whole(memory[0]),
      middle: whole(memory[memory.length >> 1]),
      last: whole(memory.at(-1)),
      max: whole(Math.max(...memory)),
    },
    phases: measured.phases,
    load: loads,
    machine: machine(),
    versions: measured.versions,
    date: new Date().toISOString(),
  };
}
