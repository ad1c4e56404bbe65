/** One command at a time in a folder of runs: a second one would take the runs of the first for left over, and end them. */
import { FolderLock, whileHeld } from "../files/lock/lock.js";
import { makeFolder } from "../files/write-whole.js";

/** Does `work` while the folder's lock is held. Throws UsageError where another process holds it; each run has a lock of its own. */
export async function holdFolder<T>(out: string, work: () => Promise<T>): Promise<T> {
  makeFolder(out);
  return await whileHeld(FolderLock.take(out, { doing: "at work in this folder of runs" }), work);
}
