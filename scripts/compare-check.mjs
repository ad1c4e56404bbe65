// Does `compare` recommend what is good? Three classes of CIFAR-10 as a folder, weights of a network that was trained on the other seven
// (node scripts/transfer.mjs ... --keep SOURCE): what compare says from its folds of the labels, beside the full table, every method
// of its list trained on all labels and tested. The test pictures play no part in compare.
//   node scripts/compare-check.mjs OUT.json DATA_ROOT SOURCE [--seeds 1,2,3] [--labels 10] [--budget 15m]
// OUT.json keeps what was measured; a draw that is in it is not repeated. One thread, one run at a time. Prints the tables.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { Rng } from "fewlabels/internal";
import { makeFolder, openSet } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1,2,3" },
    labels: { type: "string", default: "10" },
    budget: { type: "string", default: "15m" },
  },
});
const [out = "", root = "", source = ""] = positionals.map((path) => resolve(path));
if (!source) throw new Error("usage: node scripts/compare-check.mjs OUT.json DATA_ROOT SOURCE");
const checkpoint = readdirSync(join(source, "checkpoints")).find((name) => name.startsWith("step-")) ?? "";
const weights = join(source, "checkpoints", checkpoint, "teacher.safetensors");
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
/** The last line of a command as JSON. @param {string[]} args */
async function say(...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args, "--threads", "1", "--json"], {
    maxBuffer: 1e8,
  });
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
}

const cifar = await openSet("cifar10", join(root, "cifar-10-batches-bin"));
/** As in scripts/transfer.mjs. */
const classes = ["cat", "horse", "truck"].map((name) => ({ set: cifar, name, folder: name }));
const same = (/** @type {number} */ n) => classes.map(() => n);
const work = mkdtempSync(join(tmpdir(), "compare-"));
/** @typedef {{ recommendation: string, seconds: number, folds: Record<string, number>, test: Record<string, number> }} Draw */
/** @type {Record<string, Draw>} */
const kept = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : {};
for (const seed of values.seeds.split(",").map(Number)) {
  if (kept[seed]) continue;
  const plan = { side: 32, classes, labeled: same(Number(values.labels)), unlabeled: same(1000), test: same(500) };
  const data = await makeFolder(join(work, `draw-${seed}`), plan, Rng.fromSeed(seed));
  const report = join(work, `compare-${seed}`);
  const told = await say("compare", data, "--model.weights", weights, "--budget", values.budget, "--out", report);
  /** @type {Draw} */
  const draw = { recommendation: told.recommendation.method, seconds: told.spentSeconds, folds: {}, test: {} };
  for (const { method, mean: error } of told.methods) {
    draw.folds[method] = error;
    const run = join(work, `run-${seed}-${method}`);
    const given = ["--dataset", "folder", "--data", data, "--model.weights", weights, "--method", method];
    draw.test[method] = (await say("train", ...given, "--eval-every", "0", "--out", run)).error;
  }
  kept[seed] = draw;
  writeFileSync(out, `${JSON.stringify(kept, null, 1)}\n`);
}
for (const [seed, { recommendation, seconds, folds, test }] of Object.entries(kept)) {
  console.log(`draw ${seed}: recommended ${recommendation} after ${Math.round(seconds)} s`);
  for (const [method, error] of Object.entries(test)) {
    console.log(`  ${method.padEnd(20)} folds ${folds[method]?.toFixed(1)} %, test ${error.toFixed(1)} %`);
  }
}
rmSync(work, { recursive: true });
