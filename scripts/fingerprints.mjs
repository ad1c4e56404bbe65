// Trains every method and every network a few steps, one thread, and prints a hash of the final weights, of the optimizer
// state and of the metrics of each: the proof that a change of the layout changed no result.
//   node scripts/fingerprints.mjs [--only TEXT] [--out FILE] [--against FILE]
// It speaks to the command line alone, so that it outlives any move inside the package. The hashes belong to one kind of
// processor and one libtorch: compare two commits on one machine. --against names the rows that differ and exits with 1.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";

/** @typedef {{ needs?: { key: string }[] }} Option */

const binary = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
const { values } = parseArgs({
  options: { only: { type: "string" }, out: { type: "string" }, against: { type: "string" } },
});
const scratch = mkdtempSync(join(tmpdir(), "fewlabels-fingerprints-"));

/** @param {...string} args @returns {Promise<string>} */
async function fewlabels(...args) {
  const { stdout } = await promisify(execFile)(process.execPath, [binary, ...args], { maxBuffer: 1 << 26 });
  return stdout;
}

const digits = ["--dataset", "digits", "--dataset.train", "120", "--dataset.test", "60", "--labels", "20"];
const tiny = ["--model", "convnet-tiny", "--model.width", "0.25"];
const batch = ["--batch", "12", "--labeled-batch", "4"];
const common = "--seed 3 --threads 1 --log-every 1 --eval-every 3 --checkpoint-every 0 --precision fp32".split(" ");
const table = join(scratch, "predictions.table");
/** What a method cannot do without. @type {Record<string, string[]>} */
const needs = { "reduced-meta-pseudo-labels": ["--method.table", table] };
/** So that six steps reach every term of the loss: no ramp, and thresholds that a fresh network passes. @type {Record<string, string>} */
const early = {
  rampUpSteps: "1",
  udaRampSteps: "1",
  rampStart: "0",
  rampEnd: "2",
  confidenceThreshold: "0.1",
  threshold: "0.1",
  udaThreshold: "0.1",
  minThreshold: "0.05",
  emaDecay: "0.9",
  maxThreshold: "0.11",
};
/** Smaller forms of networks that are large in any. @type {Record<string, string[]>} */
const small = {
  "cnn-13": ["--model.width", "0.125"],
  "wide-resnet": ["--model.depth", "10", "--model.width", "1"],
  "shake-shake-26": ["--model.width", "8"],
  mlp: ["--model.hidden", "16"],
};

/** An option that only works beside another of the method is left at its default. @param {Option | undefined} option */
function needsAnother(option) {
  return option?.needs?.some(({ key }) => key.startsWith("method.")) ?? false;
}

/** @returns {Promise<[string, string[]][]>} */
async function cases() {
  const [methods, models] = await Promise.all(
    ["methods", "models"].map(async (kind) => JSON.parse(await fewlabels("list", kind, "--json"))),
  );
  /** @type {{ name: string, options: Record<string, Option> }[]} */
  const allMethods = methods;
  /** @type {{ name: string }[]} */
  const allModels = models;
  const conv = ["--model", "cnn-13", "--model.width", "0.125"];
  const teacher = [...digits, ...batch, ...common, "--steps", "6"];
  return [
    .../** @type {[string, string[]][]} */ (
      allMethods.map(({ name, options }) => {
        const soon = Object.entries(early).flatMap(([key, value]) =>
          key in options && !needsAnother(options[key]) ? [`--method.${key}`, value] : [],
        );
        const own = name === "supervised" ? ["--batch", "12"] : batch;
        const args = [
          ...digits,
          ...tiny,
          ...own,
          ...common,
          "--steps",
          "6",
          "--method",
          name,
          ...soon,
          ...(needs[name] ?? []),
        ];
        return [`method ${name}`, args];
      })
    ),
    .../** @type {[string, string[]][]} */ (
      allModels.map(({ name }) => {
        const args = [...digits, "--model", name, ...(small[name] ?? []), "--batch", "8", "--labeled-batch", "2"];
        return [`network ${name}`, [...args, ...common, "--steps", "2", "--method", "mean-teacher"]];
      })
    ),
    ["bf16", [...teacher, ...conv, "--precision", "bf16"]],
    ["weight norm", [...teacher, ...conv, "--model.norm", "weight"]],
    ["two heads", [...teacher, ...conv, "--model.heads", "2", "--method.logitDistanceWeight", "0.01"]],
    [
      "mixed sampler",
      [
        ...digits,
        ...tiny,
        ...common,
        ..."--batch 12 --steps 6 --sampler mixed --method temporal-ensembling".split(" "),
      ],
    ],
    ["accumulate", [...teacher, ...tiny, "--accumulate", "2", "--method", "uda"]],
    [
      "adam, noise, validation",
      [...teacher, ...tiny, "--optimizer.name", "adam", "--label-noise", "50", "--val", "10"],
    ],
    ["photo views", [...teacher, ...tiny, "--weak", "photo", "--method", "fixmatch"]],
    [
      "two moons",
      `--dataset two-moons --labels 8 --model mlp --model.hidden 16 --steps 20 ${common.join(" ")}`.split(" "),
    ],
  ];
}

/** @param {string} run @param {(file: string) => boolean} wanted @param {string} step */
function hashOf(run, wanted, step) {
  const folder = join(run, "checkpoints", step);
  const hash = createHash("sha256");
  for (const name of readdirSync(folder).filter(wanted).sort())
    hash.update(name).update(readFileSync(join(folder, name)));
  return hash.digest("hex").slice(0, 16);
}

/** The numbers of metrics.jsonl that are no time. @param {string} run */
function metricsHash(run) {
  const lines = readFileSync(join(run, "metrics.jsonl"), "utf8").trim().split("\n");
  const kept = lines
    .map((line) => JSON.parse(line))
    .map(({ type, step, epoch, metrics, learningRate, val, test }) => {
      return ["step", "evaluation"].includes(type)
        ? { type, step, epoch, metrics, learningRate, val, test }
        : undefined;
    });
  return createHash("sha256")
    .update(JSON.stringify(kept.filter(Boolean)))
    .digest("hex")
    .slice(0, 16);
}

/** @param {string} name @param {string[]} args */
async function fingerprint(name, args) {
  const run = join(scratch, name.replace(/\W+/g, "-"));
  await fewlabels("train", ...args, "--out", run, "--json");
  const [step = ""] = readdirSync(join(run, "checkpoints"));
  const optimizer = (/** @type {string} */ file) => /optimizer/i.test(file);
  const weights = hashOf(run, (file) => file.endsWith(".safetensors") && !optimizer(file), step);
  const state = hashOf(run, optimizer, step);
  const metrics = metricsHash(run);
  rmSync(run, { recursive: true });
  return `${name}: weights ${weights}, optimizer ${state}, metrics ${metrics}`;
}

try {
  const source = join(scratch, "source");
  await fewlabels(
    "train",
    ...digits,
    ...tiny,
    ...common,
    "--batch",
    "12",
    "--steps",
    "1",
    "--method",
    "supervised",
    "--out",
    source,
  );
  await fewlabels("predictions", source, "--out", table);
  const chosen = (await cases()).filter(([name]) => name.includes(values.only ?? ""));
  /** @type {string[]} */
  const rows = [];
  for (const [name, args] of chosen) {
    const row = await fingerprint(name, args);
    console.log(row);
    rows.push(row);
  }
  if (values.out) writeFileSync(values.out, `${rows.join("\n")}\n`);
  if (values.against) {
    const before = new Map(
      readFileSync(values.against, "utf8")
        .trim()
        .split("\n")
        .map((row) => [row.split(":")[0], row]),
    );
    const differing = rows.filter((row) => before.get(row.split(":")[0]) !== row);
    console.log(
      differing.length === 0 ? `all ${rows.length} as in ${values.against}` : `differ:\n${differing.join("\n")}`,
    );
    if (differing.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
