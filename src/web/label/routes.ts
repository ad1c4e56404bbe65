/** What the page of the labelling studio can ask for, and what it can do. */

import { exportModel } from "../../studio/export.js";
import { createQueue } from "../../studio/queue.js";
import { OPEN } from "../../studio/studio.js";
import type { Route } from "../page-server.js";
import { type Call, HttpError, json } from "../server.js";
import { pictureReply, thumbnails } from "../thumbnails.js";
import type { Doubts, FeatureMap, GuessList, Names, Next, Undone } from "./api.js";
import { fieldsOf, numberIn } from "./request.js";
import type { Session } from "./session.js";

/** Sides in pixels of the pictures in the grid and of the one that is asked about. */
const [SMALL, LARGE] = [128, 512];
const MOST_NAMES = 2000;
const MOST_NEXT = 50;

export interface RouteOptions {
  /** Of thumbnails; default: in the user's cache. */
  readonly cache?: string;
}

export function labelRoutes(session: Session, { cache }: RouteOptions = {}): Readonly<Record<string, Route>> {
  const { studio, asking, training } = session;
  const queue = createQueue();
  const [small, large] = [SMALL, LARGE].map((size) => thumbnails({ size, ...(cache !== undefined && { cache }) }));
  let map: Promise<Float32Array> | undefined;

  const picture = (make: (path: string) => Promise<Uint8Array>) => async (call: Call) => {
    if (call.query.get("key") !== studio.key)
      throw new HttpError(404, "these are other pictures now: load the page again");
    const one = studio.pictures[numberIn(call.query, "row")];
    if (!one) throw new HttpError(404, "there is no such picture");
    return pictureReply(await make(one.path), "image/jpeg");
  };
  const undo = (which: "undo" | "redo") => async (call: Call) => {
    const rows = studio[which]((await fieldsOf(call)).text("by"));
    return json(200, { rows } satisfies Undone);
  };
  return {
    "GET /api/state": () => json(200, session.state()),
    "GET /api/events": () => ({
      status: 200,
      events: ({ send, gone }) => {
        send("state", session.state());
        const leave = studio.subscribe((changes) => {
          if (changes.moved) send("state", session.state());
          else {
            const codes = changes.rows.map((row) => studio.codes[row]!);
            send("answers", { classes: studio.classes, rows: changes.rows, codes, tests: session.tests() });
          }
        });
        const leaveBackground = session.subscribe(() => send("background", session.background()));
        gone.addEventListener("abort", () => {
          leave();
          leaveBackground();
        });
      },
    }),
    "GET /api/names": ({ query }) => {
      const [from, count] = [numberIn(query, "from"), Math.min(MOST_NAMES, numberIn(query, "count"))];
      const names = studio.pictures.slice(from, from + count).map(({ name }) => name);
      return json(200, { names } satisfies Names);
    },
    "GET /api/thumbnail": picture(small!),
    "GET /api/picture": picture(large!),
    "POST /api/answer": async (call) => {
      const fields = await fieldsOf(call);
      const [by, kind, rows] = [fields.text("by"), fields.text("do"), fields.rows("rows")];
      if (kind === "label") studio.label(by, fields.text("class"), rows);
      else if (kind === "skip" || kind === "none" || kind === "clear") studio.act(by, kind, rows);
      else throw new HttpError(400, `there is no answer "${kind.slice(0, 20)}"`);
      asking.tick();
      return json(200, { rows });
    },
    "POST /api/undo": undo("undo"),
    "POST /api/redo": undo("redo"),
    "POST /api/class": async (call) => {
      const fields = await fieldsOf(call);
      const by = fields.text("by");
      if (fields.has("add")) studio.addClass(by, fields.text("add"));
      else studio.dropClass(by, fields.text("drop"));
      return json(200, { classes: studio.classes });
    },
    "POST /api/next": async (call) => {
      const fields = await fieldsOf(call);
      const [tab, count] = [fields.text("tab").slice(0, 40), fields.integer("count", MOST_NEXT)];
      const { suggested, others, damaged } = asking;
      const reserved = new Set(studio.reserve);
      let [answered, tested] = [0, 0];
      for (const [row, code] of studio.codes.entries()) {
        if (code === OPEN) continue;
        answered++;
        if (reserved.has(row)) tested++;
      }
      const rows = queue.next(tab, count, {
        suggested,
        others,
        tests: studio.reserve,
        share: studio.testShare,
        answered,
        tested,
        isOpen: (row) => studio.codes[row] === OPEN && !damaged.has(row),
      });
      return json(200, { rows } satisfies Next);
    },
    "GET /api/guesses": () => {
      const [guesses, rows] = [training?.guesses, asking.rows];
      if (!guesses || !rows) throw new HttpError(404, "there is no model yet");
      // A guess that is seen first would make the test set dishonest.
      const reserved = new Set(studio.reserve);
      const shown = [...rows.keys()].filter((at) => !reserved.has(rows[at]!) && guesses.best[at]! >= 0);
      return json(200, {
        run: guesses.run,
        classes: guesses.classes,
        rows: shown.map((at) => rows[at]!),
        best: shown.map((at) => guesses.best[at]!),
        confidence: shown.map((at) => Number(guesses.confidence[at]!.toFixed(4))),
      } satisfies GuessList);
    },
    "GET /api/map": async () => {
      if (!asking.rows) throw new HttpError(404, "the pictures are still being read");
      const making = map ?? asking.mind.ask("map", {});
      map = making;
      making.catch(() => (map = undefined)); // made again when it is asked for again
      const places = await making;
      return json(200, {
        rows: [...asking.rows],
        places: Array.from(places, (v) => Number(v.toFixed(4))),
      } satisfies FeatureMap);
    },
    "GET /api/doubts": () =>
      json(200, {
        doubts: (training?.doubts ?? []).map(({ row, suggested, margin }) => ({
          row,
          suggested,
          margin: Number(margin.toFixed(3)),
        })),
      } satisfies Doubts),
    "POST /api/export": async (call) => {
      const format = (await fieldsOf(call)).text("format");
      const run = training?.guesses?.run;
      if (run === undefined) throw new HttpError(409, "there is no model yet");
      return json(200, await exportModel(studio.out, run, format));
    },
  };
}
