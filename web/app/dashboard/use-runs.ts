/** The list of runs, live. */
import { useEffect, useState } from "preact/hooks";
import type { RunChanges, RunList, RunRow } from "../../../src/web/dashboard/api.js";
import { listen } from "../shared/server.js";

export interface Runs {
  readonly folder: string;
  /** In the order of their ids. */
  readonly rows: readonly RunRow[];
  readonly leftOut: number;
  /** False while the server does not answer. */
  readonly connected: boolean;
}

/** Undefined until the server has sent the list. */
export function useRuns(): Runs | undefined {
  const [list, setList] = useState<RunList>();
  const [connected, setConnected] = useState(true);
  useEffect(
    () =>
      listen(
        "/api/events",
        {
          runs: (data) => setList(data as RunList),
          changes: (data) => setList((before) => before && applied(before, data as RunChanges)),
        },
        setConnected,
      ),
    [],
  );
  return list && { folder: list.folder, rows: list.runs, leftOut: list.leftOut, connected };
}

function applied(list: RunList, { runs, gone }: RunChanges): RunList {
  const rows = new Map(list.runs.map((row) => [row.id, row]));
  for (const id of gone) rows.delete(id);
  for (const row of runs) rows.set(row.id, row);
  return { ...list, runs: [...rows.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}
