// Step time and peak memory of every network at its paper's input size, ours and PyTorch's in turns.
//   node bench/networks.mjs [--only a,b] [--turns 3] [--threads 2] [--precision bf16] [--out bench/results/networks.json]
// Each figure is a process of its own; a turn runs ours, then the peer's (FEWLABELS_PYTHON, default /usr/bin/python3, with torch
// and torchvision). The ratio is the median over turns of ours / peer's time. On a quiet machine, please.
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    turns: { type: "string", default: "3" },
    threads: { type: "string", default: "2" },
    precision: { type: "string", default: "bf16" },
    out: { type: "string" },
  },
});
/** Name, input side, batch, classes, steps; `options` are ours, where the peer's network has one head and no dropout. */
const one = { heads: 1 };
/** @type {readonly { name: string, size: number, batch: number, classes: number, steps: number, options?: object, peer?: boolean, recompute?: boolean }[]} */
const networks = [
  { name: "wrn-28-2", size: 32, batch: 64, classes: 10, steps: 5 },
  { name: "wrn-28-8", size: 32, batch: 8, classes: 100, steps: 5 },
  { name: "wrn-28-10", size: 32, batch: 8, classes: 10, steps: 3 },
  { name: "wrn-37-2", size: 96, batch: 8, classes: 10, steps: 3, peer: false },
  { name: "shake-shake-26-2x32d", size: 32, batch: 32, classes: 10, steps: 5, options: one },
  { name: "shake-shake-26", size: 32, batch: 16, classes: 10, steps: 3, options: one },
  { name: "resnet-18", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "resnet-50", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "resnet-152", size: 224, batch: 4, classes: 1000, steps: 3 },
  { name: "resnext-50", size: 224, batch: 8, classes: 1000, steps: 5, options: one },
  { name: "resnext-152", size: 224, batch: 2, classes: 1000, steps: 3, options: one },
  { name: "resnet-34", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "mobilenet-v2", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "mobilenet-v3-small", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "mobilenet-v3-large", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "convnext-tiny", size: 224, batch: 4, classes: 1000, steps: 3 },
  { name: "vit-s16", size: 224, batch: 8, classes: 1000, steps: 3 },
  { name: "vit-b16", size: 224, batch: 4, classes: 1000, steps: 3 },
  { name: "efficientnet-b0", size: 224, batch: 8, classes: 1000, steps: 5 },
  { name: "efficientnet-b1", size: 240, batch: 4, classes: 1000, steps: 3 },
  { name: "efficientnet-b2", size: 260, batch: 4, classes: 1000, steps: 3 },
  { name: "efficientnet-b3", size: 300, batch: 2, classes: 1000, steps: 3 },
  { name: "efficientnet-b4", size: 380, batch: 2, classes: 1000, steps: 3 },
  { name: "efficientnet-b5", size: 456, batch: 2, classes: 1000, steps: 1 },
  { name: "efficientnet-b6", size: 528, batch: 2, classes: 1000, steps: 1 },
  { name: "efficientnet-b7", size: 600, batch: 2, classes: 1000, steps: 1 },
  { name: "efficientnet-b6-wide", size: 512, batch: 2, classes: 1000, steps: 1, peer: false, recompute: true },
  { name: "efficientnet-l2", size: 475, batch: 2, classes: 1000, steps: 1, peer: false, recompute: true },
];
/** @typedef {{ seconds: number, peakMemoryMB: number, parameters: number, loss: number }} Step */
/** @type {(list: number[]) => number} */
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1] ?? Number.NaN;

/** @param {string} command @param {(string | number)[]} args @returns {Step | undefined} */
function measure(command, args) {
  const env = { ...process.env, OMP_NUM_THREADS: values.threads };
  const { stdout, stderr, status } = spawnSync(command, args.map(String), { encoding: "utf8", env });
  const line = stdout.trim().split("\n").at(-1) ?? "";
  if (status === 0 && line.startsWith("{")) return JSON.parse(line);
  console.error(`${args[1]}: ${stderr.trim().split("\n").at(-1)} (${status ?? "killed"})`);
  return undefined;
}

const wanted = values.only?.split(",");
const results = [];
console.log("| network | input | parameters | ours s | PyTorch s | ratio | ours MB | PyTorch MB |");
console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
for (const { name, size, batch, classes, steps, options = {}, peer = true, recompute = false } of networks) {
  if (wanted && !wanted.includes(name)) continue;
  const flags = ["--size", size, "--batch", batch, "--classes", classes, "--steps", steps, "--warmup", 1];
  const both = [...flags, "--threads", values.threads, "--precision", values.precision];
  const here = (/** @type {string} */ file) => fileURLToPath(new URL(file, import.meta.url));
  /** @type {Step[]} */
  const ours = [];
  /** @type {Step[]} */
  const peers = [];
  for (let turn = 0; turn < (peer ? Number(values.turns) : 1); turn++) {
    const extra = ["--options", JSON.stringify(options), ...(recompute ? ["--recompute"] : [])];
    const mine = measure(process.execPath, [here("network-step.mjs"), name, ...both, ...extra]);
    const theirs = peer
      ? measure(process.env.FEWLABELS_PYTHON ?? "/usr/bin/python3", [here("torch_network_step.py"), name, ...both])
      : undefined;
    if (mine) ours.push(mine);
    if (theirs) peers.push(theirs);
  }
  const ratio = median(ours.map((step, i) => step.seconds / (peers[i]?.seconds ?? Number.NaN)));
  const of = (/** @type {Step[]} */ list, /** @type {"seconds" | "peakMemoryMB"} */ key) =>
    median(list.map((step) => step[key]));
  const shape = `${batch} x ${size} px${recompute ? ", recomputed" : ""}`;
  const row = {
    name,
    input: shape,
    parameters: ours[0]?.parameters,
    seconds: of(ours, "seconds"),
    peerSeconds: of(peers, "seconds"),
    ratio,
    peakMemoryMB: of(ours, "peakMemoryMB"),
    peerPeakMemoryMB: of(peers, "peakMemoryMB"),
  };
  results.push({ ...row, load: loadavg()[0] });
  const show = (/** @type {number} */ value, /** @type {number} */ digits) =>
    Number.isNaN(value) ? "-" : value.toFixed(digits);
  console.log(
    `| ${name} | ${shape} | ${row.parameters?.toLocaleString("en")} | ${show(row.seconds, 3)} | ${show(row.peerSeconds, 3)} | ${show(ratio, 3)} | ${show(row.peakMemoryMB, 0)} | ${show(row.peerPeakMemoryMB, 0)} |`,
  );
  if (values.out) {
    const machine = {
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      threads: values.threads,
      precision: values.precision,
    };
    writeFileSync(values.out, `${JSON.stringify({ date: new Date().toISOString(), machine, results }, null, 1)}\n`);
  }
}
