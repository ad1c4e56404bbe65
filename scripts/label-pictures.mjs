// The pictures of docs/label.md: every view of the labelling studio over pictures of CIFAR-10 (cat, horse, truck) while a script labels them, in
// Debian's Chromium, after `npm run setup`. The network that chooses was trained on the other seven classes (node scripts/transfer.mjs ... --keep RUN).
//   node scripts/label-pictures.mjs CIFAR10_FOLDER RUN [--out docs/pictures] [--pictures 900]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findDataSet, Rng } from "fewlabels/internal";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { pngOf } from "./picture-folder.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { out: { type: "string", default: "docs/pictures" }, pictures: { type: "string", default: "900" } },
});
const [source, run] = positionals;
if (!source || !run) throw new Error("usage: node scripts/label-pictures.mjs CIFAR10_FOLDER RUN");
const network = resolve(run);
const out = resolve(values.out);
const classes = ["cat", "horse", "truck"];
const folder = mkdtempSync(join(tmpdir(), "fewlabels-label-"));
const dir = join(folder, "photos");
mkdirSync(dir);

const set = await findDataSet("cifar10").load({
  dir: resolve(source),
  rng: Rng.fromSeed(0),
  options: { train: 50_000 },
});
const rows = [...set.train.labels.keys()].filter((i) => classes.includes(set.classes[set.train.labels[i] ?? 0] ?? ""));
/** By name. @type {Map<string, string>} */
const truth = new Map();
for (const [i, row] of rows.slice(0, Number(values.pictures)).entries()) {
  const name = `IMG_${String(1000 + i)}.png`;
  await sharp(await pngOf(set.train, row))
    .resize(128, 128, { kernel: "cubic" })
    .toFile(join(dir, name));
  truth.set(name, set.classes[set.train.labels[row] ?? 0] ?? "");
}

const args = ["label", "photos", "--classes", classes.join(","), "--run", network, "--every", "1", "--threads", "1"];
const bin = fileURLToPath(new URL("../bin/fewlabels.js", import.meta.url));
// In that folder, so that the page shows names as short as a reader's.
const child = spawn(process.execPath, [bin, ...args, "--port", "0", "--json"], {
  cwd: folder,
  stdio: ["ignore", "pipe", "inherit"],
});
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  let text = "";
  for await (const part of child.stdout.setEncoding("utf8")) {
    text += part;
    if (text.includes("\n")) break;
  }
  const { url } = JSON.parse(text);
  const token = /token" content="([^"]*)"/.exec(await (await fetch(url)).text())?.[1] ?? "";
  /** @param {string} path @param {object} content */
  const post = async (path, content) => {
    const headers = { "content-type": "application/json", "x-fewlabels-token": token };
    return /** @type {any} */ (
      await (await fetch(`${url}api/${path}`, { method: "POST", headers, body: JSON.stringify(content) })).json()
    );
  };
  const state = async () => /** @type {any} */ (await (await fetch(`${url}api/state`)).json());
  const { names } = /** @type {any} */ (await (await fetch(`${url}api/names?from=0&count=2000`)).json());
  /** @param {() => Promise<boolean>} done */
  const until = async (done) => {
    while (!(await done())) await new Promise((then) => setTimeout(then, 300));
  };
  await until(async () => (await state()).background.map);
  for (const count of [15, 20, 30, 50]) {
    for (let left = count; left > 0; ) {
      const { rows: next } = await post("next", { tab: "script", count: Math.min(10, left) });
      for (const row of next)
        await post("answer", { by: "Ann", do: "label", rows: [row], class: truth.get(names[row]) });
      left -= next.length;
    }
    const before = (await state()).background.training.models.length;
    await until(async () => (await state()).background.training.models.length > before);
  }
  await until(async () => (await state()).background.training.running === undefined);
  const wide = { viewport: { width: 1200, height: 850 } };
  const phone = { viewport: { width: 390, height: 800 }, deviceScaleFactor: 2 };
  const dark = { ...wide, colorScheme: /** @type {const} */ ("dark") };
  /** @type {[string, string, object, string][]} */
  const shots = [
    ["single", "label", wide, ".single img"],
    ["single-phone", "label", phone, ".single img"],
    ["grid", "grid?show=guess:cat", wide, ".cell img"],
    ["grid-dark", "grid?show=guess:truck", dark, ".cell img"],
    ["grid-phone", "grid?show=open", phone, ".cell img"],
    ["map", "map", wide, ".map canvas"],
    ["map-dark", "map", dark, ".map canvas"],
    ["model", "model", { viewport: { width: 1200, height: 1050 } }, "table.matrix"],
    ["model-phone", "model", phone, "table.matrix"],
  ];
  for (const [name, view, settings, ready] of shots) {
    const page = await browser.newPage(settings);
    await page.goto(`${url}#/${view}`);
    await page.locator(ready).first().waitFor({ timeout: 60_000 });
    await page.getByLabel("I am").fill("Ann");
    if (name.startsWith("grid")) {
      if (view.includes("guess")) await page.getByLabel("sure from").fill("0.8");
      await page.locator(".cell").nth(2).click();
      await page
        .locator(".cell")
        .nth(8)
        .click({ modifiers: ["Shift"] });
    }
    await page.waitForTimeout(2500);
    if (name.startsWith("map")) {
      const box = await page.locator(".map canvas").boundingBox();
      if (!box) throw new Error("there is no map");
      const at = (/** @type {number} */ x, /** @type {number} */ y) =>
        /** @type {const} */ ([box.x + x * box.width, box.y + y * box.height]);
      await page.mouse.move(...at(0.06, 0.06));
      await page.mouse.down();
      for (const [x, y] of /** @type {const} */ ([
        [0.3, 0.05],
        [0.33, 0.25],
        [0.1, 0.3],
      ]))
        await page.mouse.move(...at(x, y), { steps: 6 });
      await page.mouse.up();
      await page.waitForTimeout(1500);
    }
    await page.screenshot({ path: join(out, `label-${name}.png`) });
    await page.close();
    console.log(`label-${name}.png`);
  }
  console.log(readFileSync(join(folder, "labels", "photos", "models.jsonl"), "utf8"));
} finally {
  await browser.close();
  child.kill("SIGINT");
  await new Promise((then) => child.once("exit", then));
  rmSync(folder, { recursive: true });
}
