// What a second process on this machine is worth, and what a message between two costs.
//   node bench/scaling.mjs [--widths 0.25,1] [--steps 20] [--warmup 5] [--rounds 3] [--batch 100] [--method mean-teacher]
//     [--model cnn-13] [--precision bf16] [--dataset digits] [--data DIR] [--out bench/results/scaling.json]
// Four ways to take a training step, in turns, each in processes of its own: one process of two threads, two of one thread, one of one
// thread with the whole batch and with half of it. Then sums over two processes on 127.0.0.1 by size. On a quiet machine of two cores.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { freePort, median } from "fewlabels/internal";

const { values } = parseArgs({
  options: {
    widths: { type: "string", default: "0.25,1" },
    steps: { type: "string", default: "20" },
    warmup: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    batch: { type: "string", default: "100" },
    method: { type: "string", default: "mean-teacher" },
    model: { type: "string", default: "cnn-13" },
    precision: { type: "string" },
    dataset: { type: "string", default: "digits" },
    data: { type: "string" },
    out: { type: "string" },
  },
});
const batch = Number(values.batch);
if (!(batch > 0 && batch % 20 === 0)) {
  console.error(
    `scaling: --batch must divide by 20 (a fifth of it has labels, and halves are taken), got ${values.batch}`,
  );
  process.exit(2);
}
/** Processes, threads in each, rows of the whole batch. */
const ways = /** @type {const} */ ([
  { name: "1 process x 2 threads", processes: 1, threads: 2, rows: batch },
  { name: "2 processes x 1 thread", processes: 2, threads: 1, rows: batch },
  { name: "1 x 1", processes: 1, threads: 1, rows: batch },
  { name: "1 x 1, half the batch", processes: 1, threads: 1, rows: batch / 2 },
]);
const folder = mkdtempSync(join(tmpdir(), "fewlabels-scaling-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** What process 0 of `processes` prints. @param {number} processes @param {number} threads @param {string[]} args */
async function run(processes, threads, args) {
  const port = await freePort();
  const script = fileURLToPath(new URL("scaling-run.mjs", import.meta.url));
  const all = Array.from({ length: processes }, (_, rank) => {
    const place = { RANK: `${rank}`, WORLD_SIZE: `${processes}`, LOCAL_WORLD_SIZE: `${processes}` };
    const meeting = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: `${port}`, OMP_NUM_THREADS: `${threads}` };
    const child = spawn(process.execPath, [script, ...args], {
      env: { ...process.env, ...(processes > 1 ? place : {}), ...meeting },
      stdio: ["ignore", "pipe", "inherit"],
    });
    let out = "";
    child.stdout.on("data", (text) => {
      out += text;
    });
    return /** @type {Promise<string>} */ (
      new Promise((resolve, reject) => {
        child.on("error", reject);
        child.on("close", (code) =>
          code === 0
            ? resolve(out)
            : reject(new Error(`scaling: process ${rank} of ${processes} ended with ${code}; it says above why`)),
        );
      })
    );
  });
  const [first = ""] = await Promise.all(all);
  return JSON.parse(first);
}

let runs = 0;
/** That of the runs, also where none was asked for. */
let precision = "";
/** @param {number} processes @param {number} threads @param {number} rows @param {string} width @returns {Promise<number>} */
async function secondsOf(processes, threads, rows, width) {
  const data = values.dataset === "digits" ? { "dataset.train": 2000, "dataset.test": 100 } : {};
  const given = {
    ...{ dataset: values.dataset, ...data, ...(values.data ? { data: values.data } : {}), labels: 1000 },
    ...{ method: values.method, model: values.model, "model.width": Number(width) },
    ...(values.precision ? { precision: values.precision } : {}),
    ...{ batch: rows, labeledBatch: rows / 5, threads, device: "cpu", out: join(folder, `${runs++}`) },
    ...{ logEvery: 1, evalEvery: 0, checkpointEvery: 0, seen: 0 },
  };
  const measured = await run(processes, threads, ["steps", JSON.stringify(given), values.warmup, values.steps]);
  precision = measured.precision;
  return measured.seconds;
}

process.on("uncaughtException", (error) => {
  console.error(error.message);
  process.exit(1);
});
const start = { date: new Date().toISOString(), loadBefore: loadavg()[0] };
/** @type {object[]} */
const widths = [];
console.log("| width | way | ms a step, by round | images/s, median |\n| --- | --- | --- | --- |");
for (const width of values.widths.split(",")) {
  /** @type {number[][]} */
  const seconds = ways.map(() => []);
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const [i, { processes, threads, rows }] of ways.entries()) {
      seconds[i]?.push(await secondsOf(processes, threads, rows, width));
    }
  }
  const results = ways.map(({ name, rows }, i) => {
    const rounds = seconds[i] ?? [];
    return { name, rows, rounds, seconds: median(rounds), imagesPerSecond: rows / median(rounds) };
  });
  for (const { name, rounds, imagesPerSecond } of results) {
    const list = rounds.map((s) => (1000 * s).toFixed(1)).join(", ");
    console.log(`| ${width} | ${name} | ${list} | ${imagesPerSecond.toFixed(0)} |`);
  }
  // Of one round each, so that a busy minute counts in both.
  const ratio = (/** @type {number} */ a, /** @type {number} */ b) =>
    median((seconds[a] ?? []).map((s, round) => s / (seconds[b]?.[round] ?? Number.NaN)));
  const [overThreads, efficiency] = [ratio(0, 1), ratio(3, 1)];
  console.log(
    `\ntwo processes: ${overThreads.toFixed(2)} times as fast as two threads; efficiency ${efficiency.toFixed(2)} (1: as fast as one process alone with half the batch)\n`,
  );
  widths.push({ width: Number(width), ways: results, overThreads, efficiency, load: loadavg()[0] });
}
/** @type {{ messages: { bytes: number, seconds: number, best: number }[] }} */
const { messages } = await run(2, 1, ["messages"]);
console.log("| a sum over two processes | median ms | best ms | GB/s |\n| --- | --- | --- | --- |");
for (const { bytes, seconds, best } of messages) {
  const size = bytes < 1e6 ? `${bytes.toLocaleString("en")} bytes` : `${bytes / 1e6} MB`;
  console.log(
    `| ${size} | ${(1000 * seconds).toFixed(3)} | ${(1000 * best).toFixed(3)} | ${(bytes / seconds / 1e9).toFixed(2)} |`,
  );
}
if (values.out) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length };
  const { out, widths: _, ...settings } = values;
  const record = { ...start, machine, settings: { ...settings, precision }, loadAfter: loadavg()[0], widths, messages };
  writeFileSync(out, `${JSON.stringify(record, null, 1)}\n`);
}
