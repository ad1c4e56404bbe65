/**
 * Who is writing to a run folder, or fetches a file: a file `lock` with process, thread, machine and time, there as long as that goes on. A lock whose
 * writer is gone (killed, or a machine that is no more) holds nobody up.
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import { threadId } from "node:worker_threads";
import { UsageError } from "../../errors.js";
import { cannotWrite } from "../write-whole.js";
import { fellSilent, startedByOthers, startHeartbeat } from "./heartbeat.js";
import { type Holder, isThere, myself, nameOf } from "./holder.js";

export interface LockOptions {
  /**
   * How long to wait for a sign of life of a holder on another machine that gives them; such a lock gives signs itself where a job started
   * this process. Default: none are waited for, nor given.
   */
  readonly watchMs?: number;
  /** What the holder is doing, for the refusal of another. Default: "training in this run folder". */
  readonly doing?: string;
  /** Name of the lock in its folder. Default: "lock". */
  readonly name?: string;
}

/** How often a writer says that it is still there. */
const TOUCH_MS = 20_000;

export class FolderLock {
  readonly #path: string;
  readonly #text: string;
  readonly #stopBeating: (() => void) | undefined;
  #touched = Date.now();
  #held = true;

  private constructor(path: string, text: string, beats: boolean) {
    [this.#path, this.#text] = [path, text];
    this.#stopBeating = beats ? startHeartbeat(path, text) : undefined;
  }

  /** Throws UsageError (exit code 2) where somebody else is writing to the folder, DiskError where no lock can be made. */
  static take(folder: string, options: LockOptions = {}): FolderLock {
    const taken = FolderLock.tryTake(folder, options);
    if (taken instanceof FolderLock) return taken;
    throw new UsageError(refusal(folder, taken, options.doing ?? "training in this run folder"));
  }

  /** The lock, or who holds it. Throws DiskError where none can be made. */
  static tryTake(folder: string, { watchMs = 0, name = "lock" }: LockOptions = {}): FolderLock | Holder {
    const path = join(folder, name);
    const me = myself(watchMs > 0 && startedByOthers());
    const text = `${JSON.stringify(me)}\n`;
    for (let attempt = 0; attempt < 5; attempt++) {
      if (create(path, text)) return new FolderLock(path, text, me.beats === true);
      const holder = read(path);
      if (holder === "gone") continue;
      const there = holder !== undefined && isThere(holder, path);
      const watched = there && watchMs > 0 && holder.beats && holder.host !== me.host;
      if (there && !(watched && fellSilent(path, watchMs))) return holder;
      setAside(path, holder);
    }
    throw new UsageError(`${folder}: others are starting here at the same time. Try again`);
  }

  /** Says that the writer is still there, now and then; call it as often as you like. */
  touch(): void {
    const now = Date.now();
    if (!this.#held || now - this.#touched < TOUCH_MS) return;
    this.#touched = now;
    this.assertMine();
    try {
      utimesSync(this.#path, now / 1000, now / 1000);
    } catch {
      // A folder that has been taken away is noticed elsewhere.
    }
  }

  /** Throws UsageError where another process believed this one dead and writes to the folder now. */
  assertMine(): void {
    const holder = this.#other();
    if (!holder) return;
    throw new UsageError(
      `${dirname(this.#path)}: ${nameOf(holder)} has taken this run folder over at ${holder.since}, as nothing was heard of this process ` +
        `(${process.pid} on ${hostname()}), which therefore ends. What it trained since its last checkpoint is not kept`,
    );
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.#stopBeating?.();
    if (!this.#other()) rmSync(this.#path, { force: true });
  }

  /** Who has taken it over, if somebody has. */
  #other(): Holder | undefined {
    const holder = read(this.#path);
    return typeof holder === "object" && `${JSON.stringify(holder)}\n` !== this.#text ? holder : undefined;
  }
}

const SAID_EVERY_MS = 10_000;

/** Does `work` while the lock is held, saying meanwhile that its holder is there, and releases it. */
export async function whileHeld<T>(lock: FolderLock, work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => {
    try {
      lock.touch();
    } catch {
      clearInterval(timer); // taken over from another machine, where nothing was heard of this one
    }
  }, SAID_EVERY_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    lock.release();
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
function create(path: string, text: string): boolean {
  const beside = `${path}-${process.pid}-${threadId}`;
  try {
    writeFileSync(beside, text);
    try {
      linkSync(beside, path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") return false;
      writeFileSync(path, text, { flag: "wx" }); // a file system without links
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

function refusal(folder: string, holder: Holder, doing: string): string {
  return (
    `${folder}: ${nameOf(holder)} is ${doing} since ${holder.since}. Wait for it or stop it; ` +
    `if there is no such process, delete ${join(folder, "lock")}`
  );
}
