/** What a run has recorded of unlabeled pictures, and of its confusion; fetched again when the run has evaluated once more. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { RunRow, Seen, SeenStep } from "../../../../src/web/dashboard/api.js";
import { address, getJson, ServerError } from "../../shared/server.js";

export interface SeenRun {
  readonly seen: Seen | undefined;
  /** Those of `seen.steps` that have been fetched, ascending. */
  readonly steps: readonly SeenStep[];
  /** Why there is nothing. */
  readonly problem: string;
}

/** `history`: fetch every step, not only the last one. */
export function useSeen(row: RunRow | undefined, history: boolean): SeenRun {
  const [state, setState] = useState<SeenRun>({ seen: undefined, steps: [], problem: "" });
  const kept = useRef<{ readonly run: string; readonly steps: Map<number, SeenStep> }>({ run: "", steps: new Map() });
  useEffect(() => {
    if (!row) return;
    const run = row.id;
    const stop = new AbortController();
    if (kept.current.run !== run) {
      kept.current = { run, steps: new Map() };
      setState({ seen: undefined, steps: [], problem: "" });
    }
    const { steps } = kept.current;
    void (async () => {
      try {
        const seen = await getJson<Seen>(address("/api/seen", { run }), stop.signal);
        const last = seen.steps.at(-1);
        // The last one may have been written anew, by a run that went on from a checkpoint.
        const wanted = seen.steps.filter((step) => step === last || (history && !steps.has(step)));
        const got = await Promise.all(
          wanted.map((step) => getJson<SeenStep>(address("/api/seen/step", { run, step }), stop.signal)),
        );
        for (const one of got) steps.set(one.step, one);
        for (const step of steps.keys()) if (!seen.steps.includes(step)) steps.delete(step);
        setState({ seen, steps: [...steps.values()].sort((a, b) => a.step - b.step), problem: "" });
      } catch (error) {
        if (stop.signal.aborted) return;
        const none = error instanceof ServerError && error.status === 404;
        const problem = none
          ? "This run has recorded no pictures: it was started with --seen 0, by an older version, or its unlabeled images are in shards."
          : String(error);
        setState({ seen: undefined, steps: [], problem });
      }
    })();
    return () => stop.abort();
  }, [row?.id, row?.updated, row?.state, history]);
  return state;
}
