/** Who a lock says is writing, and whether that process is still there. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { threadId } from "node:worker_threads";

export interface Holder {
  readonly pid: number;
  readonly thread: number;
  readonly host: string;
  /** When the process started, where the system tells: a number used again is another process. */
  readonly started: string;
  readonly since: string;
  /** Whether a thread touches it all the time. */
  readonly beats?: boolean;
}

/** A lock of another machine that nobody has touched for so long is left over. */
const LEFT_OVER_MS = 15 * 60_000;

/** This thread of this process; `beats`: it touches its lock all the time. */
export function myself(beats: boolean): Holder {
  return {
    pid: process.pid,
    thread: threadId,
    host: hostname(),
    started: startOf(process.pid),
    since: new Date().toISOString(),
    ...(beats ? { beats } : {}),
  };
}

/** Whether the holder of the lock `path` still runs; of another machine, whether the lock was touched in the last quarter of an hour. */
export function isThere({ pid, host, started }: Holder, path: string): boolean {
  if (host !== hostname()) return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < LEFT_OVER_MS;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's process
  }
  return startOf(pid) === started;
}

/** Field 22 of /proc/PID/stat, in clock ticks since the machine started; "" where there is no such file, or the process is dead and only not reaped. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "" : (fields[19] ?? "");
  } catch {
    return "";
  }
}

/** `process 7 on HOST`, as errors have it. */
export function nameOf({ pid, host }: Holder): string {
  return host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
}
