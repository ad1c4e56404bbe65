/** The run folder, the whole record of a run: config.json, metrics.jsonl, checkpoints/step-N/, result.json. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DataError, UsageError } from "../errors.js";
import { writeWhole } from "../files/write-whole.js";
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

  private constructor(path: string) {
    this.path = path;
    this.log = new EventLog(join(path, "metrics.jsonl"));
  }

  /** Throws UsageError where the folder already holds a run or anything else: a run asks before it loads its data. */
  static assertFree(path: string): void {
    if (existsSync(path) && readdirSync(path).length > 0) {
      const what = existsSync(join(path, "config.json")) ? "already holds a run" : "is not empty";
      throw new UsageError(
        `${path} ${what}. Give another folder with --out` +
          (what === "is not empty" ? "" : `, or continue that run: fewlabels train --resume ${path}`),
      );
    }
  }

  /** Makes the folder and writes config.json. Throws UsageError where it is not free. */
  static create(path: string, config: object, facts: RunFacts): RunFolder {
    RunFolder.assertFree(path);
    mkdirSync(join(path, "checkpoints"), { recursive: true });
    const folder = new RunFolder(path);
    folder.#writeWhole("config.json", { ...config, ...facts });
    return folder;
  }

  /** Opens an existing run. Throws UsageError where there is none, DataError where config.json cannot be read. */
  static open(path: string): RunFolder {
    if (!existsSync(join(path, "config.json"))) {
      throw new UsageError(`${path} is not a run folder: there is no config.json in it`);
    }
    const folder = new RunFolder(path);
    folder.config();
    return folder;
  }

  /** config.json: the configuration's fields, `versions` and `dataFingerprint`. */
  config<T = Fields>(): T & RunFacts {
    return this.#readRecord("config.json") as T & RunFacts;
  }

  /** result.json, or undefined while the run is not done. */
  result<T = Fields>(): T | undefined {
    return existsSync(join(this.path, "result.json")) ? (this.#readRecord("result.json") as T) : undefined;
  }

  /** Writes result.json: whole or not at all. */
  writeResult(result: object): void {
    this.#writeWhole("result.json", result);
  }

  append(event: { readonly type: string }): void {
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
    const path = writeCheckpoint(this.checkpointsPath, step, owners, extra);
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
