/** A run folder as a row of the list: little is read of it, so that hundreds take no time. */
import { open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import type { RecordedConfig, RoleResults, RunResult } from "../../run/events.js";
import { isHeld } from "../../run/index.js";
import type { RunRow } from "./api.js";

/** The end of a log that is looked at for the last step and evaluation, in bytes. */
const TAIL = 64 * 1024;

/** Sizes and times of a run's files: where they are the same, so is its row. Undefined where the run has been taken away. */
export async function stampOf(folder: string): Promise<string | undefined> {
  const times = await Promise.all(
    ["metrics.jsonl", "result.json", "config.json", "lock"].map((name) =>
      stat(join(folder, name)).then(
        ({ size, mtimeMs }) => (name === "lock" ? "held" : `${size}:${mtimeMs}`),
        () => "",
      ),
    ),
  );
  return times[2] === "" ? undefined : times.join(" ");
}

/** Never throws: a run whose files cannot be read is a row that says so. */
export async function readRow(root: string, id: string): Promise<RunRow> {
  const folder = join(root, id);
  try {
    const config = await readConfig(folder);
    const log = await readTail(join(folder, "metrics.jsonl"));
    const result = await readJson<RunResult>(join(folder, "result.json"));
    const state = result ? "done" : isHeld(folder) ? "running" : "stopped";
    const error = result ? { error: result.error, errorOf: `${result.predictor}, test` } : lastError(log.events);
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

async function readConfig(folder: string): Promise<RecordedConfig> {
  const config = await readJson<RecordedConfig>(join(folder, "config.json"));
  if (!config || typeof config.method !== "string" || typeof config.steps !== "number") {
    throw new Error("config.json is not the configuration of a run");
  }
  return config;
}

/** Undefined where there is no such file; throws where it is no JSON object. */
export async function readJson<T extends object>(path: string): Promise<T | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw new Error(`${fileName(path)} cannot be read (${error.code})`);
  });
  if (text === undefined) return undefined;
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error(`${fileName(path)} is damaged: not JSON`);
  }
  if (typeof content !== "object" || content === null || Array.isArray(content)) {
    throw new Error(`${fileName(path)} is damaged: not a JSON object`);
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

/** The last lines of a log that are whole; none where there is no log. */
async function readTail(path: string): Promise<{ readonly events: readonly Line[]; readonly updated: number }> {
  const file = await open(path, "r").catch(() => undefined);
  if (!file) return { events: [], updated: 0 };
  try {
    const { size, mtimeMs } = await file.stat();
    const from = Math.max(0, size - TAIL);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(Math.min(size, TAIL)), 0, Math.min(size, TAIL), from);
    const lines = buffer
      .toString("utf8", 0, bytesRead)
      .split("\n")
      .slice(from > 0 ? 1 : 0);
    const events = lines.flatMap((line) => {
      try {
        const event: unknown = JSON.parse(line);
        return typeof event === "object" && event !== null ? [event as Line] : [];
      } catch {
        return []; // torn, or being written
      }
    });
    return { events, updated: Math.round(mtimeMs) };
  } finally {
    await file.close();
  }
}

/** Of the teacher, where there is one: methods with a teacher are judged by it. */
function lastError(events: readonly Line[]): Pick<RunRow, "error" | "errorOf"> {
  const last = events.findLast((event) => event.type === "evaluation" && (event.val ?? event.test) !== undefined);
  const split = last?.val ? "val" : "test";
  const roles = Object.entries(last?.[split] ?? {});
  const [role, figures] = roles.find(([name]) => name === "teacher") ?? roles[0] ?? [];
  return figures && typeof figures.error === "number" ? { error: figures.error, errorOf: `${role}, ${split}` } : {};
}
