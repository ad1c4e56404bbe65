/** Several processes train as one does: every method, through the whole loop, from its options to its checkpoint. */
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { methods } from "../../src/methods/index.js";
import { readCheckpoint } from "../../src/run/checkpoints.js";
import { describeWorld } from "../support/processes.js";
import { trainTogether } from "../support/together.js";
import { configure, folderOfThisFile, predictionsOf, trainToEnd } from "../support/train-run.js";

const folder = folderOfThisFile();
const STEPS = 20;

/** SGD, float32, statistics of the whole batch: what differs is the order in which sums are made. */
const exact = { steps: STEPS, batch: 16, labeledBatch: 4, seen: 0, syncBatchNorm: true, "optimizer.name": "sgd" };

const networks = {
  // Smooth: rounding stays what it is.
  mlp: { model: "mlp", "model.width": undefined, "model.hidden": 16, "model.inputNoise": 0.1, "optimizer.lr": 0.1 },
  // Batch norm, dropout, noise; learning slowly, for kinks magnify rounding.
  "convnet-tiny": { "model.inputNoise": 0.1, "optimizer.lr": 0.003 },
} as const;

/** Together they have what methods do with batch norm: one pass or several, without statistics, mixed rows, features, a probe. */
const withStatistics = ["mean-teacher", "mixmatch", "meta-pseudo-labels", "freematch", "crmatch"];

/** Options with which the method has something to do in 20 steps. */
function busy(name: string): Record<string, unknown> {
  const { options } = methods.find((method) => method.name === name)!;
  const thresholds = Object.keys(options).filter((key) => /threshold$/i.test(key) && options[key]!.type === "number");
  const given = Object.fromEntries(thresholds.map((key) => [`method.${key}`, 0.12]));
  const own: Record<string, Record<string, unknown>> = {
    "meta-pseudo-labels": { "method.finetuneSteps": 5, "method.studentWaitSteps": 2 },
    "reduced-meta-pseudo-labels": { "method.finetuneSteps": 5, "method.table": join(folder, "predictions.table") },
    crmatch: { "optimizer.lr": 0.003 },
    // A trial step near to nothing is made of rounding.
    vat: { "method.xi": 6 },
    "pseudo-label": { "method.form": "confidence" },
    // Their sub-batches must divide by two as well.
    mixmatch: { batch: 24, labeledBatch: 12 },
    remixmatch: { batch: 24, labeledBatch: 12, "method.strongViews": 2 },
    "self-training": { "method.rounds": 1 },
  };
  return { ...given, ...own[name] };
}

/** How far two checkpoints differ: in weights, statistics, banks, tables and averages, each tensor in shares of its norm. */
function difference(a: string, b: string): Record<string, number> {
  const [one, other] = [a, b].map((run) => readCheckpoint(join(run, "checkpoints", `step-${STEPS}`)));
  const found: Record<string, number> = {};
  for (const [owner, { tensors }] of Object.entries(one!.owners)) {
    if (/optimizer$/i.test(owner)) continue; // weights are what velocities add up to
    for (const [name, { dtype, bytes }] of Object.entries(tensors)) {
      const [x, y] = [bytes, other!.owners[owner]!.tensors[name]!.bytes].map((raw) => numbers(dtype, raw));
      const norm = Math.hypot(...x!);
      found[`${owner}.${name}`] = Math.hypot(...x!.map((value, i) => value - y![i]!)) / Math.max(norm, 1e-3);
    }
  }
  return found;
}

function numbers(dtype: string, bytes: Uint8Array): number[] {
  const copy = bytes.slice().buffer;
  if (dtype === "F32") return [...new Float32Array(copy)];
  if (dtype === "I64") return [...new BigInt64Array(copy)].map(Number);
  if (dtype === "I32") return [...new Int32Array(copy)];
  return [...bytes];
}

describeWorld("two processes", () => {
  const cases = [
    ...methods.map(({ name }) => [name, "mlp"] as const),
    ...withStatistics.map((name) => [name, "convnet-tiny"] as const),
  ];
  const runOf = (name: string, network: keyof typeof networks, where: string) =>
    configure(join(folder, `${name}-${network}-${where}`), {
      ...exact,
      ...networks[network],
      method: name,
      ...busy(name),
    });

  beforeAll(async () => {
    await predictionsOf(folder);
    await trainTogether(
      2,
      folder,
      cases.map(([name, network]) => runOf(name, network, "two")),
    );
  }, 120_000);

  it.each(cases)("%s of %s ends where one process ends", async (name, network) => {
    const one = runOf(name, network, "one");
    await trainToEnd(one);
    const off = difference(one.out, runOf(name, network, "two").out);
    const worst = Object.entries(off).toSorted(([, a], [, b]) => b - a)[0]!;
    expect(worst[1], worst[0]).toBeLessThan(1e-5);
  });
});
