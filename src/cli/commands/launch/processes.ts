/** Starts the processes of one training on this machine, for those who have no launcher. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { constants } from "node:os";
import { packagePath } from "../../../package.js";
import { interruptedExitCode, stopSignals } from "../../signals.js";

export interface LaunchOptions {
  /** The file that each process runs; default this program. */
  readonly program?: string;
  /** A process that goes on beside one that has failed is asked to end after so many milliseconds, and then made to. */
  readonly askAfter?: number;
  readonly killAfter?: number;
}

/**
 * Runs `fewlabels ARGS` in `size` processes that know of each other, with this one's streams. Signals go to all. Returns the exit code
 * (see `exitCodeOf`). After one that was interrupted the others are left to end by themselves: process 0 may have a checkpoint to write.
 */
export async function launchProcesses(
  size: number,
  args: readonly string[],
  { program = packagePath("bin/fewlabels.js"), askAfter = 5_000, killAfter = 20_000 }: LaunchOptions = {},
): Promise<number> {
  const port = await freePort();
  const children = Array.from({ length: size }, (_, rank) => {
    const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: size, LOCAL_WORLD_SIZE: size };
    const meeting = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: port, FEWLABELS_LAUNCH: 1 };
    const told = Object.entries({ ...place, ...meeting }).map(([name, value]) => [name, String(value)]);
    return spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...Object.fromEntries(told) },
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
  const all = (signal: NodeJS.Signals) => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  };
  for (const signal of stopSignals) process.on(signal, all);
  const timers: NodeJS.Timeout[] = [];
  const codes: number[] = [];
  let asked = false;
  const ask = () => {
    asked = true;
    all("SIGTERM");
  };
  const ended = (code: number) => {
    if (!asked) codes.push(code); // later ones say what was done to them here
    if (code === 0 || code === interruptedExitCode || timers.length > 0) return;
    timers.push(setTimeout(ask, askAfter), setTimeout(all, killAfter, "SIGKILL"));
  };
  await Promise.all(
    children.map(
      (child) =>
        new Promise<void>((resolve) => {
          const end = (code: number) => resolve(ended(code));
          child.on("error", () => end(1));
          child.on("exit", (code, signal) => end(code ?? 128 + (signal ? constants.signals[signal] : 0)));
        }),
    ),
  );
  for (const timer of timers) clearTimeout(timer);
  for (const signal of stopSignals) process.off(signal, all);
  return exitCodeOf(codes);
}

/**
 * The exit code of a training whose processes ended with `codes`, in this order: the first that says what went wrong (2, 3, a signal's), else
 * 1, which those left behind have too; 130 where every one that failed was interrupted, and 0 where none failed.
 */
export function exitCodeOf(codes: readonly number[]): number {
  const vague = [1, interruptedExitCode, 0];
  return codes.toSorted((a, b) => vague.indexOf(a) - vague.indexOf(b))[0] ?? 0;
}

/** A port of this machine on which nobody listens at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address ? address.port : 0));
    });
  });
}
