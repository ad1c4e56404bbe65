/** Keeps at hand what to ask next: reads the pictures once, and chooses anew whenever some answers have come. */
import { Rng } from "../rng.js";
import { type Mind, startMind } from "./mind/mind.js";
import { NO_CLASS, OPEN, SKIPPED, type Studio } from "./studio.js";

export interface AskingOptions {
  readonly source?: string | undefined;
  readonly threads: number;
  /** Of more pictures than that, so many drawn at random are looked at; those of the test set always. */
  readonly pool: number;
  readonly onChange: () => void;
}

export interface Asking {
  readonly mind: Mind;
  /** Why pictures come in the order they do: at random until they are read. */
  readonly by: "random" | "typical" | "uncertain";
  readonly reading: { readonly done: number; readonly total: number } | undefined;
  /** Why the pictures could not be read, or the last choice failed; a choice is made again with the next answer. */
  readonly problem: string | undefined;
  /** Rows of the pictures that were read, in the order in which the mind speaks of them; undefined until then. */
  readonly rows: Int32Array | undefined;
  readonly damaged: ReadonlyMap<number, string>;
  readonly suggested: readonly number[];
  /** All rows but those of the test set, in an order drawn at random. */
  readonly others: readonly number[];
  /** `[rows]`: codes of the answers; of test pictures `SKIPPED`, whatever was said. */
  codes(): Int32Array;
  /** Chooses anew if it is time. */
  tick(): void;
  close(): void;
}

/** Chosen at a time, and answers until the next choice. */
const [COUNT, ANSWERS] = [48, 8];
/** With fewer open suggestions left it chooses anew. */
const LOW = 16;

export function startAsking(studio: Studio, { source, threads, pool, onChange }: AskingOptions): Asking {
  const rng = Rng.fromSeed(studio.seed);
  const reserved = new Set(studio.reserve);
  const others = [...rng.split("others").permutation(studio.pictures.length)].filter((row) => !reserved.has(row));
  const looked = Int32Array.from([
    ...studio.reserve,
    ...others.slice(0, Math.max(0, pool - studio.reserve.length)),
  ]).sort();
  const damaged = new Map<number, string>();
  let suggested: readonly number[] = [];
  let by: Asking["by"] = "random";
  let reading: Asking["reading"] = { done: 0, total: looked.length };
  let problem: string | undefined;
  let rows: Int32Array | undefined;
  let [busy, turn, answeredThen] = [false, 0, -1];

  const mind = startMind((done) => {
    if (reading) reading = { done, total: looked.length };
    onChange();
  });
  const fail = (error: unknown) => {
    problem = error instanceof Error ? error.message : String(error);
    reading = undefined;
    onChange();
  };
  const answered = () => studio.codes.reduce((sum, code) => sum + (code === OPEN ? 0 : 1), 0);
  const codes = () => Int32Array.from(rows ?? [], (row) => (reserved.has(row) ? SKIPPED : studio.codes[row]!));
  const choose = async (mine: Int32Array) => {
    const labels = codes().map((code) => (code === NO_CLASS ? SKIPPED : code));
    const found = await mind.ask("choose", {
      labels,
      numClasses: Math.max(1, studio.classes.length),
      count: COUNT,
      turn,
    });
    suggested = found.rows.map((at) => mine[at]!);
    by = found.by;
    problem = undefined;
  };
  const tick = () => {
    const mine = rows;
    if (!mine || busy) return;
    const now = answered();
    const left = suggested.reduce((sum, row) => sum + (studio.codes[row] === OPEN ? 1 : 0), 0);
    const enough = left < LOW || problem !== undefined ? 1 : ANSWERS;
    if (answeredThen >= 0 && Math.abs(now - answeredThen) < enough) return;
    [busy, answeredThen] = [true, now];
    turn++;
    void choose(mine)
      .then(onChange, fail)
      .finally(() => {
        busy = false;
      });
  };
  void mind
    .ask("open", { paths: Array.from(looked, (row) => studio.pictures[row]!.path), source, threads, seed: studio.seed })
    .then((opened) => {
      rows = opened.rows.map((at) => looked[at]!);
      for (const { at, reason } of opened.damaged) damaged.set(looked[at]!, reason);
      studio.markDamaged(damaged.keys());
      reading = undefined;
      onChange();
      tick();
    }, fail);
  return {
    mind,
    get by() {
      return by;
    },
    get reading() {
      return reading;
    },
    get problem() {
      return problem;
    },
    get rows() {
      return rows;
    },
    damaged,
    get suggested() {
      return suggested;
    },
    others,
    codes,
    tick,
    close: mind.close,
  };
}
