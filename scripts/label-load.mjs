// How the labelling studio stands load, in Debian's Chromium, after `npm run setup`.
//   node scripts/label-load.mjs scroll [--pictures 100000]      frame times of the grid while it scrolls from top to bottom and jumps
//   node scripts/label-load.mjs sitting DATA [--set mnist] [--pictures 2000] [--labels 100]     from the command on unknown pictures to a model
//                                                               with a stated error: keys pressed, seconds, CPU seconds of all processes
import { spawn } from "node:child_process";
import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findDataSet, Rng } from "fewlabels/internal";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { pngOf } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    pictures: { type: "string" },
    labels: { type: "string", default: "100" },
    set: { type: "string", default: "mnist" },
  },
});
const [what, data = ""] = positionals;
const folder = mkdtempSync(join(tmpdir(), "fewlabels-label-"));
const dir = join(folder, "pictures");
mkdirSync(dir);
const started = performance.now();
const seconds = (since = started) => Math.round((performance.now() - since) / 100) / 10;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});

/** Starts `fewlabels label`; gives its address and process. @param {string[]} args */
async function studio(...args) {
  const bin = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
  const own = ["label", dir, "--out", join(folder, "labels"), "--port", "0", "--json", ...args];
  const child = spawn(process.execPath, [bin, ...own], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const part of child.stdout.setEncoding("utf8")) {
    text += part;
    if (text.includes("\n")) break;
  }
  return { child, url: JSON.parse(text).url };
}

async function scroll() {
  const pictures = Number(values.pictures ?? 100_000);
  const own = join(folder, "own");
  mkdirSync(own);
  for (let i = 0; i < 60; i++) {
    const background = { r: (i * 97) % 256, g: (i * 57) % 256, b: (i * 31) % 256 };
    await sharp({ create: { width: 160, height: 120, channels: 3, background } })
      .jpeg()
      .toFile(join(own, `${i}.jpg`));
  }
  for (let i = 0; i < pictures; i++) {
    const below = join(dir, String(Math.floor(i / 1000)));
    if (i % 1000 === 0) mkdirSync(below);
    linkSync(join(own, `${i % 60}.jpg`), join(below, `${i}.jpg`));
  }
  const ready = performance.now();
  const { child, url } = await studio("--no-train", "--pool", "100", "--classes", "a,b");
  const startSeconds = seconds(ready);
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  const opening = performance.now();
  await page.goto(`${url}#/grid?show=all`);
  await page.locator(".cell img").nth(20).waitFor({ timeout: 120_000 });
  const openSeconds = seconds(opening);
  /** Milliseconds between frames while `move` is called before each. @param {string} move */
  const frames = (move) =>
    page.evaluate(`new Promise((resolve) => {
      const grid = document.querySelector(".grid");
      const [times, most] = [[], grid.scrollHeight - grid.clientHeight];
      const step = (now) => {
        times.push(now);
        if (times.length > 300) return resolve(times.slice(1).map((t, i) => t - times[i]));
        const i = times.length;
        grid.scrollTop = ${move};
        requestAnimationFrame(step);
      };
      requestAnimationFrame(step);
    })`);
  /** @param {number[]} times */
  const facts = (times) => {
    const sorted = [...times].sort((a, b) => a - b);
    const at = (/** @type {number} */ q) => Math.round(10 * (sorted[Math.floor(q * (sorted.length - 1))] ?? 0)) / 10;
    return {
      frames: times.length,
      medianMs: at(0.5),
      p95Ms: at(0.95),
      maxMs: at(1),
      over100ms: times.filter((t) => t > 100).length,
    };
  };
  const read = facts(/** @type {number[]} */ (await frames("grid.scrollTop + 120")));
  const whole = facts(/** @type {number[]} */ (await frames("most * i / 300")));
  const jumps = facts(/** @type {number[]} */ (await frames("most * ((i * 0.618) % 1)")));
  const nodes = Number(await page.evaluate("document.querySelectorAll('.cell').length"));
  child.kill();
  return {
    pictures,
    startSeconds,
    openSeconds,
    rowAFrame: read,
    wholeIn300Frames: whole,
    jumpAFrame: jumps,
    cellsInPage: nodes,
  };
}

/** A person who knows the answers and presses one key a picture. */
async function sitting() {
  const [pictures, labels] = [Number(values.pictures ?? 2000), Number(values.labels)];
  const definition = findDataSet(values.set);
  const options = Object.fromEntries(Object.entries(definition.options).map(([key, option]) => [key, option.default]));
  const at = join(data, values.set === "cifar10" ? "cifar-10-batches-bin" : values.set);
  const set = await definition.load({ dir: at, rng: Rng.fromSeed(0), options });
  /** @type {Map<string, number>} */
  const truth = new Map();
  for (const [i, row] of [...Rng.fromSeed(1).permutation(set.train.count)].slice(0, pictures).entries()) {
    const name = `${String(i).padStart(5, "0")}.png`;
    writeFileSync(join(dir, name), await pngOf(set.train, row));
    truth.set(name, set.train.labels[row] ?? 0);
  }
  const begin = performance.now();
  const { child, url } = await studio("--classes", set.classes.join(","), "--threads", "1");
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  await page.goto(url);
  const keys = [..."123456789a"];
  let pressed = 0;
  const file = page.locator(".single .file");
  /** @type {Set<string>} */
  const seen = new Set();
  while (pressed < labels) {
    const name = (await file.innerText().catch(() => "")).trim();
    if (name === "" || seen.has(name)) {
      await page.waitForTimeout(10);
      continue;
    }
    seen.add(name);
    await page.keyboard.press(keys[truth.get(name) ?? 0] ?? "0");
    pressed++;
    await page.waitForTimeout(600); // a person looks, too
  }
  const labelSeconds = seconds(begin);
  /** @type {{ labels: number, tested: number, wrong: number, seconds: number, error: { share: number, low: number, high: number } }[]} */
  let models = [];
  const trainable = () => JSON.stringify(models.at(-1)?.labels);
  for (const until = performance.now() + 600_000; performance.now() < until; ) {
    const state = /** @type {any} */ (await (await fetch(`${url}api/state`)).json());
    models = state.background.training.models;
    const train =
      readFileSync(join(folder, "labels", "train.csv"), "utf8")
        .trim()
        .split("\n").length - 1;
    if (trainable() === String(train)) break;
    await page.waitForTimeout(500);
  }
  const modelSeconds = seconds(begin);
  child.kill("SIGINT");
  await new Promise((resolve) => child.once("exit", resolve));
  const { user, system } = cpuOfChildren();
  return {
    set: values.set,
    pictures,
    classes: set.classes.length,
    keys: pressed,
    labelSeconds,
    modelSeconds,
    cpuSeconds: user + system,
    models,
  };
}

/** CPU seconds of all children that have ended, the browser's apart (it is still there). */
function cpuOfChildren() {
  const fields = readFileSync("/proc/self/stat", "utf8").split(") ")[1]?.split(" ") ?? [];
  const ticks = (/** @type {number} */ place) => Math.round(Number(fields[place]) / 10) / 10;
  return { user: ticks(13), system: ticks(14) };
}

try {
  const work = { scroll, sitting }[what ?? ""];
  if (!work) throw new Error('expected "scroll" or "sitting DATA"');
  console.log(JSON.stringify({ what, ...(await work()), load: loadavg().map((one) => Number(one.toFixed(1))) }));
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
