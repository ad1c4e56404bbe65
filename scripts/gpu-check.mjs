// Everything that wants a GPU, in one go and in the order of what is worth most: step times beside PyTorch's, in turns; then the tests of
// test/cuda. For a machine that is lent for minutes: set-up must have been run there (node scripts/setup.mjs).
//   node scripts/gpu-check.mjs OUT.json [--rounds 2] [--steps 200] [--widths 1,0.25] [--modes eager,graphs] [--python python3] [--no-tests]
// OUT.json: machine, every round, medians and ratios; bench/results/gpu.json is such a file's content. Exit code 1 where a test fails.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { engineInfo, median } from "fewlabels/internal";
import { cardName } from "./setup/cuda.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: "2" },
    steps: { type: "string", default: "200" },
    widths: { type: "string", default: "1,0.25" },
    modes: { type: "string", default: "eager,graphs" },
    python: { type: "string", default: "python3" },
    "no-tests": { type: "boolean", default: false },
  },
});
const [out] = positionals;
if (!out) throw new Error("usage: node scripts/gpu-check.mjs OUT.json");
const here = (/** @type {string} */ path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const engine = engineInfo();
if (engine.cuda === 0) {
  console.error(`no GPU: libtorch ${engine.libtorch} sees no CUDA device; \`fewlabels doctor\` says why`);
  process.exit(2);
}

/** What a command prints, its last line read as JSON; undefined where it fails, which is said. @param {string} command @param {string[]} args */
function lastLine(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8", timeout: 300_000 });
  if (status === 0) return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  console.error(`${[command, ...args].join(" ")}: exit ${status}\n${stderr.slice(-2000)}`);
  return undefined;
}

/** Milliseconds of a step. @param {string} width @param {boolean} graphs */
function ours(width, graphs) {
  const given = ["bench", "--device", "cuda", "--steps", values.steps, "--warmup", "50", "--model.width", width];
  if (!graphs) given.push("--cuda-graphs", "false");
  const seconds = lastLine(process.execPath, [here("bin/fewlabels.js"), ...given, "--json"])?.stepSecondsMedian;
  return seconds === undefined ? undefined : 1000 * seconds;
}

/** The same of PyTorch. @param {string} width @param {string} mode */
function theirs(width, mode) {
  const args = ["--width", width, "--mode", mode, "--steps", values.steps];
  return lastLine(values.python, [here("bench/torch_cuda_mean_teacher.py"), ...args])?.step_ms;
}

const record = {
  date: new Date().toISOString().slice(0, 10),
  machine: { gpu: cardName(), cpuCores: availableParallelism(), ...engine, node: process.versions.node },
  task: "mean-teacher, cnn-13, batch 100 (25 labeled), bf16; milliseconds of a step",
  load: loadavg()[0],
  /** @type {{ width: string, who: string, ms: number[], median: number, ratio?: number }[]} */
  rows: [],
};
for (const width of values.widths.split(",")) {
  /** @type {Map<string, number[]>} */
  const times = new Map();
  for (let round = 0; round < Number(values.rounds); round++) {
    // Compiling takes a minute: once is enough.
    const peers = values.modes.split(",").filter((mode) => mode === "eager" || round === 0);
    for (const who of ["ours", "ours, call by call", ...peers]) {
      const ms = who.startsWith("ours") ? ours(width, who === "ours") : theirs(width, who);
      if (ms === undefined) continue;
      times.set(who, [...(times.get(who) ?? []), ms]);
      console.log(`width ${width}, round ${round + 1}: ${who.padEnd(18)} ${ms.toFixed(2)} ms`);
    }
  }
  const own = median(times.get("ours") ?? []);
  for (const [who, ms] of times) {
    const middle = median(ms);
    record.rows.push({ width, who, ms, median: middle, ...(who === "ours" ? {} : { ratio: middle / own }) });
  }
  writeFileSync(out, `${JSON.stringify(record, null, 2)}\n`);
}
for (const { width, who, median: ms, ratio } of record.rows) {
  console.log(
    `width ${width.padEnd(5)} ${who.padEnd(18)} ${ms.toFixed(2)} ms${ratio ? `, ${ratio.toFixed(2)} times ours` : ""}`,
  );
}
if (!values["no-tests"]) {
  const args = [here("node_modules/vitest/vitest.mjs"), "run", "--maxWorkers=8", "test/cuda"];
  const { status } = spawnSync(process.execPath, args, { cwd: here(""), stdio: "inherit", timeout: 600_000 });
  process.exitCode = status === 0 ? 0 : 1;
}
