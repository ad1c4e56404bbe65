// A pool of many small images streamed from shards through Mean Teacher steps: memory over time, images a second, and
// what part of a step is spent waiting for and making batches.
//   node bench/stream-pool.mjs [--images 1000000] [--passes 1] [--size 16] [--batch 256] [--threads 2]
//     [--format raw|jpeg] [--shuffle-buffer 10000] [--folder DIR] [--out bench/results/stream-pool.json]
// The images are generated (noise around one of ten colors) and written to DIR (default: a temporary folder that is
// removed at the end) in shards of 10,000: raw 16x16 pixels take 1.5 KB each in a tar file, 1.5 GB for a million. A
// folder that already holds them is used as it is. Where the folder is larger than the page cache, the numbers are
// those of the disk.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import {
  encodeImage,
  encodePixmap,
  flatten,
  liveTensors,
  openSession,
  Rng,
  resolveConfig,
  ShardWriter,
  scope,
} from "fewlabels/internal";

const { values } = parseArgs({
  options: {
    images: { type: "string", default: "1000000" },
    passes: { type: "string", default: "1" },
    size: { type: "string", default: "16" },
    batch: { type: "string", default: "256" },
    threads: { type: "string", default: "2" },
    format: { type: "string", default: "raw" },
    "shuffle-buffer": { type: "string", default: "10000" },
    folder: { type: "string" },
    out: { type: "string" },
  },
});
const [images, size, batch] = [Number(values.images), Number(values.size), Number(values.batch)];
const labeledBatch = Math.max(1, Math.round(batch / 8));
const shardSize = 10_000;
const folder = values.folder ?? mkdtempSync(join(tmpdir(), "fewlabels-pool-"));
mkdirSync(folder, { recursive: true });

/**
 * Pixels of image `number`: one of ten colors, moved by noise that is drawn anew every 997 images and shifted in
 * between.
 */
const noise = Uint8Array.from(
  { length: 3 * size * size + 997 },
  (
    (rng) => () =>
      rng.integer(64)
  )(Rng.fromSeed(1)),
);
const pixels = new Uint8Array(3 * size * size);
/** @param {number} number */
function paint(number) {
  const label = number % 10;
  const area = size * size;
  for (let c = 0; c < 3; c++) {
    const level = ((label * (c + 3) * 37) % 160) + (number % 31);
    for (let at = 0; at < area; at++) pixels[c * area + at] = level + (noise[c * area + at + (number % 997)] ?? 0);
  }
  return { label, width: size, height: size, channels: /** @type {3} */ (3), pixels };
}

/** @param {string} part @param {number} count @param {number} from */
async function writePart(part, count, from) {
  const writer = new ShardWriter(join(folder, "pool"), part, shardSize);
  const extension = values.format === "jpeg" ? "jpg" : "ppm";
  for (let i = 0; i < count; i++) {
    const image = paint(from + i);
    const content = extension === "jpg" ? await encodeImage(image.pixels, image, "jpeg") : encodePixmap(image);
    /** @type {Record<string, Uint8Array>} */
    const label = part === "unlabeled" ? {} : { cls: Buffer.from(String(image.label)) };
    writer.add(String(i).padStart(9, "0"), { [extension]: content, ...label });
  }
  writer.finish();
}

const pattern = (/** @type {string} */ part, /** @type {number} */ count) =>
  join(folder, `pool-${part}-{000000..${String(Math.ceil(count / shardSize) - 1).padStart(6, "0")}}.tar`);
const mb = (/** @type {number} */ bytes) => Math.round(bytes / 1e6);

let began = performance.now();
if (!existsSync(join(folder, "pool-unlabeled-000000.tar"))) {
  await writePart("labeled", 500, images);
  await writePart("test", 500, images + 500);
  await writePart("unlabeled", images, 0);
}
const bytes = readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
console.log(
  `${images} images of ${size}x${size} in ${mb(bytes)} MB of shards, made in ${seconds(began)} s; load ${load()}`,
);

const unlabeledBatch = batch - labeledBatch;
const steps = Math.ceil((Number(values.passes) * images) / unlabeledBatch);
const config = resolveConfig(
  flatten({
    dataset: "shards",
    data: pattern("labeled", 500),
    unlabeled: pattern("unlabeled", images),
    "dataset.testShards": pattern("test", 500),
    "dataset.size": size,
    "dataset.shuffleBuffer": values["shuffle-buffer"],
    "dataset.maxDamaged": 0,
    labels: 100,
    method: "mean-teacher",
    model: "convnet-tiny",
    "model.width": 0.25,
    batch,
    labeledBatch,
    steps,
    threads: values.threads,
    out: join(folder, "run"),
  }),
);
began = performance.now();
const session = await openSession(config);
const indexSeconds = Number(seconds(began));
console.log(
  `${session.data.pool?.count} images counted by their headers in ${indexSeconds} s; ${steps} steps of ${unlabeledBatch} + ${labeledBatch} rows`,
);

const { batches, method } = session;
const spent = { wait: 0, make: 0, step: 0 };
/** @type {{ step: number, rssMB: number, imagesPerSecond: number }[]} */
const samples = [];
const every = Math.max(1, Math.floor(steps / 20));
const seen = new Set();
let [last, tensors] = [performance.now(), 0];
began = last;
for (let step = 0; step < steps; step++) {
  const start = performance.now();
  await batches.prepare(step);
  const ready = performance.now();
  scope(() => {
    const made = batches.batch(step);
    if (images <= 200_000) for (const index of made.unlabeled.index.toNumbers()) seen.add(index);
    const makeEnd = performance.now();
    spent.make += makeEnd - ready;
    const metrics = method.step(made, { step, epoch: batches.epoch, totalSteps: steps });
    for (const value of Object.values(metrics)) if (typeof value !== "number") value.item();
    spent.step += performance.now() - makeEnd;
  });
  spent.wait += ready - start;
  if ((step + 1) % every === 0 || step === steps - 1) {
    const now = performance.now();
    const done = (step + 1) % every === 0 ? every : (step + 1) % every;
    const imagesPerSecond = Math.round((1000 * done * unlabeledBatch) / (now - last));
    const rssMB = mb(process.memoryUsage.rss());
    samples.push({ step: step + 1, rssMB, imagesPerSecond });
    if (tensors === 0) tensors = liveTensors();
    console.log(
      `step ${step + 1}/${steps}  epoch ${batches.epoch.toFixed(3)}  RSS ${rssMB} MB  ${imagesPerSecond} unlabeled images/s`,
    );
    last = now;
  }
}
const total = performance.now() - began;
const share = (/** @type {number} */ part) => Number(((100 * part) / total).toFixed(1));
const result = {
  images,
  size,
  format: values.format,
  shardsMB: mb(bytes),
  steps,
  batch,
  unlabeledRows: steps * unlabeledBatch,
  ...(seen.size > 0 ? { differentImages: seen.size } : {}),
  indexSeconds,
  seconds: Number((total / 1000).toFixed(1)),
  unlabeledImagesPerSecond: Math.round((1000 * steps * unlabeledBatch) / total),
  percent: { waitingForPictures: share(spent.wait), makingBatches: share(spent.make), training: share(spent.step) },
  rssMB: {
    first: samples[0]?.rssMB,
    last: samples.at(-1)?.rssMB,
    most: Math.max(...samples.map(({ rssMB }) => rssMB)),
  },
  liveTensorsGrowth: liveTensors() - tensors,
  samples,
  machine: {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    threads: config.threads,
    load: load(),
    node: process.version,
  },
  date: new Date().toISOString().slice(0, 10),
};
console.log(JSON.stringify({ ...result, samples: undefined }, null, 2));
if (values.out) writeFileSync(values.out, `${JSON.stringify(result, null, 2)}\n`);
await batches.close();
session.data.release();
if (values.folder === undefined) rmSync(folder, { recursive: true });

function load() {
  return Number(loadavg()[0]?.toFixed(1));
}

/** @param {number} since */
function seconds(since) {
  return ((performance.now() - since) / 1000).toFixed(1);
}
