// The pictures of docs/dashboard.md: every view of the dashboard over a folder of runs, in Debian's Chromium, after `npm run setup`.
//   node scripts/dashboard-pictures.mjs RUNS [--out docs/pictures] [--runs a,b]     a, b: the runs shown together; by default the first two
import { basename, dirname, resolve } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const root = new URL("..", import.meta.url);
const { startPage } = await import(new URL("dist/web/page-server.js", root).href);
const { dashboardRoutes } = await import(new URL("dist/web/dashboard/routes.js", root).href);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: "docs/pictures" }, runs: { type: "string" } },
});
const [folder] = positionals;
if (!folder) throw new Error("expected the folder of the runs");
const out = resolve(values.out);
process.chdir(dirname(resolve(folder))); // the page shows the folder as it was given: its name alone
const server = await startPage({ page: "dashboard", port: 0, routes: dashboardRoutes(basename(folder)) });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const list = /** @type {{ runs: { id: string }[] }} */ (await (await fetch(`${server.url}api/runs`)).json());
  const ids = values.runs?.split(",") ?? list.runs.slice(0, 2).map(({ id }) => id);
  const chosen = ids.map((/** @type {string} */ id) => `run=${encodeURIComponent(id)}`).join("&");
  const wide = { viewport: { width: 1200, height: 800 } };
  const tall = { viewport: { width: 1200, height: 1150 } };
  const phone = { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2 };
  /** Name, view, what the browser is, and what must be there before the picture is taken. */
  const shots = [
    ["runs", "runs", wide, "section table td"],
    ["charts", "charts", wide, "figure.chart canvas"],
    ["charts-dark", "charts", { ...wide, colorScheme: "dark" }, "figure.chart canvas"],
    ["charts-phone", "charts", phone, "figure.chart canvas"],
    ["confusion", "confusion", wide, "table.matrix td"],
    ["gallery", "gallery", tall, ".gallery .card"],
    ["gallery-dark", "gallery", { ...wide, colorScheme: "dark" }, ".gallery .card"],
    ["gallery-phone", "gallery", phone, ".gallery .card"],
    ["views", "gallery", tall, "table.views td"],
  ];
  for (const [name, view, settings, ready] of /** @type {[string, string, object, string][]} */ (shots)) {
    const page = await browser.newPage(settings);
    // The views of the run that was named last: methods with strong ones show more.
    await page.goto(
      `${server.url}#/${view}?${name === "views" ? `run=${encodeURIComponent(ids.at(-1) ?? "")}` : chosen}`,
    );
    await page.locator(ready).first().waitFor({ timeout: 60_000 });
    if (view === "charts") await page.getByLabel("Smoothing").fill("20");
    if (name.startsWith("gallery")) {
      await page.getByLabel("sure from").fill("0.2");
      if (name !== "gallery") await page.locator(".gallery .card").first().click();
    }
    await page.waitForTimeout(1500);
    const path = `${out}/dashboard-${name}.png`;
    if (name === "views") await page.locator("section[aria-labelledby=views]").screenshot({ path });
    else await page.screenshot({ path });
    await page.close();
    console.log(basename(path));
  }
} finally {
  await browser.close();
  await server.stop(500);
}
