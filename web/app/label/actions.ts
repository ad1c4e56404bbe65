/** What a person does, told to the server at once. */
import type { AnswerRequest, Exported, Next, Undone } from "../../../src/web/label/api.js";
import { sendJson } from "../shared/server.js";

export interface Actions {
  readonly by: string;
  /** Whether the server took it; where it did not, the person has been told why. */
  label(rows: readonly number[], name: string): Promise<boolean>;
  mark(rows: readonly number[], kind: "skip" | "none" | "clear"): Promise<boolean>;
  /** The rows that changed. */
  undo(): Promise<readonly number[]>;
  redo(): Promise<readonly number[]>;
  addClass(name: string): Promise<boolean>;
  dropClass(name: string): Promise<void>;
}

/** Names this page among those that label together. */
const tab = Math.random().toString(36).slice(2);

/** The call that this page sent last. */
let last: Promise<unknown> = Promise.resolve();

/** A call after the one before has ended: of two on the wire at once the second may arrive first, and undo takes back what came last. */
function inTurn<T>(call: () => Promise<T>): Promise<T> {
  const done = last.then(call);
  last = done.catch(() => undefined);
  return done;
}

/** `said`: what happened, for the eyes and for screen readers; `failed`: what did not. */
export function actionsOf(by: string, said: (text: string) => void, failed: (text: string) => void): Actions {
  const send = async <T>(path: string, content: object): Promise<T | undefined> => {
    try {
      return await inTurn(() => sendJson<T>("POST", path, { by, ...content }));
    } catch (error) {
      failed(error instanceof Error ? error.message : String(error));
      return undefined;
    }
  };
  const answer = async (request: Omit<AnswerRequest, "by">, words: string) => {
    const done = (await send("/api/answer", request)) !== undefined;
    if (done) said(words);
    return done;
  };
  const some = (rows: readonly number[]) => (rows.length === 1 ? "1 picture" : `${rows.length} pictures`);
  const undone = async (which: "undo" | "redo", words: string, nothing: string) => {
    const found = await send<Undone>(`/api/${which}`, {});
    if (!found) return [];
    said(found.rows.length === 0 ? nothing : `${words}: ${some(found.rows)}`);
    return found.rows;
  };
  return {
    by,
    label: (rows, name) =>
      answer({ do: "label", rows, class: name } as Omit<AnswerRequest, "by">, `${name}: ${some(rows)}`),
    mark: (rows, kind) =>
      answer(
        { do: kind, rows },
        `${{ skip: "skipped", none: "none of these", clear: "no label" }[kind]}: ${some(rows)}`,
      ),
    undo: () => undone("undo", "taken back", "there is nothing to take back"),
    redo: () => undone("redo", "done again", "there is nothing to do again"),
    addClass: async (name) => (await send("/api/class", { add: name })) !== undefined,
    dropClass: async (name) => void (await send("/api/class", { drop: name })),
  };
}

/** Throws ServerError. */
export async function nextRows(count: number): Promise<readonly number[]> {
  return (await sendJson<Next>("POST", "/api/next", { tab, count })).rows;
}

/** Throws ServerError. */
export function exportAs(format: string): Promise<Exported> {
  return sendJson<Exported>("POST", "/api/export", { format });
}
