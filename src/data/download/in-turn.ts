/** One process at a time fetches a file into a folder; others wait for it. */
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nameOf } from "../../files/lock/holder.js";
import { FolderLock, whileHeld } from "../../files/lock/lock.js";

const LOOK_MS = 500;

/**
 * Does `work`, told whether another process was at it before, while `<file>.part.lock` is held. Where it is taken over from another machine the
 * checksum finds what the two mixed. Throws DiskError where the lock cannot be made, the signal's reason when it is aborted, and what `work` throws.
 */
export async function inTurn<T>(
  file: string,
  { signal, onNote }: { readonly signal?: AbortSignal | undefined; readonly onNote?: (line: string) => void },
  work: (waited: boolean) => Promise<T>,
): Promise<T> {
  for (let waited = false; ; waited = true) {
    const lock = FolderLock.tryTake(dirname(file), { name: `${basename(file)}.part.lock` });
    if (lock instanceof FolderLock) return await whileHeld(lock, () => work(waited));
    if (!waited) onNote?.(`${nameOf(lock)} is fetching ${basename(file)} since ${lock.since}; waiting for it`);
    await sleep(LOOK_MS, undefined, { signal }).catch(() => signal?.throwIfAborted());
  }
}
