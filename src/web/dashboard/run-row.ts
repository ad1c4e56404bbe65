/** A run folder as a row of the list: little is read of it, so that hundreds take no time. */
import { closeSync, fstatSync, openSync, readFileSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { DataError } from "../../errors.js";
import type { RecordedConfig, RoleResults, RunResult } from "../../run/events.js";
import { isHeld } from "../../run/index.js";
import type { RunRow } from "./api.js";

/** Bytes of the end of a log that are looked at for the last step and evaluation: more where an evaluation is not among the last lines. */
const TAILS = [64 * 1024, 4 * 1024 * 1024];

/**
 * Sizes and times of a run's files: where they are the same, so is its row. Undefined where the run has been taken away. Everything here is
 * read at once, not in turns with others: a file takes microseconds, handing it to another thread and back takes longer.
 */
export function stampOf(folder: string): string | undefined {
  const [config, log, result, lock] = ["config.json", "metrics.jsonl", "result.json", "lock"].map((name) =>
    statSync(join(folder, name), { throwIfNoEntry: false }),
  );
  if (!config) return undefined;
  const one = (file: typeof config | undefined) => (file ? `${file.size}:${file.mtimeMs}` : "");
  return [one(config), one(log), one(result), lock ? "held" : ""].join(" ");
}

/** Never throws: a run whose files cannot be read is a row that says so. */
export function readRow(root: string, id: string): RunRow {
  const folder = join(root, id);
  try {
    const config = readConfig(folder);
    const log = readTail(join(folder, "metrics.jsonl"));
    const result = readJson<RunResult>(join(folder, "result.json"));
    const state = result ? "done" : isHeld(folder) ? "running" : "stopped";
    const error = result
      ? { error: result.error, errorOf: `${result.predictor}, test` }
      : lastError(log.events, predictorOf(folder));
    const step = result?.steps ?? Math.max(0, ...log.events.map((event) => numberOf(event.step)));
    return {
      id,
      state,
      method: config.method,
      model: config.model,
      dataset: config.dataset,
      labels: String(config.labels),
      seed: config.seed,
      step,
      steps: config.steps,
      ...error,
      updated: log.updated,
    };
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    const unknown = { method: "", model: "", dataset: "", labels: "", seed: 0, step: 0, steps: 0, updated: 0 };
    return { id, state: "damaged", problem, ...unknown };
  }
}

function readConfig(folder: string): RecordedConfig {
  const config = readJson<RecordedConfig>(join(folder, "config.json"));
  if (!config || typeof config.method !== "string" || typeof config.steps !== "number") {
    throw new Error("config.json is not the configuration of a run");
  }
  return config;
}

/** Undefined where there is no such file; throws DataError where it is no JSON object. */
export function readJson<T extends object>(path: string): T | undefined {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    throw new DataError(`${fileName(path)} cannot be read (${code})`);
  }
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new DataError(`${fileName(path)} is damaged: not JSON`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new DataError(`${fileName(path)} is damaged: not a JSON object`);
  }
  return content as T;
}

const fileName = (path: string) => path.slice(path.lastIndexOf("/") + 1);
const numberOf = (value: unknown) => (typeof value === "number" ? value : 0);

interface Line {
  readonly type?: unknown;
  readonly step?: unknown;
  readonly test?: RoleResults;
  readonly val?: RoleResults;
}

/** The last step and the last evaluation in the end of a log; none where there is no log. */
function readTail(path: string): { readonly events: readonly Line[]; readonly updated: number } {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch {
    return { events: [], updated: 0 };
  }
  try {
    const { size, mtimeMs } = fstatSync(file);
    let events: Line[] = [];
    for (const most of TAILS) {
      const tail = Buffer.alloc(Math.min(size, most));
      const bytes = readSync(file, tail, 0, tail.length, size - tail.length);
      const lines = tail.toString("utf8", 0, bytes).split("\n");
      events = ["step", "evaluation"].flatMap((kind) => lastOf(lines, kind) ?? []);
      if (events.length === 2 || tail.length === size) break;
    }
    return { events, updated: Math.round(mtimeMs) };
  } finally {
    closeSync(file);
  }
}

function lastOf(lines: readonly string[], kind: string): Line | undefined {
  for (let i = lines.length - 1; i >= 0; i--) {
    const event = lines[i]!.includes(`"type":"${kind}"`) ? parsed(lines[i]!) : undefined;
    if (event) return event;
  }
  return undefined;
}

/** Undefined for a line that is torn or being written. */
function parsed(line: string): Line | undefined {
  try {
    const event: unknown = JSON.parse(line);
    return typeof event === "object" && event !== null ? (event as Line) : undefined;
  } catch {
    return undefined;
  }
}

/** Roles that are the result in all methods that have them, for runs that do not say which is theirs. */
const predictors = ["studentAverage", "teacher"];

/** The role whose error will be the result, as the run wrote it down when it began; undefined where it did not. */
function predictorOf(folder: string): string | undefined {
  try {
    return readJson<{ readonly predictor?: string }>(join(folder, "inference.json"))?.predictor;
  } catch {
    return undefined;
  }
}

/** Of the role whose error will be the result. */
function lastError(events: readonly Line[], predictor: string | undefined): Pick<RunRow, "error" | "errorOf"> {
  const last = events.findLast((event) => event.type === "evaluation" && (event.val ?? event.test) !== undefined);
  const split = last?.val ? "val" : "test";
  const roles = last?.[split] ?? {};
  const role = [predictor, ...predictors, ...Object.keys(roles)].find((name) => name !== undefined && name in roles);
  const figures = role === undefined ? undefined : roles[role];
  return figures && typeof figures.error === "number" ? { error: figures.error, errorOf: `${role}, ${split}` } : {};
}
