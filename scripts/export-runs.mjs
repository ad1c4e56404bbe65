// Whether exports give the class of the network for every picture of the test set: five runs of five kinds, trained shortly, exported as
// ONNX and run by onnxruntime-node on the whole test set.
//   node scripts/export-runs.mjs [--data ../shared/data] [--only zca,mnist] [--steps 40] [--out bench/results/export-runs.json]
// Data: CIFAR-10 and MNIST below --data. Exits with 1 where a class changed. onnxruntime-node comes from test/runtimes.
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findDataSet, parseOptions, Rng } from "fewlabels/internal";
import sharp from "sharp";
import { pngOf } from "./picture-folder.mjs";

const { values } = parseArgs({
  options: {
    data: { type: "string", default: process.env.FEWLABELS_DATA ?? "../shared/data" },
    only: { type: "string" },
    steps: { type: "string", default: "40" },
    out: { type: "string", default: fileURLToPath(new URL("../bench/results/export-runs.json", import.meta.url)) },
  },
});
const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const data = resolve(values.data);
const out = resolve(values.out);
const scratch = mkdtempSync(join(tmpdir(), "fewlabels-export-runs-"));
process.chdir(fileURLToPath(new URL("../test/runtimes/", import.meta.url))); // where onnxruntime-node is looked for

/** CIFAR-10 pictures as JPEG files in folders by class. @param {string} folder @param {number} train @param {number} test @param {number} size */
async function writePhotos(folder, train, test, size) {
  const definition = findDataSet("cifar10");
  const cifar10 = await definition.load({
    dir: join(data, "cifar-10-batches-bin"),
    rng: Rng.fromSeed(0),
    options: parseOptions(definition.options, {}, "cifar10"),
  });
  for (const [part, set, count] of /** @type {const} */ ([
    ["train", cifar10.train, train],
    ["test", cifar10.test, test],
  ])) {
    for (let i = 0; i < count; i++) {
      const to = join(folder, part, cifar10.classes[set.labels[i] ?? 0] ?? "");
      mkdirSync(to, { recursive: true });
      const picture = sharp(await pngOf(set, i)).resize(size, size);
      await picture.jpeg({ quality: 90 }).toFile(join(to, `${i}.jpg`));
    }
  }
  return folder;
}

const photos = async () =>
  `folder --data ${await writePhotos(join(scratch, "photos"), 1000, 1000, 64)} --dataset.size 32`;
const large = async () =>
  `folder --data ${await writePhotos(join(scratch, "large"), 200, 200, 300)} --dataset.size 256`;
const cifar = `cifar10 --data ${join(data, "cifar-10-batches-bin")} --labels 4000`;
const batches = "--batch 32 --labeled-batch 8";
/** @type {Record<string, readonly [dataset: () => string | Promise<string>, settings: string]>} */
const runs = {
  photos: [photos, "--method supervised --model wrn-28-2 --model.depth 10 --batch 32 --labeled-batch 32"],
  cifar10: [() => cifar, `--method mean-teacher --model cnn-13 --model.width 0.25 ${batches}`],
  mnist: [
    () => `mnist --data ${join(data, "mnist")} --labels 100`,
    `--method mean-teacher --model convnet-tiny ${batches}`,
  ],
  zca: [() => cifar, `--method mean-teacher --normalize zca --model cnn-13 --model.width 0.125 ${batches}`],
  "224 px": [
    large,
    "--method supervised --model resnet-18 --normalize imagenet --weak photo --crop 224 --batch 8 --labeled-batch 8",
  ],
};

/** @param {string} line */
const fewlabels = (line) =>
  execFileSync(process.execPath, [binary, ...line.split(" ")], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
const results = [];
try {
  for (const [name, [dataset, settings]] of Object.entries(runs)) {
    if (values.only && !values.only.split(",").includes(name)) continue;
    const run = join(scratch, `run-${name.replace(" ", "")}`);
    const steps = name === "224 px" ? Math.ceil(Number(values.steps) / 4) : Number(values.steps);
    const where = await dataset();
    const common = `--steps ${steps} --threads 1 --precision fp32 --eval-every 0 --out ${run}`;
    fewlabels(`train --dataset ${where} ${settings} ${common}`);
    const report = JSON.parse(
      fewlabels(`export ${run} --format onnx --test-pictures 1000000 --json --out ${run}.onnx`),
    );
    const { checkedBy, difference, test } = report;
    results.push({ name, dataset: where.split(" ")[0], settings, steps, checkedBy, difference, ...test });
    console.log(JSON.stringify(results.at(-1)));
    if (!/^onnxruntime-node/.test(checkedBy) || test.changed !== 0) process.exitCode = 1;
  }
  const head = { date: new Date().toISOString().slice(0, 10), machine: cpus()[0]?.model };
  writeFileSync(out, `${JSON.stringify({ ...head, runs: results }, null, 1)}\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
