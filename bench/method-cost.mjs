// What a step of each method costs, and where: time in forward and backward passes against everything else.
//   node bench/method-cost.mjs [--steps 40] [--threads 2] [--methods a,b] [--out bench/results/method-cost.json]
// One network (cnn-13 at width 0.25), one batch (20 labeled and 80 unlabeled rows of generated digits), every method at its
// defaults; supervised gets the 20 labeled rows. "rest" is everything that is neither pass: views, losses, optimizer, moving
// averages; "passes" counts network evaluations of a step in rows, with and without a gradient.

import { mkdtempSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { flatten, methods, openSession, resolveConfig, scope, Tensor, writePredictionTable } from "fewlabels/internal";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "40" },
    threads: { type: "string", default: "2" },
    methods: { type: "string" },
    out: { type: "string" },
  },
});
const steps = Number(values.steps);
const wanted = values.methods?.split(",") ?? methods.map((method) => method.name);
/** @type {(list: number[]) => number} */
const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

/** Times of one step, in ms; reset before each. */
const spent = { forward: 0, backward: 0, withGradient: 0, without: 0 };
let depth = 0;
/** @template T @param {"forward" | "backward"} what @param {() => T} work @returns {T} */
function timed(what, work) {
  if (depth > 0) return work();
  depth++;
  const start = performance.now();
  try {
    return work();
  } finally {
    spent[what] += performance.now() - start;
    depth--;
  }
}
const backward = Tensor.prototype.backward;
Tensor.prototype.backward = function () {
  return timed("backward", () => backward.call(this));
};

/** @param {any} model */
function watch(model) {
  for (const name of ["forward", "forwardHeads"]) {
    const original = model[name];
    model[name] = (/** @type {any} */ x, /** @type {any} */ pass) =>
      timed("forward", () => {
        const out = original(x, pass);
        if (depth === 1) spent[(out.logits ?? out).requiresGrad ? "withGradient" : "without"] += x.size(0);
        return out;
      });
  }
}

/** Predictions that say nothing, for the training images of a run: the file of a temporary folder. @param {object} given */
async function uniformTable(given) {
  const { data } = await openSession(resolveConfig(flatten({ ...given, method: { name: "supervised" } })));
  const [rows, classes] = [data.trainLabels.length, data.classes];
  const path = join(mkdtempSync(join(tmpdir(), "method-cost-")), "uniform.table");
  const info = {
    rows,
    classes,
    dtype: /** @type {const} */ ("float16"),
    dataFingerprint: data.fingerprint,
    source: "uniform",
  };
  writePredictionTable(path, info, [new Float32Array(rows * classes.length).fill(1 / classes.length)]);
  data.release();
  return path;
}

/** @param {string} name */
async function measure(name) {
  const definition = methods.find((method) => method.name === name);
  if (!definition) throw new Error(`no method ${name}`);
  const rows = definition.usesUnlabeled ? { batch: 100, labeledBatch: 20 } : { batch: 20 };
  const given = {
    dataset: "digits",
    labels: 100,
    model: { name: "cnn-13", width: 0.25 },
    steps: 100_000,
    out: "unused",
    threads: Number(values.threads),
    ...rows,
  };
  const table = "table" in definition.options ? { table: await uniformTable(given) } : {};
  const config = resolveConfig(flatten({ ...given, method: { name, ...table } }));
  const session = await openSession(config);
  for (const owner of Object.values(session.method.state)) if ("forwardHeads" in owner) watch(owner);
  /** @type {{ total: number, forward: number, backward: number }[]} */
  const times = [];
  const counts = { withGradient: 0, without: 0 };
  for (let step = 0; step < steps; step++) {
    Object.assign(spent, { forward: 0, backward: 0, withGradient: 0, without: 0 });
    const start = performance.now();
    scope(() => {
      const batch = session.batches.batch(step);
      const metrics = session.method.step(batch, { step, epoch: session.batches.epoch, totalSteps: 100_000 });
      for (const value of Object.values(metrics)) if (value instanceof Tensor) value.item();
    });
    times.push({ total: performance.now() - start, forward: spent.forward, backward: spent.backward });
    Object.assign(counts, { withGradient: spent.withGradient, without: spent.without });
    await new Promise((resolve) => void setImmediate(resolve));
  }
  session.data.release();
  const warm = times.slice(Math.min(5, steps - 1));
  const pick = (/** @type {"total" | "forward" | "backward"} */ key) => median(warm.map((time) => time[key]));
  const [total, forward, back] = [pick("total"), pick("forward"), pick("backward")];
  return { name, total, forward, backward: back, overPasses: total / (forward + back), ...counts };
}

/** @type {Awaited<ReturnType<typeof measure>>[]} */
const results = [];
for (const name of wanted) results.push(await measure(name));
const base = results.find(({ name }) => name === "supervised")?.total ?? Number.NaN;
console.log(
  "| method | ms a step | x supervised | rows with gradient | rows without | forward ms | backward ms | whole over passes |",
);
console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
for (const { name, total, forward, backward: back, overPasses, withGradient, without } of results) {
  const cells = [
    name,
    total.toFixed(1),
    (total / base).toFixed(2),
    withGradient,
    without,
    forward.toFixed(1),
    back.toFixed(1),
    overPasses.toFixed(3),
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
if (values.out) {
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, load: loadavg(), threads: Number(values.threads) };
  writeFileSync(values.out, `${JSON.stringify({ date: new Date().toISOString(), machine, results }, null, 1)}\n`);
}
