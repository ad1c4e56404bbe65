/** Pictures that are chosen in a view, and the answer that all of them get at once. */
import { useState } from "preact/hooks";
import type { ViewProps } from "./single.js";
import { type Answers, useKeys } from "./use-keys.js";

export function useChosen({ studio, actions }: Pick<ViewProps, "studio" | "actions">) {
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const act = (work: (rows: readonly number[]) => Promise<void>) => {
    if (selected.size > 0) void work([...selected]).then(() => setSelected(new Set()));
  };
  const answers: Answers = {
    onClass: (name) => act((rows) => actions.label(rows, name)),
    onMark: (kind) => act((rows) => actions.mark(rows, kind)),
    onUndo: () => void actions.undo(),
    onRedo: () => void actions.redo(),
  };
  useKeys(studio.classes, answers, false);
  return { selected, setSelected, act, answers };
}
