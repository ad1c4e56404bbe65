// Is a network that was trained on other classes worth having? A small one is trained on seven classes of CIFAR-10, and its weights
// are then used for the other three with five labels each: by methods on features, and as the start of training; beside the same
// training from scratch.
//   node scripts/transfer.mjs OUT.json CIFAR10_FOLDER [--seeds 1,2,3] [--labels 15] [--steps 300] [--pretrain 2000] [--keep FOLDER]
// --keep: leave the run of the seven classes there (scripts/suggest-random.mjs takes it).
// OUT.json keeps what was measured, and a row that is in it is not measured again. One thread, one run at a time. Prints the table.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { catalog, defineDataSet, extend, train } from "fewlabels";
import { findDataSet, mean, spread } from "fewlabels/internal";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string", default: "1,2,3" },
    labels: { type: "string", default: "15" },
    steps: { type: "string", default: "300" },
    pretrain: { type: "string", default: "2000" },
    keep: { type: "string" },
  },
});
const [out = "", source = ""] = positionals.map((path) => resolve(path));
if (!source) throw new Error("usage: node scripts/transfer.mjs OUT.json CIFAR10_FOLDER");
const [labels, steps, pretrain] = [Number(values.labels), Number(values.steps), Number(values.pretrain)];

/** Never seen by the first network; fixed before anything was measured. */
const unseen = ["cat", "horse", "truck"];

/** CIFAR-10 with some of its classes. @param {string} name @param {(name: string) => boolean} wanted */
function part(name, wanted) {
  return defineDataSet({
    name,
    summary: "some classes of CIFAR-10",
    source: "CIFAR-10",
    needsDir: true,
    options: {},
    async load({ dir, rng }) {
      const all = await findDataSet("cifar10").load({ dir, rng, options: { train: 50_000 } });
      const classes = all.classes.filter(wanted);
      const take = (/** @type {typeof all.train} */ { pixels, labels: y, ...rest }) => {
        const rows = [...y.keys()].filter((i) => classes.includes(all.classes[y[i] ?? 0] ?? ""));
        const kept = new Uint8Array(rows.length * 3072);
        for (const [to, i] of rows.entries()) kept.set(pixels.slice(i * 3072, (i + 1) * 3072), to * 3072);
        const renamed = Int32Array.from(rows, (i) => classes.indexOf(all.classes[y[i] ?? 0] ?? ""));
        return { ...rest, count: rows.length, pixels: kept, labels: renamed };
      };
      return {
        name,
        classes,
        train: take(all.train),
        test: take(all.test),
        flip: true,
        translate: 2,
        normalize: /** @type {const} */ ("channel"),
      };
    },
  });
}
const known = extend(catalog, {
  dataSets: [part("seen", (name) => !unseen.includes(name)), part("unseen", (name) => unseen.includes(name))],
});
const work = mkdtempSync(join(tmpdir(), "transfer-"));
/** @param {string} name @param {Record<string, unknown>} given */
async function run(name, given) {
  const folder = join(work, name);
  const started = performance.now();
  const network = { model: "convnet-tiny", "model.dropout": 0, "model.inputNoise": 0 };
  const input = { data: source, threads: 1, precision: "fp32", evalEvery: 0, checkpointEvery: 0, out: folder };
  const config = /** @type {any} */ ({ ...network, ...input, ...given });
  const events = train(config, { catalog: known });
  for (let next = await events.next(); ; next = await events.next()) {
    if (!next.done) continue;
    if (!next.value) throw new Error(`${name} did not end`);
    return { folder, result: next.value, seconds: (performance.now() - started) / 1000 };
  }
}

/** @type {{ settings: object, firstError?: number, rows: Record<string, { error: number[], seconds: number[] }> }} */
const kept = existsSync(out)
  ? JSON.parse(readFileSync(out, "utf8"))
  : { settings: { labels, steps, pretrain }, rows: {} };
const first = await run("seen", { dataset: "seen", labels: "all", method: "supervised", steps: pretrain, seed: 1 });
if (values.keep !== undefined) cpSync(first.folder, resolve(values.keep), { recursive: true });
kept.firstError = first.result.error;
const weights = join(first.folder, "checkpoints", `step-${pretrain}`, "teacher.safetensors");
const pretrained = { "model.weights": weights };
const tune = { ...pretrained, "optimizer.backboneLrFactor": 0.1 };
const means = { "model.headStart": "means" };
const trained = { steps, batch: 64 };
/** @type {[string, Record<string, unknown>][]} */
const rows = [
  ["prototypes", { method: "prototypes", ...pretrained }],
  ["knn", { method: "knn", ...pretrained }],
  ["linear-probe", { method: "linear-probe", ...pretrained }],
  ["label-propagation", { method: "label-propagation", ...pretrained }],
  ["labels only, from the weights", { method: "supervised", ...tune, ...trained }],
  ["labels only, from the weights, class-mean head", { method: "supervised", ...tune, ...trained, ...means }],
  ["mean-teacher, from the weights", { method: "mean-teacher", ...tune, ...trained }],
  ["mean-teacher, from the weights, class-mean head", { method: "mean-teacher", ...tune, ...trained, ...means }],
  ["fixmatch, from the weights", { method: "fixmatch", ...tune, ...trained }],
  ["fixmatch, from the weights, class-mean head", { method: "fixmatch", ...tune, ...trained, ...means }],
  ["labels only, from scratch", { method: "supervised", ...trained }],
  ["mean-teacher, from scratch", { method: "mean-teacher", ...trained }],
  ["fixmatch, from scratch", { method: "fixmatch", ...trained }],
];
for (const [at, seed] of values.seeds.split(",").map(Number).entries()) {
  for (const [name, given] of rows) {
    const row = kept.rows[name] ?? { error: [], seconds: [] };
    kept.rows[name] = row;
    if (row.error.length > at) continue;
    const { result, seconds } = await run(`${name}-${seed}`.replaceAll(/\W+/g, "-"), {
      dataset: "unseen",
      labels,
      labelSeed: seed,
      seed,
      ...given,
    });
    row.error.push(result.error);
    row.seconds.push(Math.round(seconds * 10) / 10);
    writeFileSync(out, `${JSON.stringify(kept, null, 1)}\n`);
    console.log(`${name}, seed ${seed}: ${result.error.toFixed(2)} % in ${seconds.toFixed(1)} s`);
  }
}
console.log(`| method | error, % | seeds |\n| --- | --- | --- |`);
for (const [name, { error }] of Object.entries(kept.rows)) {
  console.log(`| ${name} | ${mean(error).toFixed(2)} ± ${spread(error).toFixed(2)} | ${error.length} |`);
}
rmSync(work, { recursive: true });
