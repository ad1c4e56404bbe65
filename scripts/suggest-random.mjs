// Is a picture that `data suggest` asks for worth more than one drawn at random? Three classes of CIFAR-10, features of a network that was
// trained on the other seven (node scripts/transfer.mjs ... --keep SOURCE); the list grows to 20, 50 and 100 labels, each time asked for anew
// with the labels so far; a linear probe on the labels is then tested. Nothing is chosen by the test pictures.
//   node scripts/suggest-random.mjs OUT.json CIFAR10_FOLDER SOURCE [--pool 3000] [--test 1500] [--seeds 1,2,3,4,5]
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  embed,
  errorOf,
  findDataSet,
  fitOnPath,
  mean,
  openPictureModel,
  Rng,
  rowsOf,
  spread,
  suggest,
} from "fewlabels/internal";
import { pngOf } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pool: { type: "string", default: "3000" },
    test: { type: "string", default: "1500" },
    seeds: { type: "string", default: "1,2,3,4,5" },
  },
});
const [out, dir, source] = positionals;
if (!out || !dir || !source) throw new Error("usage: node scripts/suggest-random.mjs OUT.json CIFAR10_FOLDER SOURCE");
/** As in scripts/transfer.mjs. */
const unseen = ["cat", "horse", "truck"];
const budgets = [20, 50, 100];

const cifar10 = await findDataSet("cifar10").load({ dir, rng: Rng.fromSeed(0), options: { train: 50_000 } });
const work = mkdtempSync(join(tmpdir(), "suggest-"));
const model = await openPictureModel(source, { threads: 1 });

/** Features and classes of the first `count` pictures of those classes. @param {typeof cifar10.train} set @param {string} part @param {number} count */
async function examplesOf(set, part, count) {
  const rows = [...set.labels.keys()]
    .filter((i) => unseen.includes(cifar10.classes[set.labels[i] ?? 0] ?? ""))
    .slice(0, count);
  const files = [];
  for (const row of rows) {
    files.push(join(work, `${part}-${row}.png`));
    writeFileSync(files.at(-1) ?? "", await pngOf(set, row));
  }
  const found = [];
  for await (const item of embed(model, files, { cache: null })) {
    if ("error" in item) throw new Error(item.error);
    found.push(item.features);
  }
  const size = found[0]?.length ?? 0;
  const features = new Float32Array(found.length * size);
  for (const [i, row] of found.entries()) features.set(row, i * size);
  const y = Int32Array.from(rows, (row) => unseen.indexOf(cifar10.classes[set.labels[row] ?? 0] ?? ""));
  return { features, size, y, numClasses: unseen.length };
}

const pool = await examplesOf(cifar10.train, "train", Number(values.pool));
const test = await examplesOf(cifar10.test, "test", Number(values.test));
/** @param {readonly number[]} rows @param {Rng} rng */
const probeError = (rows, rng) => errorOf(fitOnPath(rowsOf(pool, rows), 5, rng), test);

/** An error a seed. @type {{ labels: number, suggested: number[], random: number[] }[]} */
const errors = budgets.map((labels) => ({ labels, suggested: [], random: [] }));
for (const seed of values.seeds.split(",").map(Number)) {
  const rng = Rng.fromSeed(seed);
  const order = [...rng.split("random").permutation(pool.y.length)];
  const y = new Int32Array(pool.y.length).fill(-1);
  /** @type {number[]} */
  const asked = [];
  for (const { labels: budget, ...found } of errors) {
    const { rows } = suggest({ ...pool, y }, budget - asked.length, rng.split(`suggest:${budget}`));
    for (const row of rows) y[row] = pool.y[row] ?? -1;
    asked.push(...rows);
    found.suggested.push(probeError(asked, rng.split(`probe:${budget}`)));
    found.random.push(probeError(order.slice(0, budget), rng.split(`probe:${budget}`)));
  }
}
rmSync(work, { recursive: true });
const settings = { unseen, pool: pool.y.length, test: test.y.length, seeds: values.seeds };
writeFileSync(out, `${JSON.stringify({ settings, errors }, null, 1)}\n`);
console.log(`| labels | suggested, error % | at random |\n| --- | --- | --- |`);
const cell = (/** @type {number[]} */ all) => `${mean(all).toFixed(2)} ± ${spread(all).toFixed(2)}`;
for (const { labels, suggested, random } of errors) console.log(`| ${labels} | ${cell(suggested)} | ${cell(random)} |`);
