/** What was settled when a folder was first opened in the studio: later sessions keep it, so that what tests today never trained yesterday. */
import { existsSync, readFileSync } from "node:fs";
import { DataError, UsageError } from "../errors.js";
import { writeWhole } from "../files/write-whole.js";

export interface StudioRecord {
  /** Folder of the pictures. */
  readonly dir: string;
  readonly seed: number;
  readonly testShare: number;
  /** Names of the pictures that only test, in the order in which they are asked. */
  readonly reserve: readonly string[];
  /** The classes were class folders; undefined where an earlier version did not write it down. */
  readonly fixed?: boolean;
}

/** The record at `path`, or a new one. Throws UsageError where it is of other pictures, DataError where it is damaged. */
export function openRecord(
  path: string,
  { dir, out }: { readonly dir: string; readonly out: string },
  make: () => Omit<StudioRecord, "dir">,
): StudioRecord {
  if (existsSync(path)) {
    const record = JSON.parse(readFileSync(path, "utf8")) as StudioRecord;
    if (record.dir !== dir)
      throw new UsageError(`${out}: holds the labels of ${record.dir}. Give another folder with --out`);
    if (!Array.isArray(record.reserve)) throw new DataError(`${path}: is damaged: it names no test set`);
    return record;
  }
  const record = { dir, ...make() };
  writeWhole(path, `${JSON.stringify(record)}\n`);
  return record;
}
