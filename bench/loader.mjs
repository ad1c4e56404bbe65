// How fast pictures get to the network: decoded from files, and augmented from memory, at 32, 64 and 224 pixels.
//   node bench/loader.mjs [--seconds 3] [--threads 1] [--source 500x375] [--out bench/results/loader.json]
// Everything runs on the threads asked for, 1 unless told: images a second are then per core. "decode" reads JPEG files through
// src/data/decode.ts (crop fit: the short side fits); "weak" and "strong" make one view of 100 rows through the loader, from memory;
// "both" is what an image costs that is decoded for every use, weak view included: 1 / (1 / decode + 1 / weak).

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "3" },
    threads: { type: "string", default: "1" },
    source: { type: "string", default: "500x375" },
    out: { type: "string" },
  },
});
const [seconds, threads] = [Number(values.seconds), Number(values.threads)];
// Node's pool decodes; it must be told before it starts.
process.env.UV_THREADPOOL_SIZE = String(threads);
const { default: sharp } = await import("sharp");
const { Rng, createLoader, defaultMaxMegapixels, normalizeData, planWeak, readImage, scope, setThreads, storeImages } =
  await import("fewlabels/internal");
setThreads(threads);

/** Calls a second of `work`, after one that does not count. @param {() => unknown} work */
async function rate(work) {
  await work();
  const start = performance.now();
  let calls = 0;
  while (performance.now() - start < seconds * 1000) {
    await work();
    calls++;
  }
  return (1000 * calls) / (performance.now() - start);
}

/**
 * A picture with edges, gradients and grain, so that its JPEG is as long as that of a photo.
 * @param {number} seed @param {number} width @param {number} height
 */
async function photo(seed, width, height) {
  const rng = Rng.fromSeed(seed);
  const draw = () => rng.integer(1000) / 1000;
  const discs = Array.from({ length: 40 }, () => ({
    x: draw(),
    y: draw(),
    radius: 0.2 * draw(),
    color: [255 * draw(), 255 * draw(), 255 * draw()],
  }));
  const pixels = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const disc = discs.findLast((one) => (x / width - one.x) ** 2 + (y / height - one.y) ** 2 < one.radius ** 2);
      const color = disc?.color ?? [(200 * x) / width, (200 * y) / height, 90];
      color.forEach((level, c) => {
        pixels[3 * (y * width + x) + c] = Math.min(255, level + rng.integer(24));
      });
    }
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 85 })
    .toBuffer();
}

/** All of `items`, so many at a time. @template T @param {readonly T[]} items @param {(item: T) => unknown} work */
async function inTurn(items, work) {
  const waiting = [...items];
  const next = async () => {
    for (let item = waiting.pop(); item !== undefined; item = waiting.pop()) await work(item);
  };
  await Promise.all(Array.from({ length: threads }, next));
}

/** @type {{ size: number, stored: number, weak: import("fewlabels/internal").WeakName }[]} */
const cases = [
  { size: 32, stored: 32, weak: "translate" },
  { size: 32, stored: 32, weak: "photo" },
  { size: 64, stored: 64, weak: "translate" },
  { size: 64, stored: 64, weak: "photo" },
  { size: 224, stored: 256, weak: "photo" },
  { size: 224, stored: 256, weak: "imagenet-mt" },
  { size: 224, stored: 256, weak: "imagenet-gmpl" },
];
const count = 60;
const none = new Int32Array(0);
const folder = mkdtempSync(join(tmpdir(), "fewlabels-bench-"));
const rows = [];
/** Images decoded a second, by size. @type {Map<number, number>} */
const decoded = new Map();
try {
  const [width = 500, height = 375] = values.source.split("x").map(Number);
  /** @type {string[]} */
  const paths = [];
  let bytes = 0;
  for (let i = 0; i < 12; i++) {
    const content = await photo(i, width, height);
    bytes += content.length / 12;
    const path = join(folder, `${i}.jpg`);
    writeFileSync(path, content);
    paths.push(path);
  }
  const load = loadavg()[0]?.toFixed(1);
  console.log(
    `${values.source} JPEG of ${Math.round(bytes / 1024)} KB, ${threads} thread(s), load ${load}; images a second`,
  );
  for (const { size, stored, weak } of cases) {
    /** @type {import("fewlabels/internal").Decoding} */
    const decoding = { size: stored, channels: 3, fit: "crop", maxMegapixels: defaultMaxMegapixels };
    const decode =
      decoded.get(stored) ?? paths.length * (await rate(() => inTurn(paths, (path) => readImage(path, decoding))));
    decoded.set(stored, decode);
    const pixels = new Uint8Array(count * 3 * stored * stored);
    for (let i = 0; i < count; i++) {
      const image = await readImage(paths[i % paths.length] ?? "", decoding);
      if ("pixels" in image) pixels.set(image.pixels, i * 3 * stored * stored);
    }
    const set = { pixels, count, channels: 3, height: stored, width: stored, labels: new Int32Array(count) };
    const plan = planWeak({ name: weak, ...(weak === "translate" ? {} : { side: size }) }, { ...set, bytes: true });
    const how = plan.kind === "photo" ? { photo: plan, evaluation: plan.evaluation } : {};
    const store = storeImages(normalizeData("channel", set, set).train, how);
    const index = Int32Array.from({ length: 100 }, (_, i) => i % count);
    let step = 0;
    /** @param {"weak" | "strong"} augment */
    const viewRate = async (augment) => {
      const views = { labeled: {}, unlabeled: { view: { augment } } };
      const options = { views, translate: 4, flip: true, rng: Rng.fromSeed(1) };
      const loader = createLoader(store, set.labels, { ...options, strong: { name: "fixmatch" } });
      return 100 * (await rate(() => scope(() => void loader.batch({ labeled: none, unlabeled: index }, step++))));
    };
    const [w, s] = [await viewRate("weak"), await viewRate("strong")];
    const row = { size, stored, recipe: weak, decode, weak: w, strong: s, both: 1 / (1 / decode + 1 / w) };
    rows.push(row);
    const shown = [`decode ${Math.round(decode)}`, `weak ${Math.round(w)}`, `strong ${Math.round(s)}`];
    console.log(`${size} px (stored ${stored}), ${weak}: ${shown.join(", ")}, both ${Math.round(row.both)}`);
    store.release();
  }
} finally {
  rmSync(folder, { recursive: true });
}

if (values.out) {
  const [cpu] = cpus();
  const machine = { cpu: cpu?.model, cores: cpus().length, node: process.version };
  const record = { date: new Date().toISOString(), machine, threads, source: values.source, load: loadavg(), rows };
  writeFileSync(values.out, `${JSON.stringify(record, null, 2)}\n`);
}
