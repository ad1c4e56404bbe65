/** `metrics.jsonl`: a line an event, appended as it happens; a kill can tear the last line only. */
import { closeSync, existsSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { DataError } from "../errors.js";
import { writing } from "../files/write-whole.js";

/** One line. Events about a moment of the run carry its step. */
export interface LoggedEvent {
  readonly type: string;
  readonly step?: number;
  readonly [field: string]: unknown;
}

/** Appends events to one file, each with the time it was written; numbers that are not finite become null. */
export class EventLog {
  readonly path: string;
  #file: number | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** Throws DiskError where the line cannot be written; it may then be torn, as after a kill. */
  append(event: { readonly type: string }): void {
    const line = Buffer.from(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
    writing(this.path, () => {
      this.#file ??= openSync(this.path, "a");
      for (let at = 0; at < line.length; ) at += writeSync(this.#file, line, at);
    });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** All events of a file; none where there is no file. Skips a torn last line; throws DataError on any other bad line. */
export function readEvents(path: string): LoggedEvent[] {
  return [...lines(path)].map(({ event }) => event);
}

/**
 * Cuts the file to what a run resumed from the checkpoint of `step` has behind it: everything before the first event of
 * a later step. A torn last line goes too. Throws DiskError where it cannot be written to.
 */
export function truncateEvents(path: string, step: number): void {
  if (!existsSync(path)) return;
  let length = 0;
  for (const { event, end } of lines(path)) {
    if (event.step !== undefined && event.step > step) break;
    length = end;
  }
  writing(path, () => truncateSync(path, length));
}

/** Whole lines with the byte position after each. */
function* lines(path: string): Generator<{ event: LoggedEvent; end: number }> {
  if (!existsSync(path)) return;
  const bytes = readFileSync(path);
  let start = 0;
  for (let number = 1; ; number++) {
    const newline = bytes.indexOf(10, start);
    if (newline < 0) return; // torn, or the end
    const text = bytes.toString("utf8", start, newline);
    start = newline + 1;
    let event: unknown;
    try {
      event = JSON.parse(text);
    } catch {
      throw new DataError(`${path}:${number}: not a line of JSON: ${text.slice(0, 60)}`);
    }
    if (typeof event !== "object" || event === null || typeof (event as LoggedEvent).type !== "string") {
      throw new DataError(`${path}:${number}: not an event: ${text.slice(0, 60)}`);
    }
    yield { event: event as LoggedEvent, end: start };
  }
}
