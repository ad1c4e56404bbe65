// Exports of cnn-13, wrn-28-2 (32 px) and resnet-50 (224 px): time and size of each format, and images per second of the written
// network in onnxruntime-node beside our engine, both in float32 with the normalization inside, in turns.
//   node bench/exports.mjs [--only cnn-13] [--turns 5] [--threads 1] [--batch 16] [--out bench/results/exports.json]
// The networks are trained for one step on made pictures. onnxruntime comes from test/runtimes (node scripts/test-runtimes.mjs).
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exportRun } from "fewlabels";
import { median, openExportSource } from "fewlabels/internal";
import sharp from "sharp";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    turns: { type: "string", default: "5" },
    threads: { type: "string", default: "1" },
    batch: { type: "string", default: "16" },
    out: { type: "string" },
  },
});
const [turns, threads, batch] = [Number(values.turns), Number(values.threads), Number(values.batch)];
const runtimes = fileURLToPath(new URL("../test/runtimes/", import.meta.url));
const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const ort = createRequire(join(runtimes, "package.json"))("onnxruntime-node");
const scratch = mkdtempSync(join(tmpdir(), "fewlabels-exports-"));
const out = values.out && join(process.cwd(), values.out);
process.chdir(runtimes); // where onnxruntime is looked for, as in a user's project

/** Noise of two classes as picture files. @param {string} folder @param {number} size */
async function writePictures(folder, size) {
  let seed = 0;
  for (const part of ["train", "test"]) {
    for (const name of ["one", "two"]) {
      mkdirSync(join(folder, part, name), { recursive: true });
      for (let i = 0; i < 8; i++, seed++) {
        const pixels = Uint8Array.from({ length: 3 * size * size }, (_, k) => ((k + seed) * 2654435761) >>> 24);
        const picture = sharp(pixels, { raw: { width: size, height: size, channels: 3 } });
        await picture.png().toFile(join(folder, part, name, `${i}.png`));
      }
    }
  }
}

/** One step of a network. @param {string} model @param {number} size @param {string[]} whole flags that keep it as published */
async function trained(model, size, whole) {
  const [data, run] = [join(scratch, `data-${size}`), join(scratch, model)];
  await writePictures(data, size);
  const settings =
    `train --dataset folder --data ${data} --dataset.size ${size} --method supervised --model ${model} --batch 4 --labeled-batch 4 --steps 1 --threads ${threads} --precision fp32 --eval-every 0 --out ${run}`.split(
      " ",
    );
  const { status, stderr } = spawnSync(process.execPath, [binary, ...settings, ...whole], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
  return run;
}

/** Seconds of a call. @param {() => unknown} work */
async function seconds(work) {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const results = [];
try {
  for (const [model, size, ...whole] of /** @type {[string, number, ...string[]][]} */ ([
    ["cnn-13", 32, "--model.width", "1"],
    ["wrn-28-2", 32],
    ["resnet-50", 224],
  ])) {
    if (values.only && !values.only.split(",").includes(model)) continue;
    const run = await trained(model, size, whole);
    /** @type {Record<string, { seconds: number, bytes: number }>} */
    const formats = {};
    for (const [format, dtype] of /** @type {const} */ ([
      ["onnx", "fp32"],
      ["onnx", "fp16"],
      ["onnx", "int8"],
      ["safetensors", "fp32"],
      ["transformers", "fp32"],
      ["web", "fp32"],
    ])) {
      const path = join(scratch, `${model}-${format}-${dtype}${format === "onnx" ? ".onnx" : ""}`);
      const report = await exportRun(run, { format, dtype, out: path, threads, testPictures: 0 });
      const bytes = report.files.reduce((sum, file) => sum + file.bytes, 0);
      formats[format === "onnx" ? `onnx ${dtype}` : format] = { seconds: Number(report.seconds.toFixed(2)), bytes };
    }
    const source = await openExportSource(run, { threads });
    const pixels = Uint8Array.from({ length: batch * 3 * size * size }, (_, i) => (i * 2654435761) >>> 24);
    const images = { pixels, count: batch, channels: 3, height: size, width: size, labels: new Int32Array(batch) };
    const sessionOptions = { intraOpNumThreads: threads, interOpNumThreads: 1, logSeverityLevel: 3 };
    const floats = new ort.Tensor("float32", Float32Array.from(pixels), [batch, 3, size, size]);
    /** @type {Record<string, () => unknown>} */
    const ways = { ours: () => source.logits(images) };
    for (const dtype of ["fp32", "int8"]) {
      const session = await ort.InferenceSession.create(join(scratch, `${model}-onnx-${dtype}.onnx`), sessionOptions);
      ways[`onnxruntime ${dtype}`] = () => session.run({ pixel_values: floats });
    }
    for (const way of Object.values(ways)) await way();
    /** @type {Record<string, number[]>} */
    const rates = {};
    for (let turn = 0; turn < turns; turn++) {
      for (const [name, way] of Object.entries(ways)) {
        const took = await seconds(async () => {
          for (let k = 0; k < (size > 100 ? 1 : 4); k++) await way();
        });
        const list = rates[name] ?? [];
        rates[name] = list;
        list.push((batch * (size > 100 ? 1 : 4)) / took);
      }
    }
    const ratio = (/** @type {string} */ name) =>
      Number(median((rates[name] ?? []).map((rate, i) => rate / (rates.ours?.[i] ?? Number.NaN))).toFixed(2));
    const result = {
      model,
      size,
      formats,
      imagesPerSecond: Object.fromEntries(
        Object.entries(rates).map(([name, list]) => [name, Number(median(list).toFixed(1))]),
      ),
      timesOurs: Object.fromEntries(
        Object.keys(rates)
          .slice(1)
          .map((name) => [name, ratio(name)]),
      ),
      load: loadavg().map((x) => Number(x.toFixed(1))),
    };
    results.push(result);
    console.log(JSON.stringify(result));
  }
  const machine = { date: new Date().toISOString().slice(0, 10), machine: cpus()[0]?.model, cores: cpus().length };
  if (out) writeFileSync(out, `${JSON.stringify({ ...machine, threads, batch, turns, results }, null, 1)}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
