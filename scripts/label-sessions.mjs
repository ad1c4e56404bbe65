// Is a label that the studio asks for worth more than one drawn at random? Scripted sessions: pictures of CIFAR-10 and MNIST as a folder of
// files, read and chosen from by the studio's own code (features of the pixels, or of --source), asked anew every 8 labels as the studio does;
// at 20, 50, 100 and 250 labels a linear probe on the labels so far is tested on other pictures. At random: the same with labels drawn at
// random. The truth answers; nothing is chosen by the test pictures.
//   node scripts/label-sessions.mjs OUT.json DATA [--sets cifar10,mnist,cifar10-unseen] [--source RUN] [--pool 2000] [--test 1000] [--seeds 1,2,3] [--figure OUT.svg]
// DATA: the folder with cifar-10-batches-bin and mnist. cifar10-unseen: three classes, with features of --source, a network that was trained on
// the other seven (node scripts/transfer.mjs ... --keep RUN). What is in OUT.json is not measured again; without a set left it draws the figure.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import * as Plot from "@observablehq/plot";
import {
  chooseNext,
  errorOf,
  featuresOf,
  findDataSet,
  fitOnPath,
  mean,
  Rng,
  renderPlot,
  rowsOf,
  setThreads,
  spread,
} from "fewlabels/internal";
import { pngOf } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    sets: { type: "string", default: "cifar10,mnist" },
    source: { type: "string" },
    pool: { type: "string", default: "2000" },
    test: { type: "string", default: "1000" },
    seeds: { type: "string", default: "1,2,3" },
    figure: { type: "string" },
  },
});
const [out = "", data] = positionals;
if (!out) throw new Error("usage: node scripts/label-sessions.mjs OUT.json DATA");
const budgets = [20, 50, 100, 250];
/** Answers until the studio chooses anew, and how many it chooses. */
const [answers, chosen] = [8, 48];
const folders = { cifar10: "cifar-10-batches-bin", mnist: "mnist", "cifar10-unseen": "cifar-10-batches-bin" };
/** As in scripts/transfer.mjs. */
const unseen = ["cat", "horse", "truck"];
setThreads(1);

/** Writes pictures as PNG files; gives paths and classes. @param {any} set @param {number} count @param {string} folder @param {string[]} wanted @param {string[]} classes @param {Rng} rng */
async function files(set, count, folder, wanted, classes, rng) {
  mkdirSync(folder, { recursive: true });
  const known = Array.from({ length: set.count }, (_, i) => i).filter((i) =>
    wanted.includes(classes[set.labels[i]] ?? ""),
  );
  const rows = [...rng.shuffle(Int32Array.from(known))].slice(0, count);
  const paths = [];
  for (const row of rows) {
    const path = join(folder, `${row}.png`);
    writeFileSync(path, await pngOf(set, row));
    paths.push(path);
  }
  return { paths, y: Int32Array.from(rows, (row) => wanted.indexOf(classes[set.labels[row]] ?? "")) };
}

/** @param {"cifar10" | "mnist" | "cifar10-unseen"} name @param {number} seed @param {string} work */
async function session(name, seed, work) {
  const rng = Rng.fromSeed(seed);
  const definition = findDataSet(name === "cifar10-unseen" ? "cifar10" : name);
  const options = Object.fromEntries(Object.entries(definition.options).map(([key, option]) => [key, option.default]));
  const set = await definition.load({ dir: join(data ?? "", folders[name]), rng: Rng.fromSeed(0), options });
  const wanted = name === "cifar10-unseen" ? unseen : [...set.classes];
  const folder = join(work, `${name}-${seed}`);
  const classes = [...set.classes];
  const pool = await files(set.train, Number(values.pool), join(folder, "pool"), wanted, classes, rng.split("pool"));
  const test = await files(set.test, Number(values.test), join(folder, "test"), wanted, classes, rng.split("test"));
  const source = name === "cifar10-unseen" ? values.source : undefined;
  if (name === "cifar10-unseen" && !source) throw new Error("cifar10-unseen needs --source RUN");
  // Filters of the pixels are made of all pictures that are there; no label takes part.
  const all = await featuresOf(
    [...pool.paths, ...test.paths],
    { source, cache: null, threads: 1 },
    rng.split("features"),
  );
  const { values: features, unit, size } = all;
  const n = pool.paths.length;
  const y = Int32Array.of(...pool.y, ...test.y);
  const numClasses = wanted.length;
  const examples = { features, size, y, numClasses };
  const tested = rowsOf(
    examples,
    Array.from(test.paths, (_, i) => n + i),
  );
  /** @param {readonly number[]} rows @param {number} budget */
  const error = (rows, budget) => errorOf(fitOnPath(rowsOf(examples, rows), 5, rng.split(`probe:${budget}`)), tested);
  const part = { features: features.subarray(0, n * size), unit: unit.subarray(0, n * size), size, numClasses };
  const labels = new Int32Array(n).fill(-1);
  /** @type {number[]} */
  const asked = [];
  const order = [...rng.split("random").permutation(n)];
  const result = { studio: /** @type {number[]} */ ([]), random: /** @type {number[]} */ ([]) };
  let choices = 0;
  const started = performance.now();
  for (const budget of budgets) {
    while (asked.length < budget) {
      const { rows } = chooseNext(part, labels, chosen, rng.split(`choose:${++choices}`));
      for (const row of rows.slice(0, Math.min(answers, budget - asked.length))) {
        labels[row] = pool.y[row] ?? -1;
        asked.push(row);
      }
    }
    result.studio.push(error(asked, budget));
    result.random.push(error(order.slice(0, budget), budget));
  }
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  rmSync(folder, { recursive: true });
  return { seed, ...result, choices, seconds, load: Number((loadavg()[0] ?? 0).toFixed(1)) };
}

/** @type {{ settings: object, sets: Record<string, Awaited<ReturnType<typeof session>>[]> }} */
const kept = existsSync(out)
  ? JSON.parse(readFileSync(out, "utf8"))
  : {
      settings: {
        budgets,
        pool: Number(values.pool),
        test: Number(values.test),
        answers,
        chosen,
        classifier: "linear probe, L2 by 5 folds",
      },
      sets: {},
    };
const work = mkdtempSync(join(tmpdir(), "label-sessions-"));
try {
  for (const name of /** @type {("cifar10" | "mnist" | "cifar10-unseen")[]} */ (
    values.sets.split(",").filter(Boolean)
  )) {
    const rows = kept.sets[name] ?? [];
    kept.sets[name] = rows;
    for (const seed of values.seeds.split(",").map(Number)) {
      if (rows.some((one) => one.seed === seed)) continue;
      rows.push(await session(name, seed, work));
      writeFileSync(out, `${JSON.stringify(kept, null, 1)}\n`);
      console.error(`${name}, seed ${seed}: ${JSON.stringify(rows.at(-1))}`);
    }
  }
} finally {
  rmSync(work, { recursive: true });
}

const titles = /** @type {Record<string, string>} */ ({
  cifar10: "CIFAR-10, ten classes, features of the pixels",
  mnist: "MNIST, features of the pixels",
  "cifar10-unseen": "CIFAR-10: cat, horse, truck; features of a network trained on the other seven",
});
const cell = (/** @type {number[]} */ all) => `${mean(all).toFixed(2)} ± ${spread(all).toFixed(2)}`;
/** @type {{ set: string, labels: number, arm: string, error: number }[]} */
const points = [];
/** @type {typeof points} */
const means = [];
console.log(
  "| pictures | labels | chosen by the studio, error % | at random | difference by seed |\n| --- | --- | --- | --- | --- |",
);
for (const [name, rows] of Object.entries(kept.sets)) {
  for (const [at, labels] of budgets.entries()) {
    const [studio, random] = [rows.map((row) => row.studio[at] ?? 0), rows.map((row) => row.random[at] ?? 0)];
    const differences = studio.map((error, i) => (error - (random[i] ?? 0)).toFixed(1)).join(", ");
    console.log(`| ${titles[name]} | ${labels} | ${cell(studio)} | ${cell(random)} | ${differences} |`);
    for (const [arm, errors] of /** @type {const} */ ([
      ["chosen by the studio", studio],
      ["at random", random],
    ])) {
      const point = { set: titles[name] ?? name, labels, arm };
      for (const error of errors) points.push({ ...point, error });
      means.push({ ...point, error: mean(errors) });
    }
  }
}
if (values.figure) {
  const series = ["chosen by the studio", "at random"];
  const sets = [...new Set(points.map(({ set }) => set))];
  const svg = renderPlot(
    {
      width: 700,
      height: 240 * sets.length,
      marginLeft: 50,
      marginRight: 20,
      fy: { domain: sets, axis: null },
      x: { type: "log", ticks: budgets, tickFormat: "d", label: "labels" },
      y: { label: "test error, %", grid: true, zero: true },
      marks: [
        Plot.frame({ stroke: "#ccc" }),
        Plot.text(sets, { fy: (set) => set, text: (set) => set, frameAnchor: "top-right", dx: -8, dy: 8 }),
        Plot.line(means, { x: "labels", y: "error", stroke: "arm", fy: "set", strokeWidth: 2 }),
        Plot.dot(points, { x: "labels", y: "error", fill: "arm", fy: "set", r: 3 }),
      ],
    },
    series,
  );
  writeFileSync(values.figure, svg);
}
