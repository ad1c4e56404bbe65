/** The classes as buttons, with their keys and counts; a field for a new one. */
import { useState } from "preact/hooks";
import type { Actions } from "./actions.js";
import { classColor } from "./colors.js";
import { keyOf } from "./keys.js";
import type { Answers } from "./use-keys.js";
import type { Counts, Studio } from "./use-studio.js";

interface ClassBarProps extends Answers {
  readonly studio: Studio;
  readonly counts: Counts;
  readonly actions: Actions;
  /** Nothing is chosen: the buttons do nothing. */
  readonly disabled: boolean;
  /** In a grid: takes labels away again. */
  readonly canClear?: boolean;
}

export function ClassBar({ studio, counts, actions, disabled, canClear = false, ...on }: ClassBarProps) {
  const { classes, fixed } = studio;
  return (
    <div class="classes" role="toolbar" aria-label="Answers">
      {classes.map((name, k) => (
        <button key={name} type="button" disabled={disabled} onClick={() => on.onClass(name)} class="class">
          <kbd>{keyOf(k) ?? ""}</kbd>
          <span class="dot" style={{ background: classColor(k) }} />
          <span class="name" title={name}>
            {name}
          </span>
          <span class="soft">{counts.byClass[k]}</span>
        </button>
      ))}
      <button type="button" disabled={disabled} onClick={() => on.onMark("none")}>
        <kbd>0</kbd> none of these
      </button>
      {canClear ? (
        <button type="button" disabled={disabled} onClick={() => on.onMark("clear")}>
          <kbd>Del</kbd> no label
        </button>
      ) : (
        <button type="button" disabled={disabled} onClick={() => on.onMark("skip")}>
          <kbd>→</kbd> skip
        </button>
      )}
      <button type="button" onClick={on.onUndo}>
        <kbd>z</kbd> undo
      </button>
      <button type="button" onClick={on.onRedo}>
        <kbd>y</kbd> redo
      </button>
      {!fixed && <NewClass classes={classes} counts={counts} actions={actions} />}
    </div>
  );
}

function NewClass({
  classes,
  counts,
  actions,
}: Pick<ClassBarProps, "counts" | "actions"> & { readonly classes: readonly string[] }) {
  const [name, setName] = useState("");
  const unused = classes.filter((_, k) => counts.byClass[k] === 0);
  return (
    <form
      class="new-class"
      onSubmit={(event) => {
        event.preventDefault();
        void actions.addClass(name).then((added) => {
          if (!added) return;
          setName("");
          // The next key is for a picture.
          (document.activeElement as HTMLElement | null)?.blur();
        });
      }}
    >
      <label>
        <span class="hidden">New class</span>
        <input value={name} placeholder="new class" onInput={(event) => setName(event.currentTarget.value)} size={12} />
      </label>
      <button type="submit" disabled={name.trim() === ""}>
        add
      </button>
      {unused.length > 0 && (
        <select
          aria-label="Take an unused class away"
          value=""
          onChange={(event) => void actions.dropClass(event.currentTarget.value)}
        >
          <option value="">remove ...</option>
          {unused.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      )}
    </form>
  );
}
