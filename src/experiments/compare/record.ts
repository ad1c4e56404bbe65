/** `compare.json`: what must be the same when a comparison goes on. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { RunConfig } from "../../config/resolve.js";
import { UsageError } from "../../errors.js";
import { writeWhole } from "../../files/write-whole.js";
import type { RunResult } from "../../run/events.js";
import { RunFolder } from "../../run/index.js";
import type { PlannedRun } from "../plan.js";
import { stateOf } from "../run-state.js";

export interface CompareRecord {
  /** Of pictures, labels and folds. */
  readonly fingerprint: string;
  /** Options laid over all methods, as text. */
  readonly options: string;
  /** Planned for the methods that train. */
  readonly steps?: number;
  /** By run, "method/all/seed-1": from its start to its end, the start of the process in it. */
  readonly runSeconds: Readonly<Record<string, number>>;
  /** Of all calls so far, of the one that runs up to a few seconds ago. */
  readonly spentSeconds: number;
}

const pathOf = (out: string) => join(out, "compare.json");

export function readRecord(out: string): CompareRecord | undefined {
  if (!existsSync(pathOf(out))) return undefined;
  try {
    return JSON.parse(readFileSync(pathOf(out), "utf8")) as CompareRecord;
  } catch {
    throw new UsageError(`${pathOf(out)} is damaged. Remove that folder, or give another --out`);
  }
}

export function writeRecord(out: string, record: CompareRecord): void {
  writeWhole(pathOf(out), `${JSON.stringify(record)}\n`);
}

/** Of a finished run. A part of it that was killed has written nothing here, but the run counts its time from its first step on. */
export function secondsOfRun({ runSeconds }: CompareRecord, { key, folder }: PlannedRun): number {
  const { elapsedSeconds } = RunFolder.open(folder).result<RunResult>()!;
  return Math.max(runSeconds[key] ?? 0, elapsedSeconds);
}

/** Share of a run that is behind it where it goes on: its steps up to the last checkpoint. */
export function shareDone(run: PlannedRun): number {
  if (stateOf(run) !== "started") return 0;
  const folder = RunFolder.open(run.folder);
  return (folder.checkpointSteps().at(-1) ?? 0) / folder.config<Pick<RunConfig, "steps">>().steps;
}

/** What a run that goes on has taken already: nothing where it starts anew, under other options say. */
export function secondsBefore({ runSeconds }: CompareRecord, run: PlannedRun): number {
  return stateOf(run) === "started" ? (runSeconds[run.key] ?? 0) : 0;
}
