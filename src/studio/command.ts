/** Runs a command of fewlabels as its user would, in a process of its own at low priority. */
import { type ChildProcess, spawn } from "node:child_process";
import { setPriority } from "node:os";
import { quoted } from "../errors.js";
import { packagePath } from "../package.js";

export interface Ran {
  readonly code: number | null;
  /** The last line of stdout as JSON, where there is one. */
  readonly result: unknown;
  /** What it complained of: the last line of stderr. */
  readonly problem: string;
}

export interface RunningCommand {
  readonly done: Promise<Ran>;
  /** Asks it to stop; a run leaves a checkpoint. */
  stop(): void;
}

/** As people type it. */
export const commandLine = (args: readonly string[]): string => ["fewlabels", ...args.map(quoted)].join(" ");

/** On Unix 0 is usual and 19 the lowest: with others at work such a process gets about a third of what they get. */
const LOW = 5;
const KEPT_CHARS = 20_000;

export function runCommand(args: readonly string[]): RunningCommand {
  const child: ChildProcess = spawn(process.execPath, [packagePath("bin/fewlabels.js"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    if (child.pid !== undefined) setPriority(child.pid, LOW);
  } catch {
    // It has ended already, or the system does not allow it.
  }
  const text = { out: "", err: "" };
  child.stdout?.setEncoding("utf8").on("data", (part: string) => {
    text.out = (text.out + part).slice(-KEPT_CHARS);
  });
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    text.err = (text.err + part).slice(-KEPT_CHARS);
  });
  const done = new Promise<Ran>((resolve) => {
    child.on("error", ({ message }) => resolve({ code: null, result: undefined, problem: message }));
    child.on("close", (code) => resolve({ code, result: lastJson(text.out), problem: complaint(text.err) }));
  });
  return { done, stop: () => void child.kill("SIGTERM") };
}

function lastJson(text: string): unknown {
  try {
    return JSON.parse(text.trim().split("\n").at(-1) ?? "");
  } catch {
    return undefined;
  }
}

function complaint(text: string): string {
  return text.split(/[\r\n]+/).findLast((line) => line.trim() !== "") ?? "";
}
