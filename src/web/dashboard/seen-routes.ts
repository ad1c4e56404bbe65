/** What runs have recorded of unlabeled pictures, as the page asks for it. */
import { readFile } from "node:fs/promises";
import { readSeenPictures, readSeenStep, readSeenViews, seenSteps, sheetPath } from "../../run/seen.js";
import type { Route } from "../page-server.js";
import { type Call, HttpError, json } from "../server.js";

/** `runOf`: the folder of the run that a call is about; throws HttpError where there is none. */
export function seenRoutes(runOf: (call: Call) => string): Readonly<Record<string, Route>> {
  return {
    "GET /api/seen": (call) =>
      json(200, { steps: seenSteps(runOf(call)), pictures: recorded(() => readSeenPictures(runOf(call))) }),
    "GET /api/seen/views": (call) =>
      json(
        200,
        recorded(() => readSeenViews(runOf(call))),
      ),
    "GET /api/seen/step": (call) => {
      const step = Number(call.query.get("step"));
      if (!Number.isSafeInteger(step) || step < 0) throw new HttpError(400, "step: expected a whole number");
      return json(
        200,
        recorded(() => readSeenStep(runOf(call), step)),
      );
    },
    "GET /api/seen/sheet": async (call) => {
      const name = call.query.get("sheet");
      if (name !== "pictures" && name !== "views") throw new HttpError(400, 'sheet: expected "pictures" or "views"');
      const body = await readFile(sheetPath(runOf(call), name)).catch(() => undefined);
      if (!body) throw new HttpError(404, "the run has recorded no such pictures");
      return { status: 200, headers: { "content-type": "image/png", "cache-control": "private, no-cache" }, body };
    },
  };
}

/** Throws HttpError 404 where the run has not recorded it. */
function recorded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof HttpError) throw error;
    const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
    throw new HttpError(404, missing ? "the run has not recorded it" : "what the run has recorded is damaged");
  }
}
