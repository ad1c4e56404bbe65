/**
 * Who is writing to a run folder: a file `lock` with process, thread, machine and time, there while a run goes on. A lock whose
 * writer is gone (killed, or a machine that is no more) holds nobody up.
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { threadId } from "node:worker_threads";
import { UsageError } from "../errors.js";
import { cannotWrite } from "../files/write-whole.js";

interface Holder {
  readonly pid: number;
  readonly thread: number;
  readonly host: string;
  /** When the process started, where the system tells: a number used again is another process. */
  readonly started: string;
  readonly since: string;
}

/** A lock of another machine that nobody has touched for so long is left over. */
const LEFT_OVER_MS = 15 * 60_000;
/** How often a writer says that it is still there. */
const TOUCH_MS = 20_000;

export class RunLock {
  readonly #path: string;
  #touched = Date.now();
  #held = true;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws UsageError (exit code 2) where somebody else is writing to the folder, DiskError where no lock can be made. */
  static take(folder: string): RunLock {
    const path = join(folder, "lock");
    for (let attempt = 0; attempt < 5; attempt++) {
      if (create(path)) return new RunLock(path);
      const holder = read(path);
      if (holder === "gone") continue;
      if (holder !== undefined && isThere(holder, path)) throw new UsageError(refusal(folder, holder));
      setAside(path, holder);
    }
    throw new UsageError(`${folder}: others are starting on this run folder at the same time. Try again`);
  }

  /** Says that the writer is still there, now and then; call it as often as you like. */
  touch(): void {
    const now = Date.now();
    if (!this.#held || now - this.#touched < TOUCH_MS) return;
    this.#touched = now;
    try {
      utimesSync(this.#path, now / 1000, now / 1000);
    } catch {
      // A folder that has been taken away is noticed elsewhere.
    }
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    rmSync(this.#path, { force: true });
  }
}

/** Takes away the lock that a thread of this process left when it was ended in mid-step. */
export function clearLockOfThread(folder: string): void {
  const path = join(folder, "lock");
  const holder = existsSync(path) ? read(path) : undefined;
  if (typeof holder === "object" && holder.pid === process.pid && holder.host === hostname())
    rmSync(path, { force: true });
}

/** True while somebody is writing to the run folder. */
export function isHeld(folder: string): boolean {
  const path = join(folder, "lock");
  const holder = read(path);
  return typeof holder === "object" && isThere(holder, path);
}

/** Whole or not at all, and only where there is none: a link to a file that is written already. */
function create(path: string): boolean {
  const me: Holder = {
    pid: process.pid,
    thread: threadId,
    host: hostname(),
    started: startOf(process.pid),
    since: new Date().toISOString(),
  };
  const beside = `${path}-${process.pid}-${threadId}`;
  try {
    writeFileSync(beside, `${JSON.stringify(me)}\n`);
    try {
      linkSync(beside, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      writeFileSync(path, `${JSON.stringify(me)}\n`, { flag: "wx" }); // a file system without links
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw cannotWrite(path, error);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** Undefined where the file is no lock of ours (cut off by a power failure, say); "gone" where there is none any more. */
function read(path: string): Holder | "gone" | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return "gone";
  }
  try {
    const holder: unknown = JSON.parse(text);
    return typeof holder === "object" && holder !== null && "pid" in holder ? (holder as Holder) : undefined;
  } catch {
    return undefined;
  }
}

function isThere({ pid, host, started }: Holder, path: string): boolean {
  if (host !== hostname()) return Date.now() - (statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0) < LEFT_OVER_MS;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // somebody else's process
  }
  return startOf(pid) === started;
}

/** Field 22 of /proc/PID/stat, in clock ticks since the machine started; "" where there is no such file. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

/** Removes a lock that is left over, but not one that another process has put in its place meanwhile. */
function setAside(path: string, holder: Holder | undefined): void {
  const aside = `${path}-left-${process.pid}-${threadId}`;
  try {
    renameSync(path, aside);
    const taken = read(aside);
    if (JSON.stringify(taken) !== JSON.stringify(holder)) linkSync(aside, path); // it was a new one: back with it
  } catch {
    // Another process was quicker.
  } finally {
    rmSync(aside, { force: true });
  }
}

function refusal(folder: string, { pid, host, since }: Holder): string {
  const where = host === hostname() ? `process ${pid}` : `process ${pid} on ${host}`;
  return (
    `${folder}: ${where} is training in this run folder since ${since}. Wait for it or stop it; ` +
    `if there is no such process, delete ${join(folder, "lock")}`
  );
}
