// What the dashboard's routes give, and what nobody gets from them.
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RunList } from "../../../src/web/dashboard/api.js";
import { dashboardRoutes } from "../../../src/web/dashboard/routes.js";
import { type RunningPage, startPage } from "../../../src/web/page-server.js";
import { appBuilt } from "../../support/app.js";
import { fakeRun } from "../../support/fake-run.js";
import { folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
const root = join(folder, "runs");
let server: RunningPage;

describe.skipIf(!appBuilt)("the routes of the dashboard", () => {
  beforeAll(async () => {
    fakeRun(join(root, "a"), { steps: 100 });
    fakeRun(join(folder, "secret"), {});
    mkdirSync(join(folder, "secret/seen"));
    writeFileSync(join(folder, "secret/seen/pictures.png"), "secret");
    mkdirSync(join(root, "a/seen"));
    writeFileSync(join(root, "a/seen/pictures.json"), "{ torn");
    symlinkSync(join(folder, "secret"), join(root, "link"));
    server = await startPage({ page: "dashboard", port: 0, routes: dashboardRoutes(root) });
  });
  afterAll(() => server?.stop(100));
  const get = (path: string) => fetch(`${server.url}api/${path}`);

  test.each(["../secret", "a/../../secret", "link", "/etc", "..%5csecret", "%00", "", "none"])(
    "no route gives anything of run %j",
    async (id) => {
      for (const path of ["config", "series", "seen", "seen/views", "seen/step", "seen/sheet"]) {
        const response = await get(`${path}?run=${id}&step=1&sheet=pictures&name=weight`);
        expect(response.status, path).toBe(404);
        expect(await response.text()).not.toContain("secret");
      }
    },
  );

  test.each([
    ["seen/sheet?run=a&sheet=../config", 400, /expected "pictures" or "views"/],
    ["seen/sheet?run=a&sheet=views", 404, /no such pictures/],
    ["seen/step?run=a&step=../1", 400, /whole number/],
    ["seen/step?run=a&step=1", 404, /has not recorded/],
    ["seen?run=a", 404, /damaged/],
    ["nothing", 404, /there is no/],
  ])("%s: %d", async (path, status, message) => {
    const response = await get(path);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { error: string }).error).toMatch(message);
  });

  test("a damaged configuration is said to be damaged", async () => {
    mkdirSync(join(root, "torn"));
    writeFileSync(join(root, "torn/config.json"), "{");
    const response = await get("config?run=torn");
    expect(response.status).toBe(422);
    expect(await response.json()).toEqual({ error: "config.json is damaged: not JSON" });
  });

  test("odd numbers in a question for curves harm nobody", async () => {
    for (const counts of ["-5", "1e99", "NaN,,x", "99999999"]) {
      const response = await get(`series?run=a&name=weight&generation=1&counts=${counts}`);
      expect(response.status).toBe(200);
    }
  });

  test("nothing can be written, whatever the token", async () => {
    const headers = { "x-fewlabels-token": server.token };
    for (const method of ["POST", "PUT", "DELETE"]) {
      expect((await fetch(`${server.url}api/runs`, { method, headers })).status).toBe(405);
    }
  });

  test("the events begin with the list", async () => {
    const stop = new AbortController();
    const response = await fetch(`${server.url}api/events`, { signal: stop.signal });
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (!/event: runs\ndata: .*\n\n/.test(text)) text += (await reader.read()).value ?? "";
    const list = JSON.parse(/data: (.*)\n/.exec(text)![1]!) as RunList;
    expect(list.runs.map(({ id }) => id)).toEqual(["a"]);
    stop.abort();
  });
});
