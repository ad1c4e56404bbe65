/** What the dashboard's page can ask for. */
import { join } from "node:path";
import type { Route } from "../page-server.js";
import { type Call, HttpError, json } from "../server.js";
import type { FlatConfig } from "./api.js";
import { isRunId } from "./find-runs.js";
import { readJson } from "./run-row.js";
import { seenRoutes } from "./seen-routes.js";
import { logFollowers, packSeries } from "./series.js";
import { watchRuns } from "./watch-runs.js";

/** Curves of a run in one answer. */
const MOST_NAMES = 200;

/** `folder`: of runs, or one run. Only files below it are read, and none is written. */
export function dashboardRoutes(folder: string): Readonly<Record<string, Route>> {
  const watch = watchRuns(folder);
  const followerOf = logFollowers();
  const runOf = ({ query }: Call): string => {
    const id = query.get("run") ?? "";
    if (!isRunId(folder, id)) throw new HttpError(404, "there is no such run");
    return join(folder, id);
  };
  return {
    ...seenRoutes(runOf),
    "GET /api/runs": async () => json(200, await watch.list()),
    "GET /api/events": async () => {
      const list = await watch.list();
      return {
        status: 200,
        events: ({ send, gone }) => {
          send("runs", list);
          const leave = watch.subscribe((changes) => send("changes", changes));
          gone.addEventListener("abort", leave);
        },
      };
    },
    "GET /api/series": async (call) => {
      const follower = followerOf(runOf(call));
      const names = call.query.getAll("name").slice(0, MOST_NAMES);
      await follower.read(names);
      const counts = (call.query.get("counts") ?? "")
        .split(",")
        .map((count) => Math.max(0, Math.trunc(Number(count)) || 0));
      const generation = Number(call.query.get("generation"));
      return {
        status: 200,
        headers: { "content-type": "application/octet-stream", "cache-control": "no-store" },
        body: packSeries(follower, names, { generation, counts }),
      };
    },
    "GET /api/config": (call) => json(200, flatten(readJson(join(runOf(call), "config.json")) ?? {})),
  };
}

/** "methodOptions": { "tau": 1 } as "method.tau", "1"; lists and records further down as JSON. */
export function flatten(config: object): FlatConfig {
  const flat: Record<string, string> = {};
  const text = (value: unknown) =>
    typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
  for (const [key, value] of Object.entries(config)) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) flat[key] = text(value);
    else for (const [inner, one] of Object.entries(value)) flat[`${key.replace(/Options$/, "")}.${inner}`] = text(one);
  }
  return flat;
}
