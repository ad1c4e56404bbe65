/** What an experiment would cost on this machine: a few timed steps of every arm, memory, disk. */

import type { ChildProcess } from "node:child_process";
import { catalog as builtIn, byFile, type Listing } from "../config/catalog.js";
import { flagOf } from "../config/given.js";
import { withoutIdle } from "../config/without-idle.js";
import type { Arm, Plan } from "./plan.js";
import { call } from "./run-all.js";
import { stateOf } from "./run-state.js";

export interface ArmEstimate {
  readonly arm: Arm;
  readonly steps: number;
  /** Runs of this arm that are not finished. */
  readonly runs: number;
  readonly secondsPerStep?: number;
  readonly memoryMB?: number;
  /** Of one run: its checkpoints and its log. */
  readonly diskMB?: number;
  /** Why there are no figures, or on what else they were measured. */
  readonly remark?: string;
}

/** Options that `bench` does not take, or that do not change a step. */
export const notTimed: readonly string[] = [
  "steps",
  "evalEvery",
  "checkpointEvery",
  "keepCheckpoints",
  "logEvery",
  "saveBest",
  "val",
  "testBatch",
  "topK",
  "seen",
  "tensorboard",
];
/** Sets of color pictures of 32 pixels: where they are missing, a step is timed on generated ones. */
const small = ["cifar10", "cifar100", "svhn"];

/** Times each distinct step once, `steps` steps after one more; `timing` false gives steps and runs alone. */
export async function estimateArms(
  plan: Plan,
  {
    threads,
    timing,
    steps = 2,
    catalog = builtIn,
    signal,
  }: {
    readonly threads: number;
    readonly timing: boolean;
    readonly steps?: number;
    /** What names mean; default what comes with the package. */
    readonly catalog?: Listing;
    /** Ends what is being timed. */
    readonly signal?: AbortSignal;
  },
  onArm: (arm: Arm) => void = () => {},
): Promise<ArmEstimate[]> {
  const measured = new Map<string, Promise<Omit<ArmEstimate, "arm" | "steps" | "runs">>>();
  const estimates: ArmEstimate[] = [];
  for (const arm of plan.arms) {
    const runs = plan.runs.filter((run) => run.arm === arm && stateOf(run) !== "finished").length;
    const total = Number(arm.given.get("steps") ?? 10_000);
    if (!timing) {
      estimates.push({ arm, steps: total, runs });
      continue;
    }
    onArm(arm);
    const flags = benchFlags(arm, catalog);
    const key = JSON.stringify(flags.filter(([name]) => !["labels", "labelDraw", "labelNoise"].includes(name)));
    const found = measured.get(key) ?? measure(flags, arm, threads, steps, signal);
    measured.set(key, found);
    estimates.push({ arm, steps: total, runs, ...(await found) });
  }
  return estimates;
}

type Flag = readonly [string, unknown];

function benchFlags({ given, row }: Arm, catalog: Listing): Flag[] {
  const kept = [...given].filter(([key]) => !notTimed.includes(key));
  // A step of Reduced Meta Pseudo Labels needs a table of predictions; a step of its student costs about as much.
  const asRun: Flag[] =
    row.predictionsOf === undefined
      ? kept
      : [...kept.filter(([key]) => !key.startsWith("method")), ["method", "meta-pseudo-labels"]];
  return [...byFile(withoutIdle(new Map(asRun), catalog), catalog)];
}

async function measure(flags: readonly Flag[], arm: Arm, threads: number, steps: number, signal?: AbortSignal) {
  const children = new Set<ChildProcess>();
  const stop = () => {
    for (const child of children) child.kill("SIGTERM");
  };
  signal?.addEventListener("abort", stop);
  const time = async (these: readonly Flag[]) => {
    const given = these.map(([key, value]) => `${flagOf(key)}=${String(value)}`);
    const args = ["bench", "--json", `--steps=${steps}`, "--warmup=1", ...given, `--threads=${threads}`];
    const line = await call(args, children);
    const { stepSecondsMedian, memoryMB, parameters } = JSON.parse(line) as {
      stepSecondsMedian: number;
      memoryMB: { max: number };
      parameters: number;
    };
    return { secondsPerStep: stepSecondsMedian, memoryMB: memoryMB.max, diskMB: diskOf(arm, parameters) };
  };
  try {
    return await time(flags);
  } catch (error) {
    const dataset = String(arm.given.get("dataset"));
    const why = (error as Error).message.split("\n").at(-1) ?? "";
    if (signal?.aborted || !small.includes(dataset)) return { remark: `not timed: ${why}` };
    try {
      const labels = Math.min(1000, Number(arm.given.get("labels")) || 1000);
      const own = flags.filter(([key]) => key !== "data" && key !== "labels" && !key.startsWith("dataset"));
      const replaced: Flag[] = [...own, ["dataset", "digits"], ["labels", labels]];
      return { ...(await time(replaced)), remark: `timed on generated pictures, ${dataset} is not here` };
    } catch (again) {
      return { remark: `not timed: ${(again as Error).message.split("\n").at(-1)}` };
    }
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** Weights, their average, and the optimizer's moments in float32, for each trained network; a line of log every few steps. */
function diskOf({ given }: Arm, parameters: number): number {
  const networks = String(given.get("method")).includes("meta-pseudo-labels") ? 2 : 1;
  const moments = given.get("optimizer.name") === "sgd" ? 1 : 2;
  const lines = Number(given.get("steps") ?? 10_000) / Number(given.get("logEvery") ?? 10);
  return (4 * parameters * networks * (2 + moments) + 400 * lines) / 1e6;
}
