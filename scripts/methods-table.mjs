// Trains every method of experiments/methods-table.yaml on its data sets with several seeds and makes their table.
//   node scripts/methods-table.mjs RUNS DATA_ROOT [--seeds 1,2,3] [--datasets digits,mnist] [--methods a,b] [--val N] [--write]
// RUNS keeps the run folders: a finished one is not trained again, so the command can be stopped and called again. DATA_ROOT
// holds the data sets' folders. The label seed is the seed, so the spread includes the label draw. One run a core, one
// thread a run. The test set is read once, at the end of a run; with --val N (for tuning) validation errors are printed
// instead. --write puts table and results into docs/.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { mean, spread } from "fewlabels/internal";
import { parse, stringify } from "yaml";

const root = fileURLToPath(new URL("..", import.meta.url));
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1,2,3" },
    datasets: { type: "string" },
    methods: { type: "string" },
    val: { type: "string" },
    write: { type: "boolean", default: false },
  },
});
const [runs, dataRoot] = positionals;
if (!runs || !dataRoot) {
  console.error(
    "usage: node scripts/methods-table.mjs RUNS DATA_ROOT [--seeds 1,2,3] [--datasets ...] [--methods ...]",
  );
  process.exit(2);
}
/** @typedef {{ [key: string]: unknown }} Settings */
/** @type {{ base: Settings, datasets: Record<string, Settings>, methods: Record<string, Settings & { on?: Record<string, Settings> }> }} */
const table = parse(readFileSync(join(root, "experiments/methods-table.yaml"), "utf8"));
/** @type {(all: string[], chosen: string | undefined) => string[]} */
const pick = (all, chosen) => (chosen ? chosen.split(",") : all);
const dataSets = pick(Object.keys(table.datasets), values.datasets);
const methods = pick(Object.keys(table.methods), values.methods);
const seeds = values.seeds.split(",").map(Number);

/** @param {...(Settings | undefined)} parts @returns {Settings} */
function merge(...parts) {
  /** @type {Settings} */
  const out = {};
  for (const part of parts) {
    for (const [key, value] of Object.entries(part ?? {})) {
      const nested = typeof value === "object" && value !== null && !Array.isArray(value);
      out[key] = nested ? merge(/** @type {Settings} */ (out[key]), /** @type {Settings} */ (value)) : value;
    }
  }
  return out;
}

/** @param {string} dataSet @param {string} method @param {number} seed */
function settingsOf(dataSet, method, seed) {
  const { on = {}, ...own } = table.methods[method] ?? {};
  const data = dataSet === "digits" ? {} : { data: join(dataRoot ?? "", dataSet) };
  const fixed = { dataset: { name: dataSet }, ...data, method: { name: method }, seed, labelSeed: seed, threads: 1 };
  const quiet = { evalEvery: 0, checkpointEvery: 0, logEvery: 100, ...(values.val ? { val: Number(values.val) } : {}) };
  return merge(table.base, table.datasets[dataSet], own, on[dataSet], fixed, quiet);
}

/** @typedef {{ dataSet: string, method: string, seed: number, error: number, elapsedSeconds: number, stepSecondsMedian: number, test: Record<string, { error: number }>, val?: Record<string, { error: number }>, predictor: string }} Result */
/** @param {...string} args */
async function fewlabels(...args) {
  const command = [join(root, "bin/fewlabels.js"), ...args];
  const code = await new Promise((resolve) => {
    spawn(process.execPath, command, { stdio: ["ignore", "ignore", "inherit"] }).on("exit", resolve);
  });
  if (code !== 0) throw new Error(`fewlabels ${args.join(" ")} ended with code ${code}`);
}

/** @typedef {{ dataSet: string, method: string, seed: number }} Job */
/** Runs asked for so far, so that none is trained twice at once. @type {Map<string, Promise<Result>>} */
const started = new Map();
/** @param {Job} job @returns {Promise<Result>} */
function run(job) {
  const key = `${job.dataSet}-${job.method}-${job.seed}${values.val ? "-val" : ""}`;
  const promise = started.get(key) ?? train(job, join(runs ?? "", key));
  started.set(key, promise);
  return promise;
}

/** @param {Job} job @param {string} folder @returns {Promise<Result>} */
async function train({ dataSet, method, seed }, folder) {
  const { predictionsOf, ...settings } = settingsOf(dataSet, method, seed);
  const file = `${folder}.yaml`;
  const text = stringify(settings);
  const done = existsSync(join(folder, "result.json")) && existsSync(file) && readFileSync(file, "utf8") === text;
  if (!done) {
    rmSync(folder, { recursive: true, force: true });
    writeFileSync(file, text);
    const given = ["train", file, "--out", folder];
    if (predictionsOf) {
      await run({ dataSet, method: String(predictionsOf), seed });
      const table = `${folder}.table`;
      await fewlabels("predictions", folder.replace(`-${method}-`, `-${predictionsOf}-`), "--out", table);
      given.push("--method.table", table);
    }
    await fewlabels(...given);
  }
  const result = JSON.parse(readFileSync(join(folder, "result.json"), "utf8"));
  const errors = Object.entries((values.val ? result.val : result.test) ?? {});
  const shown = errors
    .map(([role, /** @type {{ error: number }} */ { error }]) => `${role} ${error.toFixed(2)}`)
    .join(", ");
  if (!done) console.log(`${dataSet} ${method} seed ${seed}: ${shown} % (${result.elapsedSeconds.toFixed(0)} s)`);
  return { dataSet, seed, ...result };
}

mkdirSync(runs, { recursive: true });
const jobs = seeds.flatMap((seed) =>
  dataSets.flatMap((dataSet) => methods.map((method) => ({ dataSet, method, seed }))),
);
const waiting = [...jobs];
/** @type {Result[]} */
const results = [];
/** @type {string[]} */
const failed = [];
async function worker() {
  for (let job = waiting.shift(); job; job = waiting.shift()) {
    try {
      results.push(await run(job));
    } catch (error) {
      failed.push(`${job.dataSet} ${job.method} ${job.seed}: ${error instanceof Error ? error.message : error}`);
    }
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker));
for (const line of failed) console.error(line);

/** @param {string} dataSet @param {string} method */
function cell(dataSet, method) {
  const mine = results.filter((result) => result.dataSet === dataSet && result.method === method);
  if (mine.length === 0) return "-";
  const errors = mine.map(({ predictor, test, val }) => (values.val ? val : test)?.[predictor]?.error ?? Number.NaN);
  return `${mean(errors).toFixed(2)} ± ${spread(errors).toFixed(2)}${mine.length < seeds.length ? ` (${mine.length} runs)` : ""}`;
}
const lines = [
  `| method | ${dataSets.join(" | ")} |`,
  `| --- |${" --- |".repeat(dataSets.length)}`,
  ...methods.map((method) => `| ${method} | ${dataSets.map((dataSet) => cell(dataSet, method)).join(" | ")} |`),
];
console.log(lines.join("\n"));
if (values.write && failed.length === 0) {
  const page = join(root, "docs/methods-table.md");
  const [begin, end] = ["<!-- table: begin -->", "<!-- table: end -->"];
  const text = readFileSync(page, "utf8");
  const [head, tail] = [text.split(begin)[0], text.split(end)[1]];
  writeFileSync(page, `${head}${begin}\n\n${lines.join("\n")}\n\n${end}${tail}`);
  const kept = results
    .map(({ dataSet, method, seed, predictor, test, stepSecondsMedian }) => ({
      dataSet,
      method,
      seed,
      predictor,
      test,
      stepSecondsMedian,
    }))
    .sort((a, b) => `${a.dataSet}${a.method}`.localeCompare(`${b.dataSet}${b.method}`) || a.seed - b.seed);
  writeFileSync(
    join(root, "bench/results/methods-table.json"),
    `${JSON.stringify({ date: new Date().toISOString(), results: kept }, null, 1)}\n`,
  );
}
process.exitCode = failed.length > 0 ? 1 : 0;
