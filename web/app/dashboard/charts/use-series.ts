/** The curves of runs, fetched as far as they are missing whenever a run has grown. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { RunRow, SeriesHeader } from "../../../../src/web/dashboard/api.js";
import { address, getBytes } from "../../shared/server.js";
import { type Curve, emptyCurve, extended } from "./curves.js";

/** Of one run. */
export interface RunSeries {
  readonly generation: number;
  /** All curves the run has, fetched or not. */
  readonly names: readonly string[];
  readonly curves: ReadonlyMap<string, Curve>;
}

const nothing: RunSeries = { generation: 0, names: [], curves: new Map() };

/** What `packSeries` of the server packed, put behind what there was before. */
export function unpacked(before: RunSeries, bytes: ArrayBuffer): RunSeries {
  const length = new DataView(bytes).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length))) as SeriesHeader;
  const curves = new Map(header.generation === before.generation ? before.curves : []);
  let at = 4 + length;
  const take = (count: number) => {
    const numbers = new Float64Array(bytes, at, count);
    at += 8 * count;
    return numbers;
  };
  for (const { name, from, count } of header.columns) {
    const [steps, values] = [take(count), take(count)];
    curves.set(name, extended(curves.get(name) ?? emptyCurve, from, steps, values));
  }
  return { generation: header.generation, names: header.names, curves };
}

async function fetchSeries(run: string, before: RunSeries, names: readonly string[]): Promise<RunSeries> {
  const counts = names.map((name) => before.curves.get(name)?.steps.length ?? 0);
  const url = address("/api/series", { run, generation: before.generation, counts: counts.join(",") });
  const query = new URLSearchParams(names.map((name) => ["name", name])).toString();
  return unpacked(before, await getBytes(query === "" ? url : `${url}&${query}`));
}

/** A page leaves the machine to the training: after drawing it rests so many times as long, but between so many milliseconds. */
const [REST_TIMES, LEAST_REST, MOST_REST] = [20, 1500, 5000];

/** By run id. `names`: the curves wanted; runs that have none of a name have an empty curve. */
export function useSeries(
  rows: readonly RunRow[],
  names: readonly string[],
): { readonly series: ReadonlyMap<string, RunSeries>; readonly problem: string } {
  const kept = useRef(new Map<string, RunSeries>());
  const asked = useRef(new Map<string, string>());
  const [series, setSeries] = useState<ReadonlyMap<string, RunSeries>>(new Map());
  const [problem, setProblem] = useState("");
  const restUntil = useRef(0);
  const [rested, setRested] = useState(0);
  const wanted = names.join("\n");
  useEffect(() => {
    const outdated = rows.filter((row) => asked.current.get(row.id) !== `${row.updated} ${row.step} ${wanted}`);
    if (outdated.length === 0) return;
    const rest = restUntil.current - performance.now();
    // What has never been fetched does not wait.
    const newOnes = outdated.some((row) => !asked.current.get(row.id)?.endsWith(` ${wanted}`));
    if (rest > 0 && !newOnes) {
      const timer = setTimeout(() => setRested((count) => count + 1), rest);
      return () => clearTimeout(timer);
    }
    void (async () => {
      try {
        await Promise.all(
          outdated.map(async (row) => {
            asked.current.set(row.id, `${row.updated} ${row.step} ${wanted}`);
            const got = await fetchSeries(row.id, kept.current.get(row.id) ?? nothing, names);
            kept.current.set(row.id, got);
          }),
        );
        setProblem("");
      } catch (error) {
        for (const { id } of outdated) asked.current.delete(id);
        setProblem(error instanceof Error ? error.message : String(error));
      }
      // Also where the rows have changed meanwhile: what has come is right as far as it goes.
      const start = performance.now();
      setSeries(new Map(kept.current));
      // Behind the next frame everything has been drawn.
      requestAnimationFrame(() =>
        setTimeout(() => {
          const now = performance.now();
          restUntil.current = now + Math.min(MOST_REST, Math.max(LEAST_REST, REST_TIMES * (now - start)));
        }),
      );
    })();
    return;
  }, [rows, wanted, rested]);
  return { series, problem };
}
