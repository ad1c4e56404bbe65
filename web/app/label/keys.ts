/** Which key means which class. */

/** z and y undo and redo. */
const names = [..."123456789", ..."abcdefghijklmnopqrstuvwx"];

export const keyOf = (place: number): string | undefined => names[place];

/** What a key press asks for; undefined where it is for somebody else: a text field, a button, the browser. */
export type Command =
  | { readonly do: "class"; readonly place: number }
  | { readonly do: "skip" | "none" | "undo" | "redo" | "clear" };

export function commandOf(event: KeyboardEvent): Command | undefined {
  const target = event.target as HTMLElement | null;
  const writes = target?.closest("input:not([type=checkbox], [type=range], [type=radio]), select, textarea");
  if (writes || event.altKey) return undefined;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") return { do: event.shiftKey ? "redo" : "undo" };
    return key === "y" ? { do: "redo" } : undefined;
  }
  if (key === "z") return { do: event.shiftKey ? "redo" : "undo" };
  if (key === "y") return { do: "redo" };
  if (key === "0") return { do: "none" };
  if (key === "delete" || key === "backspace") return { do: "clear" };
  if (key === "arrowright" || (key === " " && !target?.closest("button, a, summary, input"))) return { do: "skip" };
  const place = names.indexOf(key);
  return place < 0 ? undefined : { do: "class", place };
}
