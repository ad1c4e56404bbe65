/** The list of runs: filter, order, and a tick for those that are looked at together. */
import { useEffect, useMemo, useState } from "preact/hooks";
import type { RunRow } from "../../../../src/web/dashboard/api.js";
import { linkTo } from "../../shared/hash.js";
import type { Runs } from "../use-runs.js";
import { ago, percent } from "../words.js";
import { ConfigDifference } from "./config-difference.js";

interface Column {
  readonly title: string;
  readonly number?: boolean;
  readonly key: (row: RunRow) => string | number;
  readonly text: (row: RunRow) => string;
}

const columns: readonly Column[] = [
  { title: "run", key: (row) => row.id, text: (row) => row.id },
  { title: "state", key: (row) => row.state, text: (row) => row.problem ?? row.state },
  { title: "method", key: (row) => row.method, text: (row) => row.method },
  { title: "model", key: (row) => row.model, text: (row) => row.model },
  { title: "data", key: (row) => row.dataset, text: (row) => row.dataset },
  { title: "labels", key: (row) => Number(row.labels) || row.labels, text: (row) => row.labels },
  { title: "seed", number: true, key: (row) => row.seed, text: (row) => String(row.seed) },
  { title: "step", number: true, key: (row) => row.step, text: (row) => `${row.step} / ${row.steps}` },
  {
    title: "error",
    number: true,
    key: (row) => row.error ?? Number.POSITIVE_INFINITY,
    text: (row) => (row.error === undefined ? "" : `${percent(row.error)} (${row.errorOf})`),
  },
  { title: "changed", key: (row) => -row.updated, text: (row) => ago(row.updated) },
];

/** Every word of the filter must be somewhere in the row; "labels:40" looks in one column only. */
export function matches(row: RunRow, filter: string): boolean {
  return filter
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== "")
    .every((word) => {
      const [name, value] = word.split(":");
      const column = value === undefined ? undefined : columns.find(({ title }) => title === name);
      if (column)
        return column
          .text(row)
          .toLowerCase()
          .includes(value ?? "");
      return columns.some(({ text }) => text(row).toLowerCase().includes(word));
    });
}

export function RunTable({ runs, chosen }: { readonly runs: Runs; readonly chosen: readonly string[] }) {
  const [filter, setFilter] = useState("");
  const [order, setOrder] = useState<{ readonly column: number; readonly down: boolean }>({ column: 9, down: false });
  // Of the runs that the address names some may have been deleted.
  const there = chosen.filter((id) => runs.rows.some((row) => row.id === id));
  const shown = useMemo(() => {
    const { key } = columns[order.column]!;
    const kept = runs.rows.filter((row) => matches(row, filter));
    const sign = order.down ? -1 : 1;
    return kept.sort((a, b) => sign * compare(key(a), key(b)));
  }, [runs.rows, filter, order]);
  // "5 s ago" grows also where nothing else changes: then above all.
  const [, look] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => look((times) => times + 1), 5000);
    return () => clearInterval(timer);
  }, []);
  const choose = (id: string, on: boolean) => {
    const next = on ? [...chosen, id] : chosen.filter((one) => one !== id);
    history.replaceState(null, "", linkTo("runs", { run: next }));
    dispatchEvent(new HashChangeEvent("hashchange"));
  };
  return (
    <>
      <search class="bar">
        <label>
          Filter
          <input
            type="search"
            value={filter}
            placeholder="mean-teacher labels:40"
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </label>
        <span role="status" class="soft">
          {shown.length === runs.rows.length ? `${shown.length} runs` : `${shown.length} of ${runs.rows.length} runs`}
          {runs.leftOut > 0 ? `; ${runs.leftOut} more are not listed` : ""}
        </span>
      </search>
      {runs.rows.length === 0 && (
        <p>
          No run in this folder yet. <code>fewlabels train --out {runs.folder}/NAME ...</code> starts one; it appears
          here by itself.
        </p>
      )}
      <div class="scroll">
        <table class="runs">
          <thead>
            <tr>
              <th>
                <span class="hidden">chosen</span>
              </th>
              {columns.map(({ title, number }, i) => (
                <th
                  key={title}
                  class={number ? "number" : ""}
                  aria-sort={order.column === i ? (order.down ? "descending" : "ascending") : "none"}
                >
                  <button
                    type="button"
                    onClick={() => setOrder({ column: i, down: order.column === i && !order.down })}
                  >
                    {title}
                    {order.column === i ? (order.down ? " ↓" : " ↑") : ""}
                  </button>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {shown.map((row) => (
              <tr key={row.id} class={row.state}>
                <td>
                  <input
                    type="checkbox"
                    aria-label={`choose ${row.id}`}
                    checked={chosen.includes(row.id)}
                    onChange={(event) => choose(row.id, event.currentTarget.checked)}
                  />
                </td>
                {columns.map(({ title, number, text }) => (
                  <td key={title} class={number ? "number" : ""}>
                    {text(row)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {there.length > 0 && <ConfigDifference runs={there} />}
    </>
  );
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
