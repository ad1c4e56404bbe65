/** A run's `metrics.jsonl` as curves, read on as it grows; from the start again where it was cut and written anew (a resume). */
import { type FileHandle, open } from "node:fs/promises";
import { type PatternReader, patternReader } from "./step-pattern.js";

export interface Points {
  readonly steps: number[];
  /** NaN where the log has a number that is not finite. */
  readonly values: number[];
}

export interface LogFollower {
  /** Reads what is new, so that `columns` has the names asked for, now or before. */
  read(names: readonly string[]): Promise<void>;
  /** Changes whenever the points known before are no longer the beginning of those known now. */
  readonly generation: number;
  readonly columns: ReadonlyMap<string, Points>;
  /** Every name there is in the log so far. */
  readonly names: ReadonlySet<string>;
}

/** Bytes read at a time: between two pieces others get their turn. */
const PIECE = 4 * 2 ** 20;
/** So many bytes before the place read up to are compared, to notice a log that was cut and has grown longer since. */
const MARK = 300;
const PEEK = 64 * 1024;

type Columns = Map<string, { readonly steps: number[]; readonly values: number[] }>;

/** `first`: the generation it begins with, another one for each follower that a reader may take for the same. */
export function followLog(path: string, first = 1): LogFollower {
  const wanted = new Set<string>();
  let columns: Columns = new Map();
  let reader: PatternReader = patternReader(wanted);
  const known = new Set<string>();
  let [offset, inode, generation] = [0, 0n, first];
  let mark = Buffer.alloc(0);
  let queue: Promise<void> = Promise.resolve();

  const restart = () => {
    columns = new Map();
    offset = 0;
    mark = Buffer.alloc(0);
    generation++;
  };
  const isContinued = async (file: FileHandle, size: number, ino: bigint): Promise<boolean> => {
    if (ino !== inode || size < offset) return false;
    const before = Buffer.alloc(mark.length);
    await file.read(before, 0, mark.length, offset - mark.length);
    return before.equals(mark);
  };
  const read = async (names: readonly string[]): Promise<void> => {
    const missing = names.filter((name) => !wanted.has(name));
    for (const name of missing) wanted.add(name);
    const file = await open(path, "r").catch(() => undefined);
    if (!file) {
      if (offset > 0) restart();
      return;
    }
    try {
      const { size, ino } = await file.stat({ bigint: true });
      const length = Number(size);
      if (!(await isContinued(file, length, ino))) {
        if (offset > 0) restart();
        inode = ino;
      }
      if (wanted.size === 0) {
        await peek(file, length, known);
        return;
      }
      if (missing.length > 0) {
        // What was passed over before is read for the new names alone; the others stay as they are.
        if (offset > 0) await scan(file, 0, offset, patternReader(new Set(missing)), columns);
        reader = patternReader(new Set(wanted));
      }
      const { end, last } = await scan(file, offset, length, reader, columns);
      if (end > offset) mark = last;
      offset = end;
    } finally {
      await file.close();
    }
    for (const name of reader.names) known.add(name);
  };
  return {
    read(names) {
      queue = queue.catch(() => undefined).then(() => read(names));
      return queue;
    },
    get generation() {
      return generation;
    },
    get columns() {
      return columns;
    },
    get names() {
      return known;
    },
  };
}

/** Takes the whole lines of a stretch; gives where the last one ended, and the bytes before that. */
async function scan(file: FileHandle, from: number, to: number, reader: PatternReader, columns: Columns) {
  let [at, last] = [from, Buffer.alloc(0)];
  while (at < to) {
    const piece = Buffer.alloc(Math.min(PIECE, to - at));
    const { bytesRead } = await file.read(piece, 0, piece.length, at);
    const end = piece.lastIndexOf(10, bytesRead - 1) + 1;
    if (end === 0) break; // a line that is being written
    // Names and numbers of a log are ASCII; what is not is in texts, which are passed over.
    take(piece.toString("latin1", 0, end), reader, columns);
    last = Buffer.from(piece.subarray(Math.max(0, end - MARK), end));
    at += end;
  }
  return { end: at, last };
}

function take(text: string, reader: PatternReader, columns: Columns): void {
  const columnOf = (name: string) => {
    const column = columns.get(name) ?? { steps: [], values: [] };
    columns.set(name, column);
    return column;
  };
  let names: readonly string[] = [];
  let own: ReturnType<typeof columnOf>[] = [];
  for (let start = 0; start < text.length; start = text.indexOf("\n", start) + 1) {
    const event = reader.read(text, start);
    if (!event) continue;
    if (event.names !== names) [names, own] = [event.names, event.names.map(columnOf)];
    for (let i = 0; i < own.length; i++) {
      own[i]!.steps.push(event.step);
      own[i]!.values.push(event.values[i] ?? Number.NaN);
    }
  }
}

/** Names in the beginning and the end of a log: what a reader is offered before it has asked for any. */
async function peek(file: FileHandle, length: number, names: Set<string>): Promise<void> {
  const reader = patternReader(new Set());
  for (const from of length > 2 * PEEK ? [0, length - PEEK] : [0]) {
    const piece = Buffer.alloc(Math.min(length - from, from === 0 ? 2 * PEEK : PEEK));
    const { bytesRead } = await file.read(piece, 0, piece.length, from);
    for (const line of piece.toString("latin1", 0, bytesRead).split("\n")) reader.read(`${line}\n`);
  }
  for (const name of reader.names) names.add(name);
}
