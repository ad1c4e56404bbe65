/** What holds after all actions: the answer of every picture, the classes, and what an undo would take back. */
import type { Action, PictureAction } from "./log.js";

/** What a person said of a picture, or what was known before anybody said anything (`by` "", no `id`). */
export type Answer =
  | { readonly kind: "label"; readonly class: string; readonly by: string; readonly id?: string }
  | { readonly kind: "skip" | "none"; readonly by: string; readonly id?: string };

export interface Answers {
  /** Takes the next action of the log; gives the names of the pictures whose answer may have changed. Unknown references change nothing. */
  apply(action: Action): readonly string[];
  /** Undefined where there is none. */
  of(name: string): Answer | undefined;
  /** In the order in which they came. */
  readonly classes: readonly string[];
  /** The action that an undo, or a redo, of this person would reach. */
  undoable(by: string): string | undefined;
  redoable(by: string): string | undefined;
}

interface Kept {
  readonly action: PictureAction;
  /** Undos of it, of which one that was itself undone does not count. */
  readonly undos: Undo[];
}

interface Undo {
  readonly id: string;
  /** Place among all undos of the log. */
  readonly turn: number;
  undone: boolean;
}

/** `given`: labels that were there before; `classes`: those that are there from the start. */
export function createAnswers(given: ReadonlyMap<string, string>, classes: readonly string[]): Answers {
  const kept = new Map<string, Kept>();
  const undos = new Map<string, { readonly of: Kept; readonly undo: Undo }>();
  /** By picture and by person, in the order of the log. */
  const [byFile, byPerson] = [new Map<string, Kept[]>(), new Map<string, Kept[]>()];
  const known = [...classes];

  const holds = ({ undos: all }: Kept) => all.every(({ undone }) => undone);
  const addClass = (name: string) => {
    if (!known.includes(name)) known.push(name);
  };
  const of = (name: string): Answer | undefined => {
    const last = byFile.get(name)?.findLast(holds)?.action;
    if (last?.do === "clear") return undefined;
    if (last) {
      const { id, by } = last;
      return last.do === "label" ? { kind: "label", class: last.class, by, id } : { kind: last.do, by, id };
    }
    const label = given.get(name);
    return label === undefined ? undefined : { kind: "label", class: label, by: "" };
  };
  /** A label that holds again brings its class back where that was dropped meanwhile. */
  const again = (names: readonly string[]): readonly string[] => {
    for (const name of names) {
      const label = labelOf(of(name));
      if (label !== undefined) addClass(label);
    }
    return names;
  };
  const listOf = (map: Map<string, Kept[]>, key: string): Kept[] => {
    const list = map.get(key) ?? [];
    map.set(key, list);
    return list;
  };
  return {
    apply(action) {
      if (kept.has(action.id) || undos.has(action.id)) return [];
      switch (action.do) {
        case "add-class":
          addClass(action.class);
          return [];
        case "drop-class": {
          const at = known.indexOf(action.class);
          const used = [...byFile.keys(), ...given.keys()].some((name) => labelOf(of(name)) === action.class);
          if (at >= 0 && !used) known.splice(at, 1);
          return [];
        }
        case "undo": {
          const target = kept.get(action.of);
          const earlier = undos.get(action.of);
          // Two processes may take back, or do again, the same at once.
          if (target ? !holds(target) : earlier?.undo.undone) return [];
          if (target) {
            const undo = { id: action.id, turn: undos.size, undone: false };
            target.undos.push(undo);
            undos.set(action.id, { of: target, undo });
            return again(target.action.files);
          }
          if (!earlier) return [];
          earlier.undo.undone = true;
          return again(earlier.of.action.files);
        }
        default: {
          const one: Kept = { action, undos: [] };
          kept.set(action.id, one);
          for (const name of new Set(action.files)) listOf(byFile, name).push(one);
          listOf(byPerson, action.by).push(one);
          if (action.do === "label") addClass(action.class);
          return action.files;
        }
      }
    },
    of,
    classes: known,
    undoable: (by) => byPerson.get(by)?.findLast(holds)?.action.id,
    redoable(by) {
      // Of what was undone behind the last action that holds, the one undone last; nothing where something new was done since.
      const own = byPerson.get(by) ?? [];
      const open = own
        .slice(own.findLastIndex(holds) + 1)
        .flatMap(({ undos: all }) => all.filter((one) => !one.undone));
      return open.sort((a, b) => b.turn - a.turn)[0]?.id;
    },
  };
}

function labelOf(answer: Answer | undefined): string | undefined {
  return answer?.kind === "label" ? answer.class : undefined;
}
