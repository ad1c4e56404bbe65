/**
 * What people did in the labelling studio, a JSON line an action, only ever appended to: a label is on the disk before the page hears that it
 * is. Several processes may append to one file and follow it; a line that a kill cut short is passed over.
 */
import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from "node:fs";
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
  /** Writes the action and flushes it to the disk. Throws DiskError where it cannot be written. */
  append(action: Action): void;
  /** Actions that have come since the last call, of this process and of others, in the order of the file. */
  read(): Action[];
  /** Lines that are no action: cut short, or of a later version. */
  readonly damaged: number;
  close(): void;
}

const NEWLINE = 10;

/** Throws DiskError where the file cannot be opened for writing. */
export function openLog(path: string): ActionLog {
  const file = writing(path, () => openSync(path, "a+"));
  let [offset, damaged] = [0, 0];
  return {
    append(action) {
      const line = `${JSON.stringify(action)}\n`;
      writing(path, () => {
        // One write, so that lines of several processes do not mix; behind a line that was cut short, on a line of its own.
        const bytes = Buffer.from(endsWhole(file) ? line : `\n${line}`);
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
        fsyncSync(file);
      });
    },
    read() {
      const { size } = fstatSync(file);
      if (size <= offset) return [];
      const bytes = Buffer.alloc(size - offset);
      const length = readSync(file, bytes, 0, bytes.length, offset);
      const end = bytes.lastIndexOf(NEWLINE, length - 1) + 1;
      offset += end;
      const found: Action[] = [];
      for (const line of bytes.toString("utf8", 0, end).split("\n")) {
        if (line === "") continue;
        const action = actionOf(line);
        if (action) found.push(action);
        else damaged++;
      }
      return found;
    },
    get damaged() {
      return damaged;
    },
    close: () => closeSync(file),
  };
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
