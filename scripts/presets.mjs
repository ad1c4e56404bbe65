// Trains shipped experiments over several seeds and prints their table: mean and standard deviation of the test errors.
//   node scripts/presets.mjs OUT.json DATA_ROOT SEEDS EXPERIMENT...
// DATA_ROOT holds the data sets' folders (cifar-10-batches-bin, mnist). The label seed is the seed, so the spread
// includes the label draw. One run a core, one thread a run. The test set is read once, at the end of each run.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { mean, spread } from "fewlabels/internal";

const [out = "", dataRoot = "", seeds = "", ...names] = process.argv.slice(2);
if (!names.length) {
  console.error("usage: node scripts/presets.mjs OUT.json DATA_ROOT SEEDS(1,2,3) EXPERIMENT...");
  process.exit(2);
}
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
/** @type {Record<string, string>} */
const folders = { cifar10: "cifar-10-batches-bin", mnist: "mnist" };
const scratch = mkdtempSync(join(tmpdir(), "presets-"));
const jobs = seeds.split(",").flatMap((seed) => names.map((name) => ({ name, seed: Number(seed) })));
/** @typedef {{ name: string, seed: number, elapsedSeconds: number, test: Record<string, { error: number }> }} Result */
/** @type {Result[]} */
const results = [];

async function worker() {
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const { name, seed } = job;
    const folder = folders[name.split("/")[0] ?? ""];
    const data = folder ? ["--data", join(dataRoot, folder)] : [];
    const flags = ["--seed", seed, "--label-seed", seed, "--threads", 1, "--eval-every", 0, "--checkpoint-every", 0];
    const run = join(scratch, `${name.replace("/", "-")}-${seed}`);
    const args = [cli, "train", name, ...data, ...flags, "--log-every", 100, "--out", run].map(String);
    const code = await new Promise((resolve) => {
      spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] }).on("exit", resolve);
    });
    if (code !== 0 || !existsSync(join(run, "result.json")))
      throw new Error(`${name} with seed ${seed} ended with code ${code}`);
    const result = JSON.parse(readFileSync(join(run, "result.json"), "utf8"));
    results.push({ name, ...result });
    console.log(
      `${name} seed ${seed}: student ${result.test.student.error} teacher ${result.test.teacher.error} (${result.elapsedSeconds.toFixed(0)} s)`,
    );
    /** @type {(a: Result, b: Result) => number} */
    const order = (a, b) => a.name.localeCompare(b.name) || a.seed - b.seed;
    writeFileSync(
      out,
      `${JSON.stringify({ date: new Date().toISOString(), load: loadavg(), results: [...results].sort(order) }, null, 1)}\n`,
    );
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker));

console.log("| experiment | student | teacher | runs |\n| --- | --- | --- | --- |");
for (const name of names) {
  const mine = results.filter((result) => result.name === name);
  const column = (/** @type {string} */ role) => {
    const errors = mine.map((result) => result.test[role]?.error ?? Number.NaN);
    return `${mean(errors).toFixed(2)} +- ${spread(errors).toFixed(2)}`;
  };
  console.log(`| ${name} | ${column("student")} | ${column("teacher")} | ${mine.length} |`);
}
