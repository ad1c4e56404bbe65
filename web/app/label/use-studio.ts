/** The studio's state, live: what every page and process does is seen by all. */
import { useEffect, useState } from "preact/hooks";
import type { AnswerChanges, BackgroundState, StudioState } from "../../../src/web/label/api.js";
import { listen } from "../shared/server.js";

export interface Studio extends Omit<StudioState, "codes"> {
  /** A new one with every change. */
  readonly codes: Int32Array;
  /** False while the server does not answer. */
  readonly connected: boolean;
}

/** Undefined until the server has sent it. */
export function useStudio(): Studio | undefined {
  const [state, setState] = useState<Omit<Studio, "connected">>();
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    let instance: string | undefined;
    return listen(
      "/api/events",
      {
        state: (data) => {
          const { codes, ...rest } = data as StudioState;
          // Another server has taken over: its token comes with the page.
          if (instance !== undefined && instance !== rest.instance) location.reload();
          instance = rest.instance;
          setState({ ...rest, codes: Int32Array.from(codes) });
        },
        answers: (data) => setState((before) => before && changed(before, data as AnswerChanges)),
        background: (data) => setState((before) => before && { ...before, background: data as BackgroundState }),
      },
      setConnected,
    );
  }, []);
  return state && { ...state, connected };
}

function changed(state: Omit<Studio, "connected">, { classes, rows, codes: now, tests }: AnswerChanges) {
  const codes = state.codes.slice();
  for (const [i, row] of rows.entries()) codes[row] = now[i]!;
  return { ...state, classes, codes, background: { ...state.background, tests } };
}

export interface Counts {
  /** By place of the class. */
  readonly byClass: readonly number[];
  readonly open: number;
  readonly skipped: number;
  readonly none: number;
}

export function countsOf({ codes, classes }: Pick<Studio, "codes" | "classes">): Counts {
  const byClass = classes.map(() => 0);
  let [open, skipped, none] = [0, 0, 0];
  for (const code of codes) {
    if (code >= 0) byClass[code]!++;
    else if (code === -1) open++;
    else if (code === -2) skipped++;
    else none++;
  }
  return { byClass, open, skipped, none };
}
