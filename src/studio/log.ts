/**
 * What people did in the labelling studio, a JSON line an action, only ever appended to: a label is on the disk before the page hears that it
 * is. Several processes may append to one file and follow it; a line that a kill cut short is passed over. Where another file has taken its
 * place (an editor, a synchronized folder) that one is followed, unless it lacks what was there.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, statSync, writeSync } from "node:fs";
import { DiskError } from "../errors.js";
import { writing } from "../files/write-whole.js";

interface Signed {
  /** Unlike every other's. */
  readonly id: string;
  /** ISO 8601. */
  readonly at: string;
  /** The person; "" where nobody said. */
  readonly by: string;
}

/** An action about pictures; `files` as labels files call them. One action, however many pictures, is undone as one. */
export type PictureAction = Signed &
  (
    | { readonly do: "label"; readonly files: readonly string[]; readonly class: string }
    /** skip: not now; none: in none of the classes; clear: whatever was said no longer holds. */
    | { readonly do: "skip" | "none" | "clear"; readonly files: readonly string[] }
  );

export type Action =
  | PictureAction
  /** Of an action about pictures; or of an undo of one, which brings that back. */
  | (Signed & { readonly do: "undo"; readonly of: string })
  /** The class is there from now on, or no longer. */
  | (Signed & { readonly do: "add-class" | "drop-class"; readonly class: string });

export interface ActionLog {
  /** Writes the action and flushes it to the disk. Throws DiskError where it cannot be written, as `read` does too. */
  append(action: Action): void;
  /**
   * Actions that have come since the last call, of this process and of others, in the order of the file. Throws DiskError where actions that
   * were read before are in the file no longer.
   */
  read(): Action[];
  /** Lines that are no action: cut short, or of a later version. */
  readonly damaged: number;
  close(): void;
}

const NEWLINE = 10;

/** Throws DiskError where the file cannot be opened for writing. */
export function openLog(path: string): ActionLog {
  const open = () => writing(path, () => openSync(path, "a+"));
  let file = open();
  let [offset, damaged, lost] = [0, 0, false];
  const seen = new Set<string>();
  /** Goes over to the file that is there now, if it has all that was read of the one before. */
  const follow = () => {
    lost = true;
    const gone = statSync(path, { throwIfNoEntry: false }) === undefined;
    if (gone && seen.size > 0) throw lostOf(path, seen.size);
    const other = open();
    const there = new Set(actionsIn(other, 0).actions.map(({ id }) => id));
    const missing = [...seen].filter((id) => !there.has(id)).length;
    closeSync(missing > 0 ? other : file);
    if (missing > 0) throw lostOf(path, missing);
    [file, offset, damaged, lost] = [other, 0, 0, false];
  };
  const check = () => {
    const [own, now] = [fstatSync(file), statSync(path, { throwIfNoEntry: false })];
    if (lost || own.ino !== now?.ino || own.dev !== now.dev || own.size < offset) follow();
  };
  return {
    append(action) {
      check();
      writing(path, () => appendLine(file, JSON.stringify(action)));
    },
    read() {
      check();
      const { actions, end, bad } = actionsIn(file, offset);
      offset = end;
      damaged += bad;
      const fresh = actions.filter(({ id }) => !seen.has(id));
      for (const { id } of fresh) seen.add(id);
      return fresh;
    },
    get damaged() {
      return damaged;
    },
    close: () => closeSync(file),
  };
}

/** Of the whole lines from `offset` on; `end`: where they end, `bad`: how many are no action. */
function actionsIn(file: number, offset: number): { actions: Action[]; end: number; bad: number } {
  const { size } = fstatSync(file);
  const bytes = Buffer.alloc(Math.max(0, size - offset));
  const length = bytes.length > 0 ? readSync(file, bytes, 0, bytes.length, offset) : 0;
  const end = length > 0 ? bytes.lastIndexOf(NEWLINE, length - 1) + 1 : 0;
  const lines = bytes.toString("utf8", 0, end).split("\n");
  const found = lines.flatMap((line) => (line === "" ? [] : [actionOf(line)]));
  const actions = found.filter((action) => action !== undefined);
  return { actions, end: offset + end, bad: found.length - actions.length };
}

function lostOf(path: string, count: number): DiskError {
  return new DiskError(
    `${path}: ${count} actions that were in it are there no longer: it was replaced, cut or taken away while the studio ran, which takes no more answers. Put it back from a copy; or stop the studio, copy labels.csv beside it, and start again with what is there`,
  );
}

/** To a file that is open for reading and appending. */
export function appendLine(file: number, text: string): void {
  // One write, so that lines of several processes do not mix; behind a line that was cut short, on a line of its own.
  const bytes = Buffer.from(`${endsWhole(file) ? "" : "\n"}${text}\n`);
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
  fsyncSync(file);
}

function endsWhole(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size === 0 || (readSync(file, last, 0, 1, size - 1) === 1 && last[0] === NEWLINE);
}

function actionOf(line: string): Action | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  return isAction(value) ? value : undefined;
}

function isAction(value: unknown): value is Action {
  if (typeof value !== "object" || value === null) return false;
  const field = (name: string): unknown => (Object.hasOwn(value, name) ? Reflect.get(value, name) : undefined);
  const isText = (name: string) => typeof field(name) === "string";
  if (!["id", "at", "by"].every(isText)) return false;
  const files = field("files");
  const hasFiles = Array.isArray(files) && files.length > 0 && files.every((one) => typeof one === "string");
  switch (field("do")) {
    case "label":
      return hasFiles && isText("class");
    case "skip":
    case "none":
    case "clear":
      return hasFiles;
    case "undo":
      return isText("of");
    case "add-class":
    case "drop-class":
      return isText("class");
    default:
      return false;
  }
}
