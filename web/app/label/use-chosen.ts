/** Pictures that are chosen in a view, and the answer that all of them get at once; where it is refused they stay chosen. */
import { useState } from "preact/hooks";
import { chosenOf } from "./chosen-of.js";
import type { ViewProps } from "./single.js";
import { type Answers, useKeys } from "./use-keys.js";

interface ChosenOptions extends Pick<ViewProps, "studio" | "actions"> {
  readonly list?: readonly number[];
}

/** `list`: what the view shows, where that is not what is chosen; pictures that have left it since get no answer. */
export function useChosen({ studio, actions, list }: ChosenOptions) {
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set());
  const chosen = chosenOf(selected, list);
  const act = (work: (rows: readonly number[]) => Promise<boolean>) => {
    if (chosen.length > 0) void work(chosen).then((done) => done && setSelected(new Set()));
  };
  const answers: Answers = {
    onClass: (name) => act((rows) => actions.label(rows, name)),
    onMark: (kind) => act((rows) => actions.mark(rows, kind)),
    onUndo: () => void actions.undo(),
    onRedo: () => void actions.redo(),
  };
  useKeys(studio.classes, answers, false);
  return { selected, setSelected, chosen, act, answers };
}
