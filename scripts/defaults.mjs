// Is `train` right when nobody chose anything? Three folders of different kind are made of CIFAR-10 and MNIST, and each is trained on
// with no flag but the necessary ones, beside the labels alone (--method supervised): error of the result, of its own student, seconds.
//   node scripts/defaults.mjs OUT.json DATA_ROOT [--only pairs,uneven,large] [--seeds 1,2,3] [--threads 1] [--keep FOLDER] [--try="FLAGS"]...
// OUT.json keeps what was measured, and a run that is in it is not repeated. --keep: make the folders there and leave them. Prints the table.
// To look for better defaults: --try="FLAGS" (often) trains with them instead, and --only search-uneven,search-large are folders of the
// same kinds with other classes or other test pictures, so that what is chosen has not seen those that are reported.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { mean, Rng, spread } from "fewlabels/internal";
import { makeFolder, openSet } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: "string", default: "pairs,uneven,large" },
    seeds: { type: "string", default: "1,2,3" },
    threads: { type: "string", default: "1" },
    keep: { type: "string" },
    try: { type: "string", multiple: true },
  },
});
const [out = "", root = ""] = positionals.map((path) => resolve(path));
if (!root) throw new Error("usage: node scripts/defaults.mjs OUT.json DATA_ROOT");
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const work = mkdtempSync(join(tmpdir(), "defaults-"));
const cifar = await openSet("cifar10", join(root, "cifar-10-batches-bin"));
const mnist = await openSet("mnist", join(root, "mnist"));

const cifarClass = (/** @type {string} */ name) => ({ set: cifar, name, folder: name });
const all = [
  ...cifar.classes.map(cifarClass),
  ...mnist.classes.map((name) => ({ set: mnist, name, folder: `digit ${name}` })),
];
/** One to twenty, from the first class to the last. @param {number} most @param {number} count */
const uneven = (most, count) => Array.from({ length: count }, (_, i) => Math.round(most / 20 ** (i / (count - 1))));
const same = (/** @type {number} */ n, /** @type {number} */ count) => Array.from({ length: count }, () => n);
/** Labels, unlabeled and test pictures of each class, fixed before anything was measured. */
const folders = {
  pairs: {
    side: 32,
    classes: ["cat", "truck"].map(cifarClass),
    labeled: same(20, 2),
    unlabeled: same(1500, 2),
    test: same(500, 2),
  },
  uneven: {
    side: 64,
    classes: ["automobile", "frog", "horse", "ship", "bird"].map(cifarClass),
    labeled: uneven(60, 5),
    unlabeled: uneven(1500, 5),
    test: same(200, 5),
  },
  large: { side: 200, classes: all, labeled: same(5, 20), unlabeled: same(100, 20), test: same(50, 20) },
  "search-uneven": {
    side: 64,
    classes: ["truck", "deer", "dog", "airplane", "cat"].map(cifarClass),
    labeled: uneven(60, 5),
    unlabeled: uneven(1500, 5),
    test: same(200, 5),
  },
  "search-large": {
    side: 64,
    classes: all,
    labeled: same(5, 20),
    unlabeled: same(100, 20),
    test: same(50, 20),
    skip: 50,
  },
};
/** @type {Record<string, string[]>} */
const arms = values.try
  ? Object.fromEntries(values.try.map((flags) => [flags, flags.split(" ").filter(Boolean)]))
  : { default: [], "labels only": ["--method", "supervised"] };

/** @typedef {{ error: number, student: number, seconds: number, chosen: string }} Row */
/** @type {Record<string, Record<string, Record<string, Row>>>} folder, method, seed */
const kept = existsSync(out) ? JSON.parse(readFileSync(out, "utf8")) : {};
for (const seed of values.seeds.split(",").map(Number)) {
  for (const name of /** @type {(keyof typeof folders)[]} */ (values.only.split(","))) {
    for (const [method, flags] of Object.entries(arms)) {
      kept[name] ??= {};
      kept[name][method] ??= {};
      const rows = kept[name][method];
      if (rows[seed]) continue;
      const data = await makeFolder(join(values.keep ?? work, `${name}-${seed}`), folders[name], Rng.fromSeed(seed));
      const run = join(work, "run");
      // --threads changes no result and no default; --seed counts the repetitions.
      const given = ["train", "--dataset", "folder", "--data", data, ...flags, "--seed", String(seed), "--out", run];
      const args = [...given, "--threads", values.threads, "--json"];
      const started = performance.now();
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [cli, ...args], { maxBuffer: 1e8 });
      const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
      const row = {
        error: result.error,
        student: result.test.student.error,
        seconds: Math.round((performance.now() - started) / 1000),
        chosen: /chosen .*/.exec(stderr)?.[0] ?? "",
      };
      rows[seed] = row;
      writeFileSync(out, `${JSON.stringify(kept, null, 1)}\n`);
      console.log(
        `${name}, ${method}, seed ${seed}: ${row.error} % (student ${row.student}) in ${row.seconds} s; ${row.chosen}`,
      );
      rmSync(run, { recursive: true });
    }
  }
}
const text = (/** @type {number[]} */ list) => `${mean(list).toFixed(2)} ± ${spread(list).toFixed(2)}`;
console.log("| folder | flags | error % | its student | seeds |\n| --- | --- | --- | --- | --- |");
for (const [name, methods] of Object.entries(kept)) {
  for (const [method, bySeed] of Object.entries(methods)) {
    const rows = Object.values(bySeed);
    const errors = text(rows.map(({ error }) => error));
    const student = text(rows.map((row) => row.student));
    console.log(`| ${name} | ${method} | ${errors} | ${student} | ${rows.length} |`);
  }
}
rmSync(work, { recursive: true });
