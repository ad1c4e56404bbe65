// The studio's routes: what they refuse, what hostile names and pictures do, two pages, and that every answer is on the disk.
import { readFileSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStudio, type Studio } from "../../../src/studio/studio.js";
import { labelRoutes } from "../../../src/web/label/routes.js";
import type { Session } from "../../../src/web/label/session.js";
import { type RunningPage, startPage } from "../../../src/web/page-server.js";
import type { Call } from "../../../src/web/server.js";
import { appBuilt } from "../../support/app.js";
import { addPictures, bomb, flat } from "../../support/pictures.js";
import { folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
const dir = join(folder, "pictures");
const hostile = ["<img src=x onerror=alert(1)>.png", "=cmd|' !A0.png", `${"x".repeat(240)}.png`, "a\u0001b\nc.png"];
let studio: Studio;
let server: RunningPage;
let count: number;

/** A session whose background does nothing. */
function quietSession(own: Studio): Session {
  const nothing = () => {};
  const tests = () => ({ labeled: 0, none: 0, skipped: 0, most: 0 });
  const background = () => ({ tests: tests(), by: "random" as const, map: false });
  return {
    studio: own,
    asking: {
      mind: { ask: () => Promise.reject(new Error("nothing is read")), close: nothing },
      by: "random",
      reading: undefined,
      problem: undefined,
      rows: undefined,
      damaged: new Map(),
      suggested: [],
      others: [...own.pictures.keys()],
      codes: () => own.codes,
      tick: nothing,
      close: nothing,
    },
    training: undefined,
    background,
    tests,
    state: () => ({
      instance: "1",
      folder: own.dir,
      out: own.out,
      key: own.key,
      count: own.pictures.length,
      classes: own.classes,
      fixed: own.fixed,
      codes: [...own.codes],
      testShare: studio.testShare,
      background: background(),
    }),
    subscribe: () => nothing,
    close: nothing,
  };
}

describe.skipIf(!appBuilt)("the studio's server", () => {
  beforeAll(async () => {
    await addPictures(dir, Object.fromEntries(hostile.map((name) => [name, flat([9, 99, 9])])));
    await addPictures(dir, {
      "bomb.png": await bomb(50_000),
      "text.png": "no picture",
      "plain.png": flat([200, 9, 9]),
    });
    writeFileSync(join(folder, "secret.png"), "secret");
    studio = openStudio({ dir, out: join(folder, "labels"), testShare: 0, seed: 1, classes: ["cat"] });
    count = studio.pictures.length;
    server = await startPage({
      page: "label",
      port: 0,
      routes: labelRoutes(quietSession(studio), { cache: join(folder, "cache") }),
    });
  });
  afterAll(async () => {
    await server.stop(100);
    studio.close();
  });
  const ask = (
    path: string,
    { body, token = true, headers = {} }: { body?: unknown; token?: boolean; headers?: Record<string, string> } = {},
  ) =>
    new Promise<{ status: number; text: string }>((resolve, reject) => {
      const method = body === undefined ? "GET" : "POST";
      const own = { ...(token ? { "x-fewlabels-token": server.token } : {}), ...headers };
      const call = request({ host: "127.0.0.1", port: server.port, path, method, headers: own }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        response.on("end", () => resolve({ status: response.statusCode!, text }));
      });
      call.on("error", reject);
      call.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
    });
  const rowOf = (part: string) => studio.pictures.findIndex(({ name }) => name.includes(part));
  const label = (rows: number[], name: string) =>
    ask("/api/answer", { body: { by: "Ann", do: "label", rows, class: name } });
  const lines = () => readFileSync(join(studio.out, "answers.jsonl"), "utf8").split("\n").length;

  test.each([
    ["no token", { token: false }, 403],
    ["a foreign Origin", { headers: { origin: "http://evil.example" } }, 403],
    ["a foreign Host", { headers: { host: "evil.example" } }, 421],
    ["a request of a foreign page", { headers: { "sec-fetch-site": "cross-site" } }, 403],
  ])("nothing is written with %s", async (_, how, status) => {
    const before = lines();
    for (const path of ["/api/answer", "/api/undo", "/api/redo", "/api/class", "/api/next", "/api/export"]) {
      const body = { by: "", do: "skip", rows: [0], add: "x", tab: "a", count: 1, format: "onnx" };
      expect((await ask(path, { body, ...how })).status).toBe(status);
    }
    expect(lines()).toBe(before);
  });

  test.each(["row=../../secret.png", "row=-1", "row=1e9", "row=99999", "row=0%00", "row=0&key=other", ""])(
    "no picture for %j",
    async (query) => {
      const own = query.includes("key=") ? query : `key=${studio.key}&${query}`;
      const { status, text } = await ask(`/api/thumbnail?${own}`);
      expect([400, 404]).toContain(status);
      expect(text).not.toContain("secret");
    },
  );

  test.each(["/api/thumbnail/../../secret.png", "/..%2fsecret.png", "/secret.png"])(
    "nothing beside the pictures: %s",
    async (path) => {
      expect((await ask(path)).status).toBe(404);
    },
  );

  test("a bomb and a text are refused with the reason, a picture comes as JPEG", async () => {
    const get = (part: string) => ask(`/api/thumbnail?key=${studio.key}&row=${rowOf(part)}`);
    expect(await get("bomb")).toMatchObject({ status: 422, text: expect.stringMatching(/64 megapixels/) });
    expect(await get("text")).toMatchObject({ status: 422, text: expect.stringMatching(/not a picture/) });
    expect((await get("plain")).status).toBe(200);
    expect((await ask(`/api/picture?key=${studio.key}&row=${rowOf("<img")}`)).status).toBe(200);
  });

  test("hostile file names come as they are, as JSON; their labels are on the disk", async () => {
    const { names } = JSON.parse((await ask("/api/names?from=0&count=100")).text);
    expect(names).toHaveLength(count);
    for (const name of hostile) expect(names).toContain(name);
    expect((await label([rowOf("=cmd"), rowOf("<img")], "cat")).status).toBe(200);
    const last = JSON.parse(readFileSync(join(studio.out, "answers.jsonl"), "utf8").trim().split("\n").at(-1)!);
    expect(last).toMatchObject({ do: "label", by: "Ann", class: "cat", files: [hostile[1], hostile[0]] });
    studio.save();
    expect(readFileSync(join(studio.out, "labels.csv"), "utf8")).toContain("./=cmd|' !A0.png,cat");
  });

  test.each([
    ["=HYPERLINK(1)", /formula/],
    ["\u0000", /cannot be seen/],
    ["x".repeat(1000), /1000 characters/],
    ["", /needs a name/],
  ])("a class cannot be called %j", async (name, why) => {
    const before = lines();
    for (const answer of [await label([0], name), await ask("/api/class", { body: { by: "", add: name } })]) {
      expect(answer.status).toBe(422);
      expect(JSON.parse(answer.text).error).toMatch(why);
    }
    expect(lines()).toBe(before);
  });

  test("a class may be called like HTML, and goes again", async () => {
    const name = "<script>alert(1)</script>";
    expect((await ask("/api/class", { body: { by: "", add: name } })).text).toContain(JSON.stringify(name));
    expect(JSON.parse((await ask("/api/class", { body: { by: "", drop: name } })).text).classes).toEqual(["cat"]);
    expect((await ask("/api/class", { body: { by: "", drop: "cat" } })).status).toBe(422);
  });

  test.each([
    ["no JSON", "{", 400],
    ["a list", "[]", 400],
    ["rows that are none", { by: "", do: "skip", rows: ["0"] }, 400],
    ["no rows", { by: "", do: "skip", rows: [] }, 400],
    ["a row that is not there", { by: "", do: "skip", rows: [1e6] }, 422],
    ["an unknown answer", { by: "", do: "delete", rows: [0] }, 400],
    ["a person of 1,000 characters", { by: "x".repeat(1000), do: "skip", rows: [0] }, 422],
    ["two megabytes", { by: "", do: "skip", rows: Array.from({ length: 1e6 }, () => 0) }, 413],
  ])("%s is refused in words, and writes nothing", async (_, body, status) => {
    const before = lines();
    const answer = await ask("/api/answer", { body });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.text).error).toMatch(/\w+/);
    expect(lines()).toBe(before);
  });

  test("undo and redo tell which pictures changed; two pages are asked about different ones", async () => {
    const plain = rowOf("plain");
    await label([plain], "cat");
    const undo = (by: string) => ask("/api/undo", { body: { by } });
    expect(JSON.parse((await undo("Bo")).text)).toEqual({ rows: [] });
    expect(JSON.parse((await undo("Ann")).text)).toEqual({ rows: [plain] });
    expect(JSON.parse((await ask("/api/redo", { body: { by: "Ann" } })).text)).toEqual({ rows: [plain] });
    const next = async (tab: string) => JSON.parse((await ask("/api/next", { body: { tab, count: 2 } })).text).rows;
    const [first, second] = [await next("a"), await next("b")];
    expect(new Set([...first, ...second]).size).toBe(4);
    expect(await next("a")).toEqual(first);
  });

  test("what is not there yet is said", async () => {
    for (const path of ["/api/guesses", "/api/map"]) expect((await ask(path)).status).toBe(404);
    expect((await ask("/api/export", { body: { format: "onnx" } })).status).toBe(409);
  });

  test("a map that could not be made is made when it is asked for again", async () => {
    const quiet = quietSession(studio);
    const answers = [() => Promise.reject(new Error("no memory left")), () => Promise.resolve(Float32Array.of(0, 1))];
    const mind = { ask: () => answers.shift()!() as Promise<never>, close: () => {} };
    const routes = labelRoutes({ ...quiet, asking: { ...quiet.asking, mind, rows: Int32Array.of(0) } });
    const map = async () => routes["GET /api/map"]!({} as Call);
    await expect(map()).rejects.toThrow("no memory left");
    expect(JSON.parse(String((await map()).body))).toEqual({ rows: [0], places: [0, 1] });
  });
});
