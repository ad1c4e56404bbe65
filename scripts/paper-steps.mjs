// Does every network and data set of the papers start at full size? Runs a few steps of one arm for each distinct network and data
// set of the experiments' --scale paper (with --methods for each method too), and keeps what happened.
//   node scripts/paper-steps.mjs DATA_ROOT [--steps 20] [--only TEXT] [--list] [--threads N] [--out bench/results/paper-steps.json]
// Sets of 32 pixels that are not in DATA_ROOT are replaced by generated pictures of their shape; ImageNet's are left out, their batches
// of thousands of pictures need a cluster. What ran before is kept in the file; --only takes the arms whose name holds TEXT.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { armsOf, definitionNames, findDefinition } from "fewlabels/internal";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "20" },
    only: { type: "string", default: "" },
    list: { type: "boolean", default: false },
    methods: { type: "boolean", default: false },
    threads: { type: "string", default: "1" },
    out: { type: "string", default: fileURLToPath(new URL("../bench/results/paper-steps.json", import.meta.url)) },
  },
});
const [data] = positionals;
if (!data) throw new Error("usage: node scripts/paper-steps.mjs DATA_ROOT [--steps 20] [--only TEXT] [--list]");
/** @type {Record<string, string>} */
const folders = { cifar10: "cifar-10-batches-bin", cifar100: "cifar-100-binary", svhn: "svhn", mnist: "mnist" };
const cli = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));

/** @typedef {{ name: string, arm: string, network: string, method: string, dataset: string, replaced: boolean }} Case */
/** @type {Map<string, Case>} */
const cases = new Map();
for (const name of definitionNames()) {
  if (name.startsWith("fewlabels/")) continue;
  for (const { key: arm, given } of armsOf(findDefinition(name), "paper", undefined)) {
    const text = (/** @type {string} */ key) => String(given.get(key) ?? "");
    const dataset = text("dataset");
    const network = [...given]
      .filter(([key]) => key.startsWith("model"))
      .map(([, value]) => String(value))
      .join(" ");
    const key = [text("model"), dataset, ...(values.methods ? [text("method"), network] : [])].join("|");
    const replaced = !["digits", "two-moons"].includes(dataset) && !existsSync(join(data, folders[dataset] ?? "?"));
    if (!cases.has(key)) cases.set(key, { name, arm, network, method: text("method"), dataset, replaced });
  }
}
/** @type {{ machine: string, runs: Record<string, object> }} */
const kept = existsSync(values.out) ? JSON.parse(readFileSync(values.out, "utf8")) : { machine: "", runs: {} };
for (const one of cases.values()) {
  const label = `${one.name} ${one.arm}`;
  if (!label.includes(values.only)) continue;
  if (values.list || one.dataset === "imagenet") {
    console.log(`${label}: ${one.network}, ${one.method}, ${one.dataset}${one.replaced ? " (not here)" : ""}`);
    continue;
  }
  const out = mkdtempSync(join(tmpdir(), "paper-steps-"));
  const generated = ["--dataset", "digits", "--dataset.train", "12000", "--dataset.test", "200"];
  const args = ["experiment", one.name, "--scale", "paper", "--only", one.arm, "--seeds", "1", "--steps", values.steps];
  const more = ["--eval-every", "0", "--threads", values.threads, "--data", data, "--out", out, "--json"];
  const begun = performance.now();
  const child = spawn(process.execPath, [cli, ...args, ...(one.replaced ? generated : []), ...more], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [text, err] = ["", ""];
  child.stdout.on("data", (some) => {
    text += some;
  });
  child.stderr.on("data", (some) => {
    err += some;
  });
  const code = await new Promise((done) => child.on("close", done));
  const arms = code === 0 ? JSON.parse(text.trim().split("\n").at(-1) ?? "{}").arms : [];
  const { name: _, arm: __, ...what } = one;
  kept.runs[label] = {
    ...what,
    steps: Number(values.steps),
    date: new Date().toISOString().slice(0, 10),
    seconds: Math.round((performance.now() - begun) / 1000),
    ...(code === 0 ? { errors: arms[0]?.errors } : { failed: err.trim().split("\n").slice(-2).join(" ") }),
  };
  kept.machine = `${cpus().length} x ${cpus()[0]?.model}`;
  writeFileSync(values.out, `${JSON.stringify(kept, null, 1)}\n`);
  console.log(label, JSON.stringify(kept.runs[label]));
  if (code !== 0) process.exitCode = 1;
  rmSync(out, { recursive: true, force: true });
}
