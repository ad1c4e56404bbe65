// The server behind the local pages: whose requests it answers, what it tells the browser to forbid, server-sent events.
import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { appFolder, type RunningPage, startPage } from "../../src/web/page-server.js";
import { type EventStream, json } from "../../src/web/server.js";
import { appBuilt, gzippedSize } from "../support/app.js";

let server: RunningPage;
let written = 0;
const streams: EventStream[] = [];

describe.skipIf(!appBuilt)("the server of a page", () => {
  beforeAll(async () => {
    server = await startPage({
      page: "dashboard",
      port: 0,
      maxBody: 1000,
      routes: {
        "GET /api/read": () => json(200, { read: true }),
        "POST /api/write": async (call) => {
          written += (await call.body()).length;
          return json(200, { written });
        },
        "GET /api/events": () => ({
          status: 200,
          events: (stream) => {
            streams.push(stream);
            stream.send("hello", { at: 1 });
          },
        }),
      },
    });
  });
  afterAll(() => server.stop(100));

  /** Node's own client: unlike fetch it sends any Host and Origin. */
  const ask = (path: string, headers: Record<string, string> = {}, method = "GET", body = "") =>
    new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
      const call = request({ host: "127.0.0.1", port: server.port, path, method, headers }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part: string) => {
          text += part;
        });
        response.on("end", () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      });
      call.on("error", reject);
      call.end(body);
    });

  test("the page comes with its token, a strict policy, and without being kept", async () => {
    const { status, headers, text } = await ask("/");
    expect(status).toBe(200);
    expect(text).toContain(`content="${server.token}"`);
    expect(text).not.toContain("%TOKEN%");
    expect(headers["content-security-policy"]).toMatch(
      /default-src 'none'; script-src 'self';.*frame-ancestors 'none'/,
    );
    expect(headers["content-security-policy"]).not.toMatch(/unsafe|\*/);
    expect(headers["cache-control"]).toBe("no-store");
  });

  test.each([
    ["a foreign Host", { host: "evil.example" }, 421],
    ["a foreign Host with our port", { host: "evil.example:8090" }, 421],
    ["a foreign Origin", { origin: "http://evil.example" }, 403],
    ["the Origin of another port", { origin: "http://127.0.0.1:1" }, 403],
    ["Origin null, as of a file or a sandbox", { origin: "null" }, 403],
    ["a request that a foreign page started", { "sec-fetch-site": "cross-site" }, 403],
    ["one of another port's page", { "sec-fetch-site": "same-site" }, 403],
    ["a foreign page that navigates to data", { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" }, 403],
  ])("refuses %s", async (_, headers, status) => {
    expect((await ask("/api/read", headers)).status).toBe(status);
  });

  test("answers its own page, programs, and a link to the page from anywhere", async () => {
    const own = { origin: `http://127.0.0.1:${server.port}`, "sec-fetch-site": "same-origin" };
    expect((await ask("/api/read", own)).status).toBe(200);
    expect((await ask("/api/read")).text).toBe('{"read":true}\n');
    const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document" };
    expect((await ask("/", link)).status).toBe(200);
    expect((await ask("/", { ...link, "sec-fetch-dest": "iframe" })).status).toBe(403);
  });

  test.each([
    ["no token", {}],
    ["an empty one", { "x-fewlabels-token": "" }],
    ["another one of the same length", { "x-fewlabels-token": "A".repeat(32) }],
  ])("writes nothing with %s", async (_, headers) => {
    const { status, text } = await ask("/api/write", headers, "POST", "abc");
    expect(status).toBe(403);
    expect(text).toMatch(/token/);
    expect(written).toBe(0);
  });

  test("writes with the token, and not too much", async () => {
    const token = { "x-fewlabels-token": server.token };
    expect((await ask("/api/write", token, "POST", "abc")).text).toBe('{"written":3}\n');
    expect((await ask("/api/write", token, "POST", "x".repeat(1001))).status).toBe(413);
    expect((await ask("/api/write", token)).status).toBe(405);
  });

  test.each([
    "/../package.json",
    "/..%2f..%2fpackage.json",
    "/%2e%2e/package.json",
    "/.built.json",
    "/api/none",
    "/x%00",
  ])("gives nothing for %s", async (path) => {
    const { status, text } = await ask(path);
    expect(status).toBe(404);
    expect(text).not.toMatch(/"name"|hash/);
  });

  test("sends events until the reader goes, and ends them when it stops", async () => {
    const stop = new AbortController();
    const response = await fetch(`${server.url}api/events`, { signal: stop.signal });
    expect(response.headers.get("content-type")).toMatch(/event-stream/);
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!text.includes("\n\ndata") && !text.includes("at")) text += (await reader.read()).value ?? "";
    expect(text).toContain('event: hello\ndata: {"at":1}\n\n');
    const gone = new Promise((resolve) => streams[0]!.gone.addEventListener("abort", resolve));
    stop.abort();
    await gone;
    streams[0]!.send("late", {}); // goes nowhere, and harms nobody
    const other = await fetch(`${server.url}api/events`);
    await server.stop(5000);
    expect(await other.text()).toContain("hello"); // ended, not cut
  });
});

test.skipIf(!appBuilt)("all pages together take less than 200 kB gzipped", () => {
  const size = gzippedSize(appFolder);
  expect(size).toBeGreaterThan(5000);
  expect(size).toBeLessThan(200_000);
});
