// The same pictures (CIFAR-10, written out as JPEG files) trained on from memory, from a folder half of which fits into
// memory, from one of which nothing does, and from shards: time of a step, and what of it is waiting for pictures.
//   node bench/folder.mjs [--data ../shared/data] [--images 6000] [--size 64] [--steps 20] [--rounds 3] [--batch 100]
//     [--width 0.25] [--threads 2] [--folder DIR] [--out bench/results/folder.json]
// A sixth of the pictures is labeled, a sixth tests, the others have no label. The runs take turns, `rounds` times `steps`
// steps each, so that what else the machine does falls on all of them. DIR (default: a temporary folder that is removed
// at the end) may hold the files of an earlier call.

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  findDataSet,
  flatten,
  folderItems,
  openSession,
  packShards,
  parseOptions,
  Rng,
  resolveConfig,
  scope,
} from "fewlabels/internal";
import sharp from "sharp";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: process.env.FEWLABELS_DATA ?? "../shared/data" },
    images: { type: "string", default: "6000" },
    size: { type: "string", default: "64" },
    steps: { type: "string", default: "20" },
    rounds: { type: "string", default: "3" },
    batch: { type: "string", default: "100" },
    width: { type: "string", default: "0.25" },
    threads: { type: "string", default: "2" },
    folder: { type: "string" },
    out: { type: "string" },
  },
});
const [images, size, batch] = [Number(values.images), Number(values.size), Number(values.batch)];
const [steps, rounds] = [Number(values.steps), Number(values.rounds)];
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "fewlabels-folder-"));
const pictures = join(folder, "pictures");

/** Writes the first pictures of the training set out. */
async function writePictures() {
  const cifar10 = findDataSet("cifar10");
  const { train, classes } = await cifar10.load({
    dir: values.data,
    rng: Rng.fromSeed(0),
    options: parseOptions(cifar10.options, {}, "cifar10"),
  });
  const bytes = 3 * 32 * 32;
  for (let i = 0; i < images; i++) {
    const planes = train.pixels.subarray(i * bytes, (i + 1) * bytes);
    const rows = new Uint8Array(bytes);
    for (let at = 0; at < 1024; at++) for (let c = 0; c < 3; c++) rows[3 * at + c] = planes[1024 * c + at] ?? 0;
    const name = classes[train.labels[i] ?? 0] ?? "";
    const part = i % 6 === 0 ? join("train", name) : i % 6 === 1 ? join("test", name) : "unlabeled";
    mkdirSync(join(pictures, part), { recursive: true });
    const picture = sharp(rows, { raw: { width: 32, height: 32, channels: 3 } }).resize(size, size);
    await picture.jpeg({ quality: 90 }).toFile(join(pictures, part, `${i}.jpg`));
  }
}

let began = performance.now();
if (!existsSync(pictures)) await writePictures();
const shards = join(folder, `shards-${size}`);
if (!existsSync(`${shards}.json`)) {
  const options = { unlabeledDir: undefined, format: /** @type {const} */ ("copy"), decoding: undefined };
  const { items, classes } = folderItems(pictures, options);
  await packShards(items, { classes, format: "copy" }, { prefix: shards, shardSize: 1000, seed: 0 });
}
console.log(`${images} pictures of ${size}x${size}, made in ${seconds(began)} s; load ${load()}`);

/** @param {string} part */
const shardsOf = (part) => {
  let count = 0;
  while (existsSync(`${shards}-${part}-${String(count).padStart(6, "0")}.tar`)) count++;
  return `${shards}-${part}-{000000..${String(count - 1).padStart(6, "0")}}.tar`;
};
const wholeMB = Math.ceil((images * 3 * size * size) / 1e6);
/** @type {Record<string, Record<string, unknown>>} */
const ways = {
  "folder, all in memory": { dataset: "folder", data: pictures, "dataset.memoryMB": 2 * wholeMB },
  "folder, half in memory": { dataset: "folder", data: pictures, "dataset.memoryMB": Math.max(1, wholeMB >> 1) },
  "folder, next to nothing in memory": { dataset: "folder", data: pictures, "dataset.memoryMB": 1 },
  shards: {
    dataset: "shards",
    data: shardsOf("labeled"),
    unlabeled: shardsOf("unlabeled"),
    "dataset.testShards": shardsOf("test"),
    "dataset.shuffleBuffer": 1000,
  },
};

/** @param {string} way */
async function open(way) {
  const start = performance.now();
  const config = resolveConfig(
    flatten({
      ...ways[way],
      "dataset.size": size,
      labels: "all",
      method: "mean-teacher",
      model: "cnn-13",
      "model.width": values.width,
      batch,
      testBatch: batch,
      steps: 1e6,
      threads: values.threads,
      out: join(folder, "run"),
    }),
  );
  const session = await openSession(config);
  const { cache } = session.data.train;
  return {
    way,
    session,
    openSeconds: seconds(start),
    slots: cache ? `${cache.residing} + ${cache.capacity - cache.residing}` : undefined,
    next: 0,
    /** @type {number[]} */
    times: [],
    waited: 0,
  };
}
/** @type {Awaited<ReturnType<typeof open>>[]} */
const runs = [];
for (const way of Object.keys(ways)) runs.push(await open(way));

/** @param {Awaited<ReturnType<typeof open>>} run @param {boolean} count */
async function oneStep(run, count) {
  const { batches, method } = run.session;
  const start = performance.now();
  await batches.prepare(run.next);
  const ready = performance.now();
  scope(() => {
    const made = batches.batch(run.next);
    const metrics = method.step(made, { step: run.next, epoch: batches.epoch, totalSteps: 1e6 });
    for (const value of Object.values(metrics)) if (typeof value !== "number") value.item();
  });
  await new Promise((resolve) => void setImmediate(resolve));
  run.next++;
  if (!count) return;
  run.times.push(performance.now() - start);
  run.waited += ready - start;
}

began = performance.now();
for (let round = 0; round < rounds; round++) {
  for (const run of runs) {
    for (let i = 0; i < 2; i++) await oneStep(run, false); // caches warm up, and pictures decoded in the pause are used up
    for (let i = 0; i < steps; i++) await oneStep(run, true);
  }
}
const median = (/** @type {number[]} */ list) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? Number.NaN;
const first = median(runs[0]?.times ?? []);
const table = runs.map(({ way, times, waited, openSeconds, slots }) => ({
  way,
  ...(slots ? { slots } : {}),
  openSeconds,
  stepMs: Number(median(times).toFixed(1)),
  waitMs: Number((waited / times.length).toFixed(2)),
  percentOfMemory: Number(((100 * median(times)) / first).toFixed(1)),
  imagesPerSecond: Math.round((1000 * batch) / median(times)),
}));
console.table(table);
const result = {
  images,
  size,
  batch,
  width: Number(values.width),
  stepsEach: steps * rounds,
  runs: table,
  machine: { cpu: cpus()[0]?.model, cores: cpus().length, threads: Number(values.threads), load: load() },
  node: process.version,
  date: new Date().toISOString().slice(0, 10),
};
if (values.out) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
for (const { session } of runs) {
  await session.batches.close();
  session.data.release();
}
if (values.folder === undefined) rmSync(folder, { recursive: true });

/** @param {number} since */
function seconds(since) {
  return Number(((performance.now() - since) / 1000).toFixed(1));
}

function load() {
  return Number(loadavg()[0]?.toFixed(1));
}
