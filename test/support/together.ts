/** Whole runs in several processes at once. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readCheckpoint } from "../../src/run/checkpoints.js";
import type { Running } from "../cli/run-cli.js";
import { startProcesses } from "./processes.js";

const script = `
import { readFileSync } from "node:fs";
import { train } from ${JSON.stringify(new URL("../../dist/train/run.js", import.meta.url).href)};
for (const config of JSON.parse(readFileSync(process.argv[1], "utf8"))) {
  for await (const event of train(config)) if (event.type !== "step") console.log(JSON.stringify(event));
}`;

/** SGD, float32, statistics of the whole batch: what differs between one process and several is the order in which sums are made. */
export const exact = { batch: 16, labeledBatch: 4, seen: 0, syncBatchNorm: true, "optimizer.name": "sgd" } as const;
/** Smooth: rounding stays what it is. */
export const smooth = { model: "mlp", "model.width": undefined, "model.hidden": 16, "optimizer.lr": 0.1 } as const;

/** The runs, or those of each process. */
type Runs = readonly object[] | ((rank: number) => readonly object[]);

/** Starts the runs, one after the other, in `size` processes that train together. They print their events but steps. */
export function startTogether(size: number, folder: string, runs: Runs): Promise<Running[]> {
  const args = (rank: number) => {
    const file = join(folder, `runs-${rank}.json`);
    writeFileSync(file, JSON.stringify(typeof runs === "function" ? runs(rank) : runs));
    return ["--input-type=module", "-e", script, file];
  };
  return startProcesses(size, args, { OMP_NUM_THREADS: "1" });
}

/** The same, to their end. Throws where a process fails. */
export async function trainTogether(size: number, folder: string, runs: Runs): Promise<void> {
  const all = await Promise.all((await startTogether(size, folder, runs)).map(({ finished }) => finished));
  for (const { code, out, err } of all)
    if (code !== 0) throw new Error(`a process ended with ${code}:\n${out.slice(-500)}\n${err}`);
}

/** The tensor that differs most between two checkpoints, weights, statistics, banks, tables and averages, in shares of its norm. */
export function difference(a: string, b: string, step: number): { readonly owner: string; readonly share: number } {
  const [one, other] = [a, b].map((run) => readCheckpoint(join(run, "checkpoints", `step-${step}`)));
  let worst = { owner: "none", share: -1 };
  for (const [owner, { tensors }] of Object.entries(one!.owners)) {
    if (/optimizer$/i.test(owner)) continue; // weights are what velocities add up to
    for (const [name, { dtype, bytes }] of Object.entries(tensors)) {
      const [x, y] = [bytes, other!.owners[owner]!.tensors[name]!.bytes].map((raw) => numbers(dtype, raw));
      const share = Math.hypot(...x!.map((value, i) => value - y![i]!)) / Math.max(Math.hypot(...x!), 1e-3);
      if (!(share <= worst.share)) worst = { owner: `${owner}.${name}`, share }; // NaN too
    }
  }
  return worst;
}

function numbers(dtype: string, bytes: Uint8Array): number[] {
  const copy = bytes.slice().buffer;
  if (dtype === "F32") return [...new Float32Array(copy)];
  if (dtype === "I64") return [...new BigInt64Array(copy)].map(Number);
  if (dtype === "I32") return [...new Int32Array(copy)];
  return [...bytes];
}
