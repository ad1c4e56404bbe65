/** The page: its head, and the view that the address names. */
import { useMemo } from "preact/hooks";
import type { RunRow } from "../../../src/web/dashboard/api.js";
import { linkTo, usePlace } from "../shared/hash.js";
import { Page } from "../shared/page.js";
import { Charts } from "./charts/charts.js";
import { Confusion } from "./run/confusion.js";
import { Gallery } from "./run/gallery.js";
import { RunTable } from "./runs/run-table.js";
import { useRuns } from "./use-runs.js";

const views = [
  ["runs", "Runs"],
  ["charts", "Charts"],
  ["confusion", "Confusion"],
  ["gallery", "Gallery"],
] as const;

export function Dashboard() {
  const runs = useRuns();
  const { view, query } = usePlace();
  const chosen = query.getAll("run");
  const [current] = views.find(([name]) => name === view) ?? views[0];
  const rows = useMemo(() => chosenRows(runs?.rows ?? [], chosen), [runs?.rows, chosen.join("\n")]);
  return (
    <Page
      name="dashboard"
      views={views}
      current={current}
      linkOf={(name) => linkTo(name, { run: chosen })}
      extra={<span class="soft">{runs?.folder}</span>}
      lost={runs?.connected === false}
    >
      {!runs && <p class="soft">Reading the runs ...</p>}
      {runs && current === "runs" && <RunTable runs={runs} chosen={chosen} />}
      {rows.length > 0 && current === "charts" && <Charts rows={rows} />}
      {runs && rows.length === 0 && current !== "runs" && <p>No run yet.</p>}
      {rows.length > 0 && current === "confusion" && <Confusion rows={rows} />}
      {rows[0] && current === "gallery" && (
        <>
          <h2>{rows[0].id}</h2>
          <Gallery key={rows[0].id} row={rows[0]} />
        </>
      )}
    </Page>
  );
}

/** In the order they were chosen; without a choice the run that changed last. */
function chosenRows(rows: readonly RunRow[], chosen: readonly string[]): readonly RunRow[] {
  const found = chosen.flatMap((id) => rows.filter((row) => row.id === id));
  if (found.length > 0 || rows.length === 0) return found;
  return [rows.reduce((latest, row) => (row.updated > latest.updated ? row : latest))];
}
