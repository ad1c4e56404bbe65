/** What was settled when a folder was first opened in the studio: later sessions keep it, so that what tests today never trained yesterday. */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
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
    const record = objectOf(readFileSync(path, "utf8"));
    if (typeof record.dir === "string" && record.dir !== dir)
      throw new UsageError(`${out}: holds the labels of ${record.dir}. Give another folder with --out`);
    if (!isWhole(record))
      throw new DataError(
        `${path}: is damaged: expected dir, seed, testShare and reserve, as the studio wrote them. The answers are safe in answers.jsonl beside it: put the file back from a copy, or begin anew with another folder for --out and --labels ${join(dirname(path), "labels.csv")}`,
      );
    return record;
  }
  const record = { dir, ...make() };
  writeWhole(path, `${JSON.stringify(record)}\n`);
  return record;
}

/** What the text holds; nothing where it is no JSON object. */
function objectOf(text: string): Partial<StudioRecord> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : {};
  } catch {
    return {};
  }
}

function isWhole(record: Partial<StudioRecord>): record is StudioRecord {
  const { dir, seed, testShare, reserve, fixed = false } = record;
  const isNumber = (one: unknown, most: number) => typeof one === "number" && one >= 0 && one <= most;
  return (
    typeof dir === "string" &&
    isNumber(seed, Number.MAX_SAFE_INTEGER) &&
    isNumber(testShare, 1) &&
    Array.isArray(reserve) &&
    reserve.every((name) => typeof name === "string") &&
    typeof fixed === "boolean"
  );
}
