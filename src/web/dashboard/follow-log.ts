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

export function followLog(path: string): LogFollower {
  const wanted = new Set<string>();
  let columns = new Map<string, { steps: number[]; values: number[] }>();
  let reader: PatternReader = patternReader(wanted);
  let known = new Set<string>();
  let [offset, inode, generation] = [0, 0n, 1];
  let mark = Buffer.alloc(0);
  let queue: Promise<void> = Promise.resolve();

  const restart = () => {
    columns = new Map();
    reader = patternReader(new Set(wanted));
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
  const take = (text: string) => {
    for (let start = 0; start < text.length; ) {
      const end = text.indexOf("\n", start);
      const event = reader.read(text.slice(start, end));
      start = end + 1;
      if (!event) continue;
      for (const [name, value] of event.numbers) {
        let column = columns.get(name);
        if (!column) {
          column = { steps: [], values: [] };
          columns.set(name, column);
        }
        column.steps.push(event.step);
        column.values.push(value ?? Number.NaN);
      }
    }
  };
  const readOn = async (): Promise<void> => {
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
      while (offset < length) {
        const piece = Buffer.alloc(Math.min(PIECE, length - offset));
        const { bytesRead } = await file.read(piece, 0, piece.length, offset);
        const end = piece.lastIndexOf(10, bytesRead - 1) + 1;
        if (end === 0) break; // a line that is being written
        // Names and numbers of a log are ASCII; what is not is in texts, which are passed over.
        take(piece.toString("latin1", 0, end));
        mark = Buffer.from(piece.subarray(Math.max(0, end - MARK), end));
        offset += end;
      }
    } finally {
      await file.close();
    }
    known = new Set([...known, ...reader.names]);
  };
  return {
    read(names) {
      queue = queue
        .catch(() => undefined)
        .then(async () => {
          const missing = names.filter((name) => !wanted.has(name));
          for (const name of missing) wanted.add(name);
          if (missing.length > 0 && offset > 0) restart();
          else if (missing.length > 0) reader = patternReader(new Set(wanted));
          await readOn();
        });
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
