/** `bench --peer`: ours and a Python script in turns, each in a process of its own, so that both see the same machine. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { flagOf } from "../../config/given.js";
import type { RunConfig } from "../../config/resolve.js";
import { TrainingError, UsageError } from "../../errors.js";
import { packagePath } from "../../package.js";
import { median as medianOf } from "../../statistics.js";
import { printError } from "../output.js";
import { load } from "./machine.js";
import type { BenchResult, PeerComparison, PeerTurn } from "./result.js";

export interface PeerOptions {
  readonly peer: string;
  readonly rounds: number;
  readonly steps: number;
  readonly warmup: number;
  readonly peerLayout: string;
  readonly peerPrecision: string | undefined;
  /** Our flags, handed on to the process that measures us. */
  readonly flags: readonly (readonly [string, unknown])[];
}

/** Runs `rounds` turns. Throws UsageError without the script, TrainingError where either side fails. */
export async function comparePeer(
  config: RunConfig,
  options: PeerOptions,
): Promise<{ ours: BenchResult; peer: PeerComparison }> {
  const { peer, rounds, steps, warmup, flags } = options;
  if (!existsSync(peer)) throw new UsageError(`fewlabels bench: --peer ${peer}: there is no such file`);
  const main = packagePath("bin/fewlabels.js");
  const given = flags.flatMap(([key, value]) => [`${flagOf(key)}=${String(value)}`]);
  const oursCommand = [main, "bench", "--json", `--steps=${steps}`, `--warmup=${warmup}`, ...given];
  const python = process.env.FEWLABELS_PYTHON ?? "python3";
  const turns: PeerTurn[] = [];
  const measured: BenchResult[] = [];
  let command: string[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = load();
    const ours = JSON.parse((await output(process.execPath, oursCommand)).lastLine) as BenchResult;
    const between = load();
    command = [peer, ...peerArguments(config, options, ours)];
    const theirs = await output(python, command);
    const { step_seconds_median: median } = JSON.parse(theirs.lastLine) as { step_seconds_median: number };
    const turn: PeerTurn = {
      ours: {
        imagesPerSecond: ours.imagesPerSecond,
        stepSecondsMedian: ours.stepSecondsMedian,
        memoryMB: ours.memoryMB.max,
      },
      peer: { imagesPerSecond: ours.batch / median, stepSecondsMedian: median, memoryMB: theirs.memoryMB },
      ratio: median / ours.stepSecondsMedian,
      load: { before, between, after: load() },
    };
    printError(
      `turn ${round + 1}/${rounds}: ours ${Math.round(turn.ours.imagesPerSecond)}, peer ${Math.round(turn.peer.imagesPerSecond)} images/s, ` +
        `ratio ${turn.ratio.toFixed(2)}, load ${before} ${between} ${turn.load.after}`,
    );
    turns.push(turn);
    measured.push(ours);
  }
  const ratioMedian = medianOf(turns.map((turn) => turn.ratio));
  const byMedian = measured.toSorted((a, b) => a.stepSecondsMedian - b.stepSecondsMedian);
  // The script's folder and the data's are this machine's business.
  const shown = command.map((arg, i) => (i === 0 ? arg.split("/").at(-1)! : command[i - 1] === "--data" ? "DIR" : arg));
  return { ours: byMedian[measured.length >> 1]!, peer: { command: ["python3", ...shown], turns, ratioMedian } };
}

/** The same run in the peer's flags. */
function peerArguments(
  config: RunConfig,
  { steps, warmup, peerLayout, peerPrecision }: PeerOptions,
  ours: BenchResult,
): string[] {
  const total = steps + warmup;
  return [
    ["--data", config.data!],
    ["--dataset", config.dataset],
    ["--method", config.method],
    ["--labels", config.labels],
    ["--width", String(ours.modelOptions.width ?? 1)],
    ["--steps", String(total)],
    ["--eval-every", String(total)],
    ["--batch", String(ours.batch)],
    ["--labeled-batch", String(ours.labeledBatch)],
    ["--threads", String(ours.threads)],
    ["--precision", peerPrecision ?? ours.precision],
    ["--layout", peerLayout],
    ["--seed", String(config.seed)],
  ].flat();
}

/** Runs a program to its end: the last line of its output, and the most memory it held. */
function output(program: string, args: readonly string[]): Promise<{ lastLine: string; memoryMB: number | null }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
    let [out, err] = ["", ""];
    let memoryMB: number | null = null;
    const watch = setInterval(() => {
      memoryMB = peakMemory(child.pid) ?? memoryMB;
    }, 250);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      out += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      err += text;
    });
    child.on("error", (error) => {
      clearInterval(watch);
      reject(new TrainingError(`fewlabels bench: ${program} could not be started (${error.message})`));
    });
    child.on("close", (code) => {
      const hint = program === process.execPath ? "" : "; FEWLABELS_PYTHON names another Python";
      clearInterval(watch);
      const lastLine = out.trim().split("\n").at(-1) ?? "";
      if (code === 0 && lastLine.startsWith("{")) resolve({ lastLine, memoryMB });
      else
        reject(
          new TrainingError(
            `fewlabels bench: ${program} ${args[0]} failed (exit code ${code}${hint}):\n${err.trim().slice(-2000)}`,
          ),
        );
    });
  });
}

/** VmHWM of a process in MB, where /proc tells. */
function peakMemory(pid: number | undefined): number | undefined {
  try {
    const kB = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return kB === undefined ? undefined : Math.round(Number(kB) / 1024);
  } catch {
    return undefined;
  }
}
