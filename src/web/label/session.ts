/** A studio at work: what is asked next, what trains, and a look at the disk now and then. */
import { randomUUID } from "node:crypto";
import { DiskError } from "../../errors.js";
import { type Asking, startAsking } from "../../studio/asking.js";
import type { Studio } from "../../studio/studio.js";
import { startTraining, type Training } from "../../studio/training.js";
import type { BackgroundState, StudioState, TestState } from "./api.js";

export interface SessionOptions {
  readonly source?: string | undefined;
  readonly threads: number;
  readonly pool: number;
  /** Undefined: nothing is trained. */
  readonly training?: { readonly method: string; readonly steps: number; readonly every: number } | undefined;
}

export interface Session {
  readonly studio: Studio;
  readonly asking: Asking;
  readonly training: Training | undefined;
  background(): BackgroundState;
  state(): StudioState;
  tests(): TestState;
  /** Told when the background has something new. */
  subscribe(listener: () => void): () => void;
  /** Ends it and writes the labels files. Throws DiskError where they cannot be written. */
  close(): void;
}

/** Milliseconds between two looks at the disk, and between two messages about the background. */
const [INTERVAL, MESSAGES] = [500, 300];

export function startSession(studio: Studio, { source, threads, pool, training: wanted }: SessionOptions): Session {
  const instance = randomUUID();
  const listeners = new Set<() => void>();
  let telling: NodeJS.Timeout | undefined;
  const onChange = () => {
    telling ??= setTimeout(() => {
      telling = undefined;
      for (const tell of listeners) tell();
    }, MESSAGES);
  };
  const asking = startAsking(studio, { source, threads, pool, onChange });
  const training = wanted && startTraining(studio, asking, { ...wanted, source, threads, onChange });
  let trouble: string | undefined;
  const timer = setInterval(() => {
    const said = diskTrouble(() => {
      studio.poll();
      asking.tick();
      studio.save();
      training?.tick();
    });
    if (said !== trouble) onChange();
    trouble = said;
  }, INTERVAL);
  const tests = (): TestState => {
    const { rows, none, skipped } = studio.tests();
    return { labeled: rows.length, none, skipped, most: studio.reserve.length };
  };
  const background = (): BackgroundState => {
    const { reading, by, rows } = asking;
    const problem = trouble ?? asking.problem;
    return {
      tests: tests(),
      by,
      ...(reading && { reading }),
      ...(problem !== undefined && { problem }),
      map: rows !== undefined,
      ...(training && {
        training: {
          models: training.models,
          doubts: training.doubts.length,
          command: training.command,
          ...(training.running && { running: training.running }),
          ...(training.waiting !== undefined && { waiting: training.waiting }),
          ...(training.problem !== undefined && { problem: training.problem }),
          ...(training.confusion && { confusion: training.confusion }),
          ...(training.guesses && { guesses: training.guesses.run }),
        },
      }),
    };
  };
  return {
    studio,
    asking,
    training,
    background,
    tests,
    state: () => ({
      instance,
      folder: studio.shown.dir,
      out: studio.shown.out,
      key: studio.key,
      count: studio.pictures.length,
      classes: studio.classes,
      fixed: studio.fixed,
      codes: [...studio.codes],
      testShare: studio.reserve.length > 0 ? studio.testShare : 0,
      background: background(),
    }),
    subscribe(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      clearInterval(timer);
      clearTimeout(telling);
      training?.close();
      asking.close();
      try {
        studio.poll();
        const said = diskTrouble(() => studio.save());
        if (said !== undefined)
          throw new DiskError(
            `${said}. The answers are in ${studio.shown.out}/answers.jsonl, and the same command goes on`,
          );
      } finally {
        studio.close();
      }
    },
  };
}

/** Why the work could not write, which the next look at the disk tries again. */
function diskTrouble(work: () => void): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof DiskError) return error.message;
    throw error;
  }
}
