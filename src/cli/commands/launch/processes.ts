/** Starts the processes of one training on this machine, for those who have no launcher. */
import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { constants } from "node:os";
import { packagePath } from "../../../package.js";
import { stopSignals } from "../../signals.js";

/** A process that goes on beside one that has failed is asked to end after so long, and then made to. */
const [ASKED_MS, MADE_MS] = [5_000, 20_000];

/**
 * Runs `fewlabels ARGS` in `size` processes that know of each other, with this one's streams. Signals go to all. Returns the exit code: of
 * the first one that failed, else of process 0.
 */
export async function launchProcesses(size: number, args: readonly string[]): Promise<number> {
  const port = await freePort();
  const children = Array.from({ length: size }, (_, rank) => {
    const place = { RANK: rank, LOCAL_RANK: rank, WORLD_SIZE: size, LOCAL_WORLD_SIZE: size };
    const meeting = { MASTER_ADDR: "127.0.0.1", MASTER_PORT: port, FEWLABELS_LAUNCH: 1 };
    const told = Object.entries({ ...place, ...meeting }).map(([name, value]) => [name, String(value)]);
    return spawn(process.execPath, [packagePath("bin/fewlabels.js"), ...args], {
      env: { ...process.env, ...Object.fromEntries(told) },
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
  const all = (signal: NodeJS.Signals) => {
    for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  };
  for (const signal of stopSignals) process.on(signal, all);
  const timers: NodeJS.Timeout[] = [];
  let failure: number | undefined;
  const codes = await Promise.all(
    children.map(
      (child) =>
        new Promise<number>((resolve) => {
          const ended = (code: number) => {
            if (code !== 0 && failure === undefined) {
              failure = code;
              timers.push(setTimeout(all, ASKED_MS, "SIGTERM"), setTimeout(all, MADE_MS, "SIGKILL"));
            }
            resolve(code);
          };
          child.on("error", () => ended(1));
          child.on("exit", (code, signal) => ended(code ?? 128 + (signal ? constants.signals[signal] : 0)));
        }),
    ),
  );
  for (const timer of timers) clearTimeout(timer);
  for (const signal of stopSignals) process.off(signal, all);
  return failure ?? codes[0]!;
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
