/** One command at a time in a folder of runs: a second one would take the runs of the first for left over, and end them. */

import { FolderLock } from "../files/lock/lock.js";
import { makeFolder } from "../files/write-whole.js";

const TOUCH_MS = 10_000;

/** Does `work` while the folder's lock is held. Throws UsageError where another process holds it. */
export async function holdFolder<T>(out: string, work: () => Promise<T>): Promise<T> {
  makeFolder(out);
  const lock = FolderLock.take(out, { doing: "at work in this folder of runs" });
  const timer = setInterval(() => {
    try {
      lock.touch();
    } catch {
      clearInterval(timer); // taken over from another machine; each run has a lock of its own
    }
  }, TOUCH_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    lock.release();
  }
}
