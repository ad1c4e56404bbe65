/** The list of runs, kept up to date while somebody looks at it. */
import { join, resolve } from "node:path";
import type { RunChanges, RunList, RunRow } from "./api.js";
import { findRuns } from "./find-runs.js";
import { readRow, stampOf } from "./run-row.js";

export interface RunWatch {
  /** Reads what has changed since it was last asked; several who ask at once share one reading. */
  list(): Promise<RunList>;
  /** Tells `listener` of every change until the function it returns is called; looks at the disk only while somebody listens. */
  subscribe(listener: (changes: RunChanges) => void): () => void;
}

/** Milliseconds between two looks at the runs that are known, and looks until new folders are searched for. */
const [INTERVAL, SEARCH_EVERY] = [700, 4];
/** Runs looked at in one go. */
const TURN = 50;

export function watchRuns(folder: string, interval = INTERVAL): RunWatch {
  const root = resolve(folder);
  const rows = new Map<string, { readonly stamp: string; readonly row: RunRow }>();
  const listeners = new Set<(changes: RunChanges) => void>();
  let [leftOut, looks] = [0, 0];
  let looking: Promise<RunChanges> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ticking = false;

  const read = async (search: boolean): Promise<RunChanges> => {
    const found = search ? findRuns(root) : undefined;
    if (found) leftOut = found.leftOut;
    const ids = found?.ids ?? [...rows.keys()];
    const there = new Set(ids);
    const gone = [...rows.keys()].filter((id) => !there.has(id));
    for (const id of gone) rows.delete(id);
    const changed: RunRow[] = [];
    for (const [i, id] of ids.entries()) {
      if (i % TURN === TURN - 1) await new Promise((resolve) => setImmediate(resolve)); // others have their turn
      const stamp = stampOf(join(root, id));
      const known = rows.get(id);
      if (stamp === undefined) {
        if (rows.delete(id)) gone.push(id);
        continue;
      }
      // A run that was killed changes no file: only its lock can tell.
      if (known?.stamp === stamp && known.row.state !== "running") continue;
      const row = readRow(root, id);
      if (known && JSON.stringify(known.row) === JSON.stringify(row)) continue;
      rows.set(id, { stamp, row });
      changed.push(row);
    }
    const changes = { runs: changed, gone };
    if (changed.length + gone.length > 0) for (const listener of listeners) listener(changes);
    return changes;
  };
  const look = (search: boolean) => {
    looking ??= read(search).finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const tick = async () => {
    ticking = true;
    await look(looks++ % SEARCH_EVERY === 0).catch(() => undefined); // a folder that vanished under the reader: next time
    ticking = false;
    timer = listeners.size > 0 ? setTimeout(() => void tick(), interval) : undefined;
  };
  return {
    async list() {
      await look(true);
      return { folder, runs: [...rows.values()].map(({ row }) => row), leftOut };
    },
    subscribe(listener) {
      listeners.add(listener);
      if (!ticking) timer ??= setTimeout(() => void tick(), interval); // else it goes on by itself
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearTimeout(timer);
        timer = undefined;
      };
    },
  };
}
