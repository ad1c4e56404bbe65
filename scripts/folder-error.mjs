// Does a folder of JPEG files train as well as the same pictures in the binary format? Writes CIFAR-10 out as JPEG files of 64
// pixels, then trains both with the same label lists and prints the errors.
//   node scripts/folder-error.mjs WORK_FOLDER CIFAR10_FOLDER [--seeds 1,2,3] [--labels 1000] [--steps 800]
// WORK_FOLDER keeps the pictures (about 200 MB) and the run folders. One run a core, one thread a run.
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findDataSet, Rng } from "fewlabels/internal";
import sharp from "sharp";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1,2,3" },
    labels: { type: "string", default: "1000" },
    steps: { type: "string", default: "800" },
  },
});
const [work = "", source = ""] = positionals.map((path) => resolve(path));
if (!source) throw new Error("usage: node scripts/folder-error.mjs WORK_FOLDER CIFAR10_FOLDER");
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const seeds = values.seeds.split(",").map(Number);
const { train, test, classes } = await findDataSet("cifar10").load({ dir: source, rng: Rng.fromSeed(0), options: {} });
const pictures = join(work, "pictures");
/** @param {Int32Array} labels @param {number} i */
const nameOf = (labels, i) => join(classes[labels[i] ?? 0] ?? "", `${i}.jpg`);

/** @param {typeof train} set @param {string} part */
async function write({ pixels, labels, count }, part) {
  for (const name of classes) mkdirSync(join(pictures, part, name), { recursive: true });
  /** @param {number} i */
  const one = async (i) => {
    const rows = new Uint8Array(3072);
    for (let at = 0; at < 1024; at++)
      for (let c = 0; c < 3; c++) rows[3 * at + c] = pixels[3072 * i + 1024 * c + at] ?? 0;
    const raw = { width: 32, height: 32, channels: /** @type {const} */ (3) };
    await sharp(rows, { raw })
      .resize(64, 64)
      .jpeg({ quality: 95 })
      .toFile(join(pictures, part, nameOf(labels, i)));
  };
  for (let i = 0; i < count; i += 64) {
    await Promise.all(Array.from({ length: Math.min(64, count - i) }, (_, k) => one(i + k)));
  }
}
if (!existsSync(join(work, "written"))) {
  await write(train, "train");
  await write(test, "test");
  writeFileSync(join(work, "written"), "");
  console.log(`wrote ${train.count + test.count} JPEG files`);
}

/** The same labeled images for both, by their names there. @param {number} seed */
function labelLists(seed) {
  const order = Rng.fromSeed(seed).permutation(train.count);
  const each = Number(values.labels) / classes.length;
  const chosen = classes.flatMap((_, k) => [...order].filter((i) => train.labels[i] === k).slice(0, each));
  const lines = {
    folder: chosen.map((i) => `train/${nameOf(train.labels, i)} ${classes[train.labels[i] ?? 0]}`),
    cifar10: chosen.map((i) => `${i}_${classes[train.labels[i] ?? 0]}.png ${classes[train.labels[i] ?? 0]}`),
  };
  for (const [set, list] of Object.entries(lines))
    writeFileSync(join(work, `${set}-${seed}.txt`), `${list.join("\n")}\n`);
}

const jobs = seeds.flatMap((seed) => ["cifar10", "folder"].map((set) => ({ set, seed })));
/** @type {Record<string, number[]>} */
const errors = { cifar10: [], folder: [] };
async function worker() {
  for (let job = jobs.shift(); job; job = jobs.shift()) {
    const { set, seed } = job;
    const out = join(work, `run-${set}-${seed}`);
    const data = set === "folder" ? ["--data", pictures, "--dataset.size", "32"] : ["--data", source];
    const model =
      "--model cnn-13 --model.width 0.125 --model.dropout 0.2 --method.classReduction labeled --method.emaDecay 0.98";
    const run = `--labels ${join(work, `${set}-${seed}.txt`)} --seed ${seed} --steps ${values.steps} --batch 100 --labeled-batch 50 --method.rampUpSteps 300 --threads 1 --eval-every 0 --normalize channel --translate 2 --flip`;
    if (!existsSync(join(out, "result.json"))) {
      labelLists(seed);
      const args = [cli, "train", "--dataset", set, ...data, ...model.split(" "), ...run.split(" "), "--out", out];
      const code = await new Promise((done) => {
        spawn(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] }).on("exit", done);
      });
      if (code !== 0) throw new Error(`${set} seed ${seed} ended with code ${code}`);
    }
    const { error, elapsedSeconds } = JSON.parse(readFileSync(join(out, "result.json"), "utf8"));
    errors[set]?.push(error);
    console.log(`${set} seed ${seed}: ${error.toFixed(2)} % (${elapsedSeconds.toFixed(0)} s)`);
  }
}
await Promise.all(Array.from({ length: availableParallelism() }, worker));
for (const [set, list] of Object.entries(errors)) {
  const mean = list.reduce((a, b) => a + b, 0) / list.length;
  const variance = list.reduce((a, b) => a + (b - mean) ** 2, 0) / Math.max(1, list.length - 1);
  console.log(`${set}: ${mean.toFixed(2)} ± ${Math.sqrt(variance).toFixed(2)} % over ${list.length} runs`);
}
