/** Runs a command of fewlabels as its user would, in a process of its own at low priority. */
import { type ChildProcess, spawn } from "node:child_process";
import { setPriority } from "node:os";
import { quoted } from "../errors.js";
import { packagePath } from "../package.js";

export interface Ran {
  readonly code: number | null;
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
    stdio: ["ignore", "ignore", "pipe"],
  });
  try {
    if (child.pid !== undefined) setPriority(child.pid, LOW);
  } catch {
    // It has ended already, or the system does not allow it.
  }
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (part: string) => {
    said = (said + part).slice(-KEPT_CHARS);
  });
  const done = new Promise<Ran>((resolve) => {
    child.on("error", ({ message }) => resolve({ code: null, problem: message }));
    child.on("close", (code) => resolve({ code, problem: complaint(said) }));
  });
  return { done, stop: () => void child.kill("SIGTERM") };
}

function complaint(text: string): string {
  return text.split(/[\r\n]+/).findLast((line) => line.trim() !== "") ?? "";
}
