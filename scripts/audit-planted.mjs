// How many planted wrong labels does an audit find? Writes pictures of CIFAR-10 (or --dataset mnist) as PNG into class folders, the given share of them into a
// wrong one (any other class, equally likely), and audits the folder, by the pixels alone and by the features of each SOURCE.
//   node scripts/audit-planted.mjs FOLDER [SOURCE...] [--dataset cifar10] [--pictures 5000] [--wrong 0.1] [--seeds 1,2,3] [--threads 1]
// Pictures are the last ones of the training set, so that a SOURCE may have been trained on the first ones (--dataset.train).
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { auditFolder, Rng } from "fewlabels";
import { findDataSet } from "fewlabels/internal";
import { pngOf } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    dataset: { type: "string", default: "cifar10" },
    pictures: { type: "string", default: "5000" },
    wrong: { type: "string", default: "0.1" },
    seeds: { type: "string", default: "1,2,3" },
    threads: { type: "string", default: "1" },
  },
});
const [dir, ...sources] = positionals;
if (dir === undefined) throw new Error("usage: node scripts/audit-planted.mjs FOLDER [SOURCE...]");
const count = Number(values.pictures);
const set = findDataSet(values.dataset);
const sizes = values.dataset === "cifar10" ? { train: 50_000 } : { train: 60_000, test: 10_000 };
const { train, classes } = await set.load({ dir, rng: Rng.fromSeed(0), options: sizes });
const first = train.count - count;
const percent = (/** @type {number} */ share) => (100 * share).toFixed(1);

console.log(
  "source, seed, judged, planted, listed, found, precision, recall, precision of as many as planted, disagreement, estimated, seconds",
);
for (const seed of values.seeds.split(",").map(Number)) {
  const folder = mkdtempSync(join(tmpdir(), "audit-"));
  const rng = Rng.fromSeed(seed);
  const chosen = new Set(
    rng
      .split("which")
      .permutation(count)
      .slice(0, Math.round(Number(values.wrong) * count)),
  );
  const draws = rng.split("class");
  const planted = new Set();
  for (const name of classes) mkdirSync(join(folder, name));
  for (let i = 0; i < count; i++) {
    const truth = train.labels[first + i] ?? 0;
    const label = chosen.has(i) ? (truth + 1 + draws.integer(classes.length - 1)) % classes.length : truth;
    const file = `${classes[label]}/${i}.png`;
    if (label !== truth) planted.add(file);
    writeFileSync(join(folder, file), await pngOf(train, first + i));
  }
  for (const source of [undefined, ...sources]) {
    const started = performance.now();
    const options = { threads: Number(values.threads), cache: null, ...(source === undefined ? {} : { source }) };
    const { findings, labels } = await auditFolder(folder, options);
    const listed = findings.filter(({ problem }) => problem === "label");
    const hits = (/** @type {typeof listed} */ some) => some.filter(({ file }) => planted.has(file)).length;
    const top = listed.slice(0, planted.size);
    console.log(
      [
        source ?? "pixels",
        seed,
        labels?.judged,
        planted.size,
        listed.length,
        hits(listed),
        percent(hits(listed) / listed.length),
        percent(hits(listed) / planted.size),
        percent(hits(top) / top.length),
        labels?.disagreement.toFixed(1),
        labels?.estimatedWrong.toFixed(1),
        ((performance.now() - started) / 1000).toFixed(0),
      ].join(", "),
    );
  }
  rmSync(folder, { recursive: true });
}
