/** What the buttons of the class bar do, and the keys that do the same. */
import { useLayoutEffect } from "preact/hooks";
import { commandOf } from "./keys.js";

export interface Answers {
  readonly onClass: (name: string) => void;
  readonly onMark: (kind: "skip" | "none" | "clear") => void;
  readonly onUndo: () => void;
  readonly onRedo: () => void;
}

/** `skips`: whether there is one picture that a key can skip; else those keys are left to the view. */
export function useKeys(classes: readonly string[], answers: Answers, skips: boolean): void {
  const onKey = (event: KeyboardEvent) => {
    const command = commandOf(event);
    if (!command || (command.do === "skip" && !skips)) return;
    event.preventDefault();
    if (skips && event.repeat) return; // a key held down is one answer, not one for every picture to come
    if (command.do === "class") {
      const name = classes[command.place];
      if (name !== undefined) answers.onClass(name);
    } else if (command.do === "undo") answers.onUndo();
    else if (command.do === "redo") answers.onRedo();
    else answers.onMark(command.do);
  };
  // Before the browser shows the next picture: a key that comes at once is for that one, not for the one before.
  useLayoutEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  });
}
