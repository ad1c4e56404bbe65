// The dashboard in Chromium against the real server: live curves of a real training, gallery and filters, hostile names, no other origin.
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSeenPictures, readSeenStep } from "../../../src/run/seen.js";
import { trainConfig } from "../../../src/train/train.js";
import { dashboardRoutes } from "../../../src/web/dashboard/routes.js";
import { type RunningPage, startPage } from "../../../src/web/page-server.js";
import { appBuilt } from "../../support/app.js";
import { chromiumPath, launch, watchRequests } from "../../support/browser.js";
import { enginePresent } from "../../support/engine.js";
import { evaluationLine, fakeRun, stepLine } from "../../support/fake-run.js";
import { configure, folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
const hostile = `<img src=x onerror=alert(1)>="&'${"x".repeat(150)}`;
let browser: Browser;
let server: RunningPage;
let tab: Page;
const problems: string[] = [];
let foreign: string[];

describe.skipIf(!appBuilt || !enginePresent || !chromiumPath)("the dashboard in Chromium", () => {
  beforeAll(async () => {
    fakeRun(join(folder, "grown"), { steps: 1000, logged: 100 });
    fakeRun(join(folder, hostile), { steps: 100, done: 10, method: "<b>bold</b>" });
    server = await startPage({ page: "dashboard", port: 0, routes: dashboardRoutes(folder) });
    browser = await launch();
    tab = await browser.newPage({ viewport: { width: 1100, height: 900 } });
    ({ foreign } = await watchRequests(tab, server.url));
    tab.on("pageerror", (error) => problems.push(error.message));
    tab.on("dialog", () => problems.push("a dialog: a name ran as a script"));
    tab.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop(100);
    expect(foreign).toEqual([]);
    expect(problems).toEqual([]);
  });
  const go = async (place: string) => {
    await tab.goto("about:blank");
    await tab.goto(`${server.url}#/${place}`);
  };
  const chart = (title: string) => tab.locator("figure.chart", { hasText: title }).locator(".plot");

  test("lists runs, shows hostile names as text, filters and orders by keyboard", async () => {
    await go("runs");
    const rows = tab.locator("table.runs tbody tr");
    await rows.nth(1).waitFor();
    expect(await tab.locator("main img, main b").count()).toBe(0);
    expect(await tab.locator("table.runs").innerText()).toContain("<img src=x onerror=alert(1)>");
    await tab.getByLabel("Filter").fill("grown");
    await tab.getByText("1 of 2 runs").waitFor();
    await tab.getByLabel("Filter").fill("labels:40 <b>");
    await tab.getByText("1 of 2 runs").waitFor();
    await tab.getByLabel("Filter").fill("");
    await tab.getByRole("button", { name: "error" }).focus();
    await tab.keyboard.press("Enter");
    expect(await tab.locator('th[aria-sort="ascending"]').innerText()).toContain("error");
    expect(await rows.first().innerText()).toContain("10.00 %");
    for (const box of await tab.getByRole("checkbox").all()) await box.check();
    await tab.getByRole("heading", { name: "What differs" }).waitFor();
    expect(await tab.locator("section table").innerText()).toMatch(/steps\s+1000\s+100|steps\s+100\s+1000/);
    // A run that is no longer there keeps nobody from comparing the others.
    await tab.goto(`${tab.url()}&run=deleted`);
    await tab.reload();
    await tab.getByRole("heading", { name: "What differs" }).waitFor();
    await expect.poll(() => tab.locator("section table").innerText()).toMatch(/steps\s+100/);
  });

  test("a curve follows a log that grows, that is cut, and that a resumed run writes on", async () => {
    await go("charts?run=grown");
    await expect.poll(() => chart("consistency").getAttribute("aria-label"), { timeout: 10_000 }).toContain("0.02");
    const log = join(folder, "grown/metrics.jsonl");
    appendFileSync(log, stepLine(110, 7) + evaluationLine(110, 44, 33));
    await expect.poll(() => chart("classification").getAttribute("aria-label"), { timeout: 10_000 }).toMatch(/ 7$/);
    expect(await chart("error, test").getAttribute("aria-label")).toContain("33");
    const lines = readFileSync(log, "utf8").split("\n");
    writeFileSync(log, `${lines.slice(0, 5).join("\n")}\n${stepLine(60, 3)}`);
    await expect.poll(() => chart("classification").getAttribute("aria-label"), { timeout: 10_000 }).toMatch(/ 3$/);
  });

  test("a chart gives its numbers as CSV and itself as PNG, and zooms by keyboard", async () => {
    const figure = tab.locator("figure.chart", { hasText: "classification" });
    const download = async (name: string) => {
      const [file] = await Promise.all([tab.waitForEvent("download"), figure.getByRole("button", { name }).click()]);
      return readFileSync(await file.path());
    };
    const csv = (await download("CSV")).toString().split("\n");
    expect(csv.slice(0, 2)).toEqual(["run,curve,step,value", `grown,classification,10,${2 / Math.sqrt(10)}`]);
    expect((await download("PNG")).subarray(1, 4).toString()).toBe("PNG");
    await tab.getByLabel("steps", { exact: true }).fill("20");
    await tab.getByLabel("to", { exact: true }).fill("50");
    await tab.keyboard.press("Enter");
    await tab.getByRole("button", { name: "all steps" }).click();
    await figure.getByRole("button", { name: "log" }).click();
    await tab.getByLabel("Smoothing").fill("40");
    await tab.getByText("≈ 16 points").waitFor();
  });

  test("live: a training that starts now appears, its curves grow, and the gallery shows what it recorded", async () => {
    await go("runs");
    const out = join(folder, "live");
    mkdirSync(out);
    const training = trainConfig(configure(out, { method: "mean-teacher", steps: 40, evalEvery: 10, seen: 60 }));
    const until = async (type: string, step: number) => {
      for (;;) {
        const next = await training.next();
        if (next.done || (next.value.type === type && "step" in next.value && next.value.step === step)) return;
      }
    };
    await until("evaluation", 10);
    const row = tab.locator("tr", { hasText: "live" });
    await expect.poll(() => row.innerText(), { timeout: 15_000 }).toMatch(/running.*10 \/ 40/s);
    await go("charts?run=live");
    await chart("error, test").waitFor();
    const label = () => chart("classification").getAttribute("aria-label");
    await expect.poll(label, { timeout: 15_000 }).toContain("live");
    const before = await label();
    await until("step", 20);
    await expect.poll(label, { timeout: 15_000 }).not.toBe(before);
    await until("done", 40);

    await go("gallery?run=live");
    const cards = tab.locator(".gallery li");
    await cards.nth(59).waitFor({ timeout: 15_000 });
    const { classes, truth } = readSeenPictures(out);
    const { beliefs, top } = readSeenStep(out, 40);
    const guesses = truth.map((_, i) => beliefs.teacher!.classes[top * i]!);
    const first = classes[guesses[0]!]!;
    expect(await cards.first().locator(".guess").innerText()).toContain(
      `${first} ${beliefs.teacher!.probabilities[0]!.toFixed(2)}`,
    );
    await tab.getByLabel("taken for").selectOption({ label: first });
    await expect.poll(() => cards.count()).toBe(guesses.filter((k) => k === guesses[0]).length);
    await tab.getByLabel("taken for").selectOption("");
    await tab.getByLabel("Show").selectOption("wrong");
    await expect.poll(() => cards.count()).toBe(guesses.filter((k, i) => k !== truth[i]).length);
    await cards.first().getByRole("button").press("Enter");
    await tab.getByText(/The data set says .*; training does not know/).waitFor();
    expect(await tab.locator(".detail tbody tr").count()).toBe(4);
    await tab.getByRole("heading", { name: "What the network sees" }).waitFor();
    const drawn = await tab.evaluate<number>(
      `fetch(getComputedStyle(document.querySelector(".gallery .sprite")).backgroundImage.slice(5, -2)).then((r) => r.status)`,
    );
    expect(drawn).toBe(200);
    await go("confusion?run=live");
    await tab.locator("table.matrix tbody tr").nth(9).waitFor();
    const errors = await tab.locator("table.matrix tbody tr").first().innerText();
    expect(errors).toMatch(/\d+\.\d\d %/);
  }, 90_000);

  test.each([
    ["phone", { viewport: { width: 360, height: 740 } }],
    ["dark", { viewport: { width: 1100, height: 900 }, colorScheme: "dark" as const }],
  ])("fits on a %s", async (_, settings) => {
    const other = await browser.newPage(settings);
    await other.goto(`${server.url}#/charts?run=grown`);
    await other.locator("figure.chart canvas").first().waitFor();
    const [inner, wide] = await other.evaluate<number[]>("[innerWidth, document.documentElement.scrollWidth]");
    expect(wide).toBeLessThanOrEqual(inner!);
    await other.close();
  });
});
