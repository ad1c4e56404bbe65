// How the dashboard stands load, against the compiled package (`npm run setup`) in Debian's Chromium:
//   node scripts/dashboard-load.mjs lists [--runs 300]                 from the address to all rows on the screen
//   node scripts/dashboard-load.mjs curves [--runs 20] [--points 50000]   from the address to every point drawn
//   node scripts/dashboard-load.mjs steps [--seconds 60]               step time of a training with and without an open page, in turns
// One JSON line each, with the load of the machine. Run folders are made in a temporary folder and removed.
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";

const root = new URL("..", import.meta.url);
const { startPage } = await import(new URL("dist/web/page-server.js", root).href);
const { dashboardRoutes } = await import(new URL("dist/web/dashboard/routes.js", root).href);
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string" },
    points: { type: "string", default: "50000" },
    seconds: { type: "string", default: "60" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "fewlabels-load-"));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
/** @param {number} step */
const line = (step) =>
  `${JSON.stringify({
    time: new Date(1.79e12 + 100 * step).toISOString(),
    type: "step",
    step,
    totalSteps: 1e6,
    epoch: step / 500,
    metrics: {
      classification: 2 / Math.sqrt(step) + 0.1 * Math.random(),
      teacherClassification: 2 / Math.sqrt(step),
      consistency: 0.01 * Math.random(),
      weight: Math.min(10, step / 100),
    },
    learningRate: 0.003,
    imagesPerSecond: 500 + 20 * Math.random(),
    stepSeconds: 0.2,
    etaSeconds: 10,
    phases: { data: 0.004, step: 0.2 },
  })}\n`;

/** @param {string} name @param {number} points */
function makeRun(name, points) {
  const path = join(folder, name);
  mkdirSync(join(path, "checkpoints"), { recursive: true });
  const config = { dataset: "cifar10", method: "mean-teacher", model: "cnn-13", labels: "4000", steps: 1e6, seed: 1 };
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  writeFileSync(join(path, "metrics.jsonl"), Array.from({ length: points }, (_, i) => line(i + 1)).join(""));
}

/** @param {(url: string) => Promise<Record<string, unknown>>} work */
async function served(work) {
  const server = await startPage({ page: "dashboard", port: 0, routes: dashboardRoutes(folder) });
  try {
    return await work(server.url);
  } finally {
    await server.stop(500);
  }
}

/** Milliseconds of `work`. @param {() => Promise<unknown>} work */
async function timed(work) {
  const start = performance.now();
  await work();
  return Math.round(performance.now() - start);
}

async function lists() {
  const runs = Number(values.runs ?? 300);
  for (let i = 0; i < runs; i++) makeRun(`group-${i % 7}/run-${i}`, 300);
  return served(async (url) => {
    const cold = await timed(async () => (await fetch(`${url}api/runs`)).text());
    const warm = await timed(async () => (await fetch(`${url}api/runs`)).text());
    const page = await browser.newPage();
    const screen = await timed(async () => {
      await page.goto(url);
      await page
        .locator("table.runs tbody tr")
        .nth(runs - 1)
        .waitFor();
    });
    const filter = await timed(async () => {
      await page.getByLabel("Filter").fill("run-17");
      await page.getByText(/^\d+ of \d+ runs$/).waitFor();
    });
    return { runs, answerMs: cold, againMs: warm, screenMs: screen, filterMs: filter };
  });
}

async function curves() {
  const [runs, points] = [Number(values.runs ?? 20), Number(values.points)];
  for (let i = 0; i < runs; i++) makeRun(`run-${i}`, points);
  const chosen = Array.from({ length: runs }, (_, i) => `run=run-${i}`).join("&");
  return served(async (url) => {
    const draw = async () => {
      const page = await browser.newPage({ viewport: { width: 1400, height: 1000 } });
      page.setDefaultTimeout(120_000);
      const times = { firstMs: 0, allMs: 0, serverCpuMs: 0, pageCpuMs: 0 };
      const cpu = process.cpuUsage();
      const session = await page.context().newCDPSession(page);
      await session.send("Performance.enable");
      const start = performance.now();
      await page.goto(`${url}#/charts?${chosen}`);
      const drawn = (/** @type {number} */ count) => page.locator(`figure.chart .plot[data-points="${count}"] canvas`);
      await drawn(2 * runs * points).waitFor(); // the cost of student and teacher
      times.firstMs = Math.round(performance.now() - start);
      // Every chart has all its points (cost and the teacher's share one), and the browser has painted once more.
      await drawn(runs * points)
        .nth(4)
        .waitFor();
      await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
      times.allMs = Math.round(performance.now() - start);
      const { user, system } = process.cpuUsage(cpu);
      times.serverCpuMs = Math.round((user + system) / 1000);
      const { metrics } = await session.send("Performance.getMetrics");
      times.pageCpuMs = Math.round(1000 * (metrics.find(({ name }) => name === "TaskDuration")?.value ?? 0));
      const zoom = await timed(async () => {
        await page.getByLabel("to", { exact: true }).fill(String(points / 10));
        await page.keyboard.press("Enter");
        await page.evaluate("new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))");
      });
      await page.close();
      return { ...times, zoomMs: zoom };
    };
    return { runs, points, first: await draw(), again: await draw() };
  });
}

async function steps() {
  const seconds = Number(values.seconds);
  const out = join(folder, "training");
  const flags =
    "--dataset digits --dataset.train 600 --dataset.test 100 --labels 50 --model convnet-tiny --batch 30 --labeled-batch 10 --threads 1 --steps 1000000 --log-every 2 --eval-every 0 --checkpoint-every 0";
  const training = spawn(
    process.execPath,
    [fileURLToPath(new URL("bin/fewlabels.js", root)), "train", ...flags.split(" "), "--out", out],
    { stdio: "ignore" },
  );
  try {
    return await served(async (url) => {
      /** @type {{ open: number[], closed: number[] }} */
      const found = { open: [], closed: [] };
      const { readEvents } = await import(new URL("dist/run/index.js", root).href);
      const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms));
      while (readEvents(join(out, "metrics.jsonl")).length < 5) await sleep(200);
      const turn = 5000;
      for (let k = 0; k < Math.floor((1000 * seconds) / turn); k++) {
        const open = k % 2 === 1;
        const page = open ? await browser.newPage() : undefined;
        if (page) {
          await page.goto(`${url}#/charts?run=training`);
          await page.locator("figure.chart canvas").first().waitFor();
        }
        const from = readEvents(join(out, "metrics.jsonl")).length;
        await sleep(turn);
        const events = readEvents(join(out, "metrics.jsonl")).slice(from);
        for (const event of events) if (event.type === "step") found[open ? "open" : "closed"].push(event.stepSeconds);
        await page?.close();
      }
      const median = (/** @type {number[]} */ list) =>
        [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
      const [open, closed] = [median(found.open), median(found.closed)];
      return {
        openMs: 1000 * open,
        closedMs: 1000 * closed,
        ratio: Number((open / closed).toFixed(3)),
        events: found.open.length + found.closed.length,
      };
    });
  } finally {
    training.kill("SIGKILL");
  }
}

try {
  const measure = { lists, curves, steps }[positionals[0] ?? ""];
  if (!measure) throw new Error('expected "lists", "curves" or "steps"');
  console.log(
    JSON.stringify({
      what: positionals[0],
      ...(await measure()),
      load: loadavg().map((one) => Number(one.toFixed(1))),
    }),
  );
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
