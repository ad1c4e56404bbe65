/** One process at a time fetches a file into a folder; others wait for it. */
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nameOf } from "../../files/lock/holder.js";
import { FolderLock } from "../../files/lock/lock.js";

const LOOK_MS = 500;

export interface Turn {
  /** Whether another process was at it before. */
  readonly waited: boolean;
  /** Says that this one still is; call it as often as you like. */
  readonly touch: () => void;
}

/**
 * Does `work` while `<file>.part.lock` is held. Throws DiskError where that cannot be made, the signal's reason when it is aborted, and what
 * `work` throws.
 */
export async function inTurn<T>(
  file: string,
  { signal, onNote }: { readonly signal?: AbortSignal | undefined; readonly onNote?: (line: string) => void },
  work: (turn: Turn) => Promise<T>,
): Promise<T> {
  for (let waited = false; ; waited = true) {
    const lock = FolderLock.tryTake(dirname(file), { name: `${basename(file)}.part.lock` });
    if (lock instanceof FolderLock) {
      try {
        return await work({ waited, touch: () => touch(lock) });
      } finally {
        lock.release();
      }
    }
    if (!waited) onNote?.(`${nameOf(lock)} is fetching ${basename(file)} since ${lock.since}; waiting for it`);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}

function touch(lock: FolderLock): void {
  try {
    lock.touch();
  } catch {
    // Taken over from another machine, where nothing was heard of this one: the checksum finds what the two mixed.
  }
}
