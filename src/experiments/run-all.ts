/** Runs what is left of a plan, each run in a process of its own. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { catalog as builtIn, byFile, type Listing } from "../config/catalog.js";
import { withoutIdle } from "../config/without-idle.js";
import { writeWhole } from "../files/write-whole.js";
import type { PlannedRun } from "./plan.js";
import { movedTo } from "./run-inputs.js";
import { besides, lastStep, prepareRun, stateOf } from "./run-state.js";

export type RunAllEvent =
  | { readonly type: "started"; readonly run: PlannedRun; readonly resumed: boolean }
  | { readonly type: "step"; readonly run: PlannedRun; readonly step: number }
  | { readonly type: "finished"; readonly run: PlannedRun; readonly seconds: number }
  | { readonly type: "failed"; readonly run: PlannedRun; readonly message: string };

export interface RunAllOptions {
  readonly jobs: number;
  /** Of one run. */
  readonly threads: number;
  /** What names mean; default what comes with the package. */
  readonly catalog?: Listing;
  readonly onEvent?: (event: RunAllEvent) => void;
  /** Asks the runs to write a checkpoint and end. */
  readonly signal?: AbortSignal;
}

export interface RunAllResult {
  readonly failed: readonly { readonly run: PlannedRun; readonly message: string }[];
  readonly interrupted: boolean;
}

export const cliPath = fileURLToPath(new URL("../../bin/fewlabels.js", import.meta.url));

/** Runs that are not finished, in the order of the plan; one that needs another's predictions waits for it. */
export async function runAll(runs: readonly PlannedRun[], options: RunAllOptions): Promise<RunAllResult> {
  const { jobs, onEvent = () => {}, signal } = options;
  const waiting = runs.filter((run) => stateOf(run) !== "finished");
  const open = new Set(waiting.map(({ key }) => key));
  const failed: { run: PlannedRun; message: string }[] = [];
  const children = new Set<ChildProcess>();
  const stop = () => {
    for (const child of children) child.kill("SIGTERM");
  };
  signal?.addEventListener("abort", stop);
  const ready = ({ needs }: PlannedRun) => needs === undefined || !open.has(needs);
  const active = new Set<Promise<void>>();

  const one = async (run: PlannedRun): Promise<void> => {
    try {
      await runOne(run, runs, options, children);
      open.delete(run.key);
    } catch (error) {
      if (signal?.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      failed.push({ run, message });
      onEvent({ type: "failed", run, message });
    }
  };
  while (!signal?.aborted) {
    const at = active.size < jobs ? waiting.findIndex(ready) : -1;
    if (at >= 0) {
      const [run] = waiting.splice(at, 1);
      const promise: Promise<void> = one(run!).finally(() => active.delete(promise));
      active.add(promise);
    } else if (active.size > 0) await Promise.race(active);
    else break;
  }
  await Promise.all(active);
  signal?.removeEventListener("abort", stop);
  for (const run of signal?.aborted ? [] : waiting) {
    failed.push({ run, message: `needs the predictions of ${run.needs}, which did not finish` });
  }
  return { failed, interrupted: signal?.aborted ?? false };
}

async function runOne(
  run: PlannedRun,
  runs: readonly PlannedRun[],
  { threads, catalog = builtIn, onEvent = () => {}, signal }: RunAllOptions,
  children: Set<ChildProcess>,
): Promise<void> {
  const state = await prepareRun(run);
  if (state === "finished" || signal?.aborted) return;
  const files = besides(run);
  const started = performance.now();
  onEvent({ type: "started", run, resumed: state === "started" });
  const given: Record<string, unknown> = { ...Object.fromEntries(run.given) };
  if (run.needs !== undefined) {
    const from = runs.find(({ key }) => key === run.needs)!;
    if (!existsSync(files.table)) {
      await call(["predictions", from.folder, "--out", `${files.table}.part`, ...dataFlag(from)], children);
      // Whole only now: a kill in between leaves no table that looks finished.
      renameSync(`${files.table}.part`, files.table);
    }
    given["method.table"] = files.table;
  }
  const told = byFile(withoutIdle(new Map(Object.entries(given)), catalog), catalog);
  writeWhole(files.config, stringify(Object.fromEntries(told)));
  const polling = setInterval(() => onEvent({ type: "step", run, step: lastStep(run.folder) }), 1000);
  try {
    const where =
      state === "started" ? ["--resume", run.folder, ...dataFlag(run)] : [files.config, "--out", run.folder];
    await call(["train", ...where, "--threads", String(threads), "--json"], children, files.pid);
  } finally {
    clearInterval(polling);
    rmSync(files.pid, { force: true });
  }
  onEvent({ type: "finished", run, seconds: (performance.now() - started) / 1000 });
}

/** For a run whose data lie elsewhere than when it began. */
function dataFlag(run: PlannedRun): string[] {
  const data = movedTo(run);
  return data === undefined ? [] : ["--data", data];
}

/** Runs `fewlabels ARGS` and returns the last line of its output; throws what it complained of. */
export function call(args: readonly string[], children = new Set<ChildProcess>(), pidFile?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    // A process group of its own: Ctrl-C reaches the experiment alone, which hands it on once.
    const child = spawn(process.execPath, [cliPath, ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
    children.add(child);
    if (pidFile !== undefined && child.pid !== undefined) writeFileSync(pidFile, String(child.pid));
    let [out, err] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out = (out + text).slice(-100_000);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err = (err + text).slice(-4000);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      children.delete(child);
      if (code === 0) resolve(out.trim().split("\n").at(-1) ?? "");
      else if (signal !== null) reject(new Error(killed(args[0], signal)));
      else {
        const last = err
          .trim()
          .split("\n")
          .filter((line) => !line.startsWith("step "))
          .slice(-3)
          .join("\n");
        reject(new Error(last || `fewlabels ${args[0]} ended with code ${code}`));
      }
    });
  });
}

function killed(command: string | undefined, signal: NodeJS.Signals): string {
  const likely =
    signal === "SIGKILL" ? ": was there too little memory? Fewer --jobs take less, and the same command goes on" : "";
  return `fewlabels ${command} was killed by ${signal}${likely}`;
}
