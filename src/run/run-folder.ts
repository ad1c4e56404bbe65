/** The run folder, the whole record of a run: config.json, metrics.jsonl, checkpoints/step-N/, result.json. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { DataError, DiskError, quoted, UsageError } from "../errors.js";
import { WATCH_MS } from "../files/lock/heartbeat.js";
import { FolderLock } from "../files/lock/lock.js";
import { isUnfinished, makeFolder, writeWhole, writing } from "../files/write-whole.js";
import {
  type Checkpoint,
  type JsonValue,
  listCheckpoints,
  type OwnerState,
  pruneCheckpoints,
  readCheckpoint,
  writeCheckpoint,
} from "./checkpoints.js";
import { EventLog, type LoggedEvent, readEvents, truncateEvents } from "./event-log.js";

/** What config.json holds beside the resolved configuration. */
export interface RunFacts {
  /** Versions of fewlabels, Node, libtorch. */
  readonly versions: Readonly<Record<string, string>>;
  /** Fingerprint of the data: whatever tells another set of images or labels from this one. */
  readonly dataFingerprint: JsonValue;
  /** Tells who had which label; undefined for runs of earlier versions. */
  readonly labelsFingerprint?: string;
}

type Fields = Readonly<Record<string, unknown>>;

export interface CheckpointOptions {
  /** What to note beside the states, such as elapsed time. */
  readonly extra?: Readonly<Record<string, JsonValue>>;
  /** How many of the latest checkpoints stay; default 3. */
  readonly keep?: number;
  /** Step of a checkpoint that stays beside those, such as the best so far. */
  readonly spare?: number | undefined;
}

/** One run folder, open for reading and appending. */
export class RunFolder {
  readonly path: string;
  readonly log: EventLog;
  #lock: FolderLock | undefined;

  private constructor(path: string) {
    this.path = path;
    this.log = new EventLog(join(path, "metrics.jsonl"));
  }

  /** Throws UsageError where the folder already holds a run or anything else: a run asks before it loads its data. */
  static assertFree(path: string): void {
    if (path.trim() === "") throw new UsageError('expected a folder for --out, got ""');
    if (existsSync(path) && !statSync(path).isDirectory())
      throw new UsageError(`${path} is a file. Give a folder with --out`);
    if (existsSync(path) && readdirSync(path).some((name) => !isLeftOver(path, name))) {
      const what = existsSync(join(path, "config.json")) ? "already holds a run" : "is not empty";
      throw new UsageError(
        `${path} ${what}. Give another folder with --out` +
          (what === "is not empty" ? "" : `, or continue that run: fewlabels train --resume ${quoted(path)}`),
      );
    }
  }

  /**
   * Makes a folder of its own for a run whose name nobody chose: `path`, or `path-2`, `path-3`, ... where a run that started in the
   * same second has it. Returns its path. Throws DiskError where none can be made.
   */
  static claim(path: string): string {
    makeFolder(dirname(path));
    return writing(path, () => {
      for (let k = 1; ; k++) {
        const candidate = k === 1 ? path : `${path}-${k}`;
        try {
          mkdirSync(candidate);
          return candidate;
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
        }
      }
    });
  }

  /** Makes the folder and writes config.json. Throws UsageError where it is not free, DiskError where it cannot be written. */
  static create(path: string, config: object, facts: RunFacts): RunFolder {
    RunFolder.assertFree(path);
    makeFolder(path);
    const folder = new RunFolder(path);
    folder.lock();
    try {
      RunFolder.assertFree(path); // another run may have come and gone meanwhile
      makeFolder(folder.checkpointsPath);
      folder.#writeWhole("config.json", { ...config, ...facts });
      return folder;
    } catch (error) {
      folder.close();
      throw error;
    }
  }

  /**
   * Keeps others from writing to the folder until `close`. Throws UsageError where somebody is; where that is a job's process on another
   * machine, its sign of life is waited for (half a minute at the most, without one it is dead).
   */
  lock(): void {
    this.#lock ??= FolderLock.take(this.path, { watchMs: WATCH_MS });
  }

  /** Throws DiskError where somebody has taken the folder away: what is written now would be half a run. */
  assertThere(): void {
    if (existsSync(join(this.path, "config.json"))) return;
    throw new DiskError(
      `${this.path}: the run folder has been deleted or moved while the run was writing to it. What was trained since the last checkpoint is lost; start again, or put the folder back and continue it with --resume`,
    );
  }

  /** Opens an existing run. Throws UsageError where there is none, DataError where config.json cannot be read. */
  static open(path: string): RunFolder {
    if (!existsSync(join(path, "config.json"))) {
      throw new UsageError(`${path} is not a run folder: there is no config.json in it`);
    }
    // Exports and networks from elsewhere have a config.json too.
    if (!["checkpoints", "metrics.jsonl", "result.json"].some((name) => existsSync(join(path, name)))) {
      throw new UsageError(
        `${path} is not a run folder: it has a config.json, and no checkpoints, metrics.jsonl or result.json. Give the folder that train wrote; an export cannot be used in its place`,
      );
    }
    const folder = new RunFolder(path);
    folder.config();
    return folder;
  }

  /** config.json: the configuration's fields and the facts. */
  config<T = Fields>(): T & RunFacts {
    return this.#readRecord("config.json") as T & RunFacts;
  }

  /** result.json, or undefined while the run is not done. */
  result<T = Fields>(): T | undefined {
    return existsSync(join(this.path, "result.json")) ? (this.#readRecord("result.json") as T) : undefined;
  }

  /** Writes result.json: whole or not at all. */
  writeResult(result: object): void {
    this.assertThere();
    this.#lock?.assertMine();
    this.#writeWhole("result.json", result);
  }

  append(event: { readonly type: string }): void {
    this.assertThere();
    this.#lock?.touch();
    this.log.append(event);
  }

  events(): LoggedEvent[] {
    return readEvents(this.log.path);
  }

  /** Drops what was logged after `step`: call it when continuing from that checkpoint, before appending. */
  truncateAfter(step: number): void {
    this.log.close();
    truncateEvents(this.log.path, step);
  }

  get checkpointsPath(): string {
    return join(this.path, "checkpoints");
  }

  /** Writes the checkpoint of `step`, then removes all but the latest `keep` and that of step `spare`; returns its path. */
  writeCheckpoint(
    step: number,
    owners: Readonly<Record<string, OwnerState>>,
    { extra = {}, keep = 3, spare }: CheckpointOptions = {},
  ): string {
    this.assertThere();
    this.#lock?.assertMine();
    const path = this.#makingRoom(step, spare, () => writeCheckpoint(this.checkpointsPath, step, owners, extra));
    pruneCheckpoints(this.checkpointsPath, keep, spare);
    return path;
  }

  /** Steps with a complete checkpoint, ascending. */
  checkpointSteps(): number[] {
    return listCheckpoints(this.checkpointsPath);
  }

  /** The latest checkpoint, checked, or undefined where there is none yet. Throws DataError if it is damaged. */
  latestCheckpoint(): Checkpoint | undefined {
    const step = this.checkpointSteps().at(-1);
    return step === undefined ? undefined : this.checkpoint(step);
  }

  /** The checkpoint of a step, checked. Throws DataError if it is missing or damaged. */
  checkpoint(step: number): Checkpoint {
    return readCheckpoint(join(this.checkpointsPath, `step-${step}`));
  }

  close(): void {
    this.log.close();
    this.#lock?.release();
    this.#lock = undefined;
  }

  /** Where the disk or a quota is full all checkpoints but the latest go, and `write` is tried once more. */
  #makingRoom(step: number, spare: number | undefined, write: () => string): string {
    try {
      return write();
    } catch (error) {
      if (!isFull(error) || this.checkpointSteps().length < 2) throw error;
      pruneCheckpoints(this.checkpointsPath, this.checkpointSteps().at(-1) === step ? 2 : 1, spare);
      return write();
    }
  }

  #writeWhole(name: string, content: object): void {
    writeWhole(join(this.path, name), `${JSON.stringify(content, null, 2)}\n`);
  }

  #readRecord(name: string): unknown {
    const path = join(this.path, name);
    let content: unknown;
    try {
      content = JSON.parse(readFileSync(path, "utf8"));
    } catch (error) {
      throw new DataError(`${path}: cannot be read (${(error as Error).message})`);
    }
    if (typeof content !== "object" || content === null || Array.isArray(content)) {
      throw new DataError(`${path}: expected a JSON object`);
    }
    return content;
  }
}

/** Whether there is no room, and not another reason why nothing can be written (permissions, a disk that fails). */
function isFull(error: unknown): boolean {
  if (!(error instanceof DiskError)) return false;
  const { code } = (error.cause ?? {}) as NodeJS.ErrnoException;
  return code === "ENOSPC" || code === "EDQUOT";
}

/** What a run leaves that was killed before it had written its configuration. */
function isLeftOver(folder: string, name: string): boolean {
  if (name === "checkpoints") return readdirSync(join(folder, name)).length === 0;
  return name === "lock" || isUnfinished(name);
}
