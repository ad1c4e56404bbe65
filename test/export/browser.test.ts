// What browsers make of exports: the page and transformers.js in Chromium, against `predict` on the same files.
import { basename, join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { exportRun } from "../../src/export/export.js";
import { openPredictor } from "../../src/inference/predict.js";
import { HttpError, type RunningServer, startServer } from "../../src/web/server.js";
import { staticReply } from "../../src/web/static.js";
import { describeBrowser, dropFiles, inBrowser, launch, watchRequests } from "../support/browser.js";
import { newPhotos, photoRun, type TestPhoto } from "../support/photos.js";
import { runtimesFolder } from "../support/runtimes.js";
import { folderOfThisFile } from "../support/train-run.js";

/** FEWLABELS_PICTURES=200 for the figures in docs/benchmarks.md. */
const count = Number(process.env.FEWLABELS_PICTURES ?? 24);
/** Where screenshots go, if anywhere. */
const shots = process.env.FEWLABELS_SHOTS && resolve(process.env.INIT_CWD ?? ".", process.env.FEWLABELS_SHOTS);

const folder = folderOfThisFile();
const page = join(folder, "page");
const models = join(folder, "models");
let photos: TestPhoto[];
/** By picture. */
let ours: { readonly class: string; readonly probability: number; readonly probabilities: Float32Array }[];
let server: RunningServer;
let browser: Browser;

interface Comparison {
  readonly flipped: number;
  readonly largest: number;
}

/** Classes that differ, and the largest difference of the probability of our class. */
function compare(theirs: readonly { readonly class: string; readonly probability: number }[]): Comparison {
  let [flipped, largest] = [0, 0];
  theirs.forEach((answer, i) => {
    if (answer.class === ours[i]!.class)
      largest = Math.max(largest, Math.abs(answer.probability - ours[i]!.probability));
    else flipped++;
  });
  return { flipped, largest };
}

describeBrowser("exports in Chromium", () => {
  beforeAll(async () => {
    process.chdir(runtimesFolder); // where onnxruntime-web is
    const run = await photoRun(folder);
    photos = await newPhotos(join(folder, "new"), count);
    ours = [];
    for await (const prediction of (await openPredictor(run, { threads: 1, role: "student" })).predict(
      photos.map(({ file }) => file),
    )) {
      if ("error" in prediction) throw new Error(prediction.error);
      ours.push(prediction);
    }
    const common = { role: "student", threads: 1 };
    await exportRun(run, { ...common, format: "web", out: page, sure: 0.8 });
    await exportRun(run, { ...common, format: "transformers", out: join(models, "mine") });
    const roots: Readonly<Record<string, string>> = { page, models, modules: join(runtimesFolder, "node_modules") };
    server = await startServer({
      port: 0,
      handle(call) {
        if (call.path === "/harness") return { status: 200, headers: { "content-type": "text/html" }, body: harness };
        const [, root = "", ...rest] = call.path.split("/");
        if (!(root in roots)) throw new HttpError(404, "no");
        return staticReply(roots[root]!, { ...call, path: `/${rest.join("/")}` });
      },
    });
    browser = await launch();
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    await server?.stop(100);
  });

  async function openPage(settings: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
    const context = await browser.newContext(settings);
    const tab = await context.newPage();
    const { foreign } = await watchRequests(tab, server.url);
    const errors: string[] = [];
    tab.on("pageerror", (error) => errors.push(error.message));
    tab.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await tab.goto(`${server.url}page/`);
    await tab.getByText("Ready.").waitFor();
    tab.once("close", () => {
      expect(foreign).toEqual([]);
      expect(errors).toEqual([]);
    });
    return tab;
  }
  const dropped = (photo: TestPhoto) => ({ name: basename(photo.file), type: photo.type, bytes: photo.bytes });

  test("the page gives dropped pictures the class of predict, and asks no other origin", async () => {
    const tab = await openPage();
    const items = tab.locator("#results li");
    const answers: { class: string; probability: number }[] = [];
    for (let at = 0; at < photos.length; at += 12) {
      const some = photos.slice(at, at + 12);
      await dropFiles(tab, some.map(dropped));
      await items.nth(at + some.length - 1).waitFor({ timeout: 60_000 });
    }
    for (const item of (await items.all()).reverse()) {
      answers.push({
        class: (await item.getAttribute("data-class")) ?? "",
        probability: Number(await item.getAttribute("data-probability")),
      });
    }
    const compared = compare(answers);
    if (process.env.FEWLABELS_PICTURES) console.log("page", JSON.stringify({ pictures: answers.length, ...compared }));
    expect(answers).toHaveLength(count);
    expect(compared.flipped).toBeLessThanOrEqual(Math.floor(count / 50));
    expect(compared.largest).toBeLessThan(0.06);
    await tab.close();
  }, 180_000);

  test("says when it is not sure, when a file is no picture, and all of it to screen readers", async () => {
    const tab = await openPage();
    await dropFiles(tab, [{ name: "notes.txt", type: "text/plain", bytes: Buffer.from("hello") }, dropped(photos[0]!)]);
    await tab.locator("#results li").nth(1).waitFor();
    expect(await tab.locator("#results li.failed").innerText()).toMatch(/notes\.txt: this is not a picture/);
    expect(await tab.getByRole("status").innerText()).toMatch(/^0\.png: .*\d %\.$/);
    const { threshold } = (await (await fetch(`${server.url}page/model.json`)).json()) as {
      threshold: { threshold: number };
    };
    const item = tab.locator("#results li").first();
    const sure = Number(await item.getAttribute("data-probability")) >= threshold.threshold;
    expect(/^Not sure/.test(await item.locator("h2").innerText())).toBe(!sure);
    expect(await tab.getByRole("heading", { level: 1 }).count()).toBe(1);
    await tab.close();
  });

  test("is used by keyboard, by paste and by camera", async () => {
    const tab = await openPage({ permissions: ["camera"] });
    const focused: string[] = [];
    for (let i = 0; i < 2; i++) {
      await tab.keyboard.press("Tab");
      focused.push(await tab.evaluate<string>("document.activeElement?.id ?? ''"));
    }
    expect(focused).toEqual(["files", "camera"]);
    await tab.keyboard.press("Enter");
    await tab.getByRole("button", { name: "Take the picture" }).waitFor();
    // Not waitForFunction, which the page's policy against eval stops once it has to wait.
    await expect.poll(() => tab.evaluate("document.activeElement?.id")).toBe("shoot");
    await tab.keyboard.press("Enter");
    await tab.locator("#results li").first().waitFor();
    await tab.getByRole("button", { name: "Stop the camera" }).press("Enter");
    await tab.evaluate(
      inBrowser(`
        const blob = await new Promise((resolve) => document.createElement("canvas").toBlob(resolve));
        const data = new DataTransfer();
        data.items.add(new File([blob], "pasted.png", { type: "image/png" }));
        document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true }));`),
    );
    await tab.locator("#results li").nth(1).waitFor();
    expect(await tab.locator("#results li .file").first().innerText()).toBe("pasted.png");
    await tab.close();
  });

  test("opens one camera, however often its button is pressed, and stops it", async () => {
    const tab = await openPage({ permissions: ["camera"] });
    const opened = await tab.evaluate(
      inBrowser(`
        window.streams = [];
        const devices = navigator.mediaDevices;
        const open = devices.getUserMedia.bind(devices);
        devices.getUserMedia = async (wanted) => window.streams[window.streams.push(await open(wanted)) - 1];
        for (let i = 0; i < 3; i++) document.getElementById("camera").click();
        while (document.activeElement.id !== "shoot") await new Promise((resolve) => setTimeout(resolve, 5));
        document.getElementById("camera").click();
        document.getElementById("stop").click();
        return [window.streams.length, window.streams.flatMap((stream) => stream.getTracks()).filter((track) => track.readyState === "live").length];`),
    );
    expect(opened).toEqual([1, 0]);
    await tab.close();
  });

  test.each([
    ["desktop", { viewport: { width: 1100, height: 900 } }],
    ["phone", { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 1 }],
    ["dark", { viewport: { width: 1100, height: 900 }, colorScheme: "dark" as const }],
  ])("fits on a %s", async (name, settings) => {
    const tab = await openPage(settings);
    await dropFiles(tab, photos.slice(0, 3).map(dropped));
    await tab.locator("#results li").nth(2).waitFor();
    const [inner, wide] = await tab.evaluate<number[]>("[innerWidth, document.documentElement.scrollWidth]");
    expect(wide).toBeLessThanOrEqual(inner!);
    if (shots) await tab.screenshot({ path: join(shots, `page-${name}.png`), fullPage: false });
    await tab.close();
  });

  test("works without a network once it has been seen", async () => {
    const tab = await openPage();
    await tab.evaluate(inBrowser("await navigator.serviceWorker.ready;"));
    await tab.context().setOffline(true);
    await tab.reload();
    await tab.getByText("Ready.").waitFor();
    await dropFiles(tab, [dropped(photos[1]!)]);
    await tab.locator("#results li").first().waitFor();
    expect(await tab.locator("#results li").first().getAttribute("data-class")).toBe(ours[1]!.class);
    await tab.context().close();
  });

  test("transformers.js loads the folder unedited and gives predict's classes", async () => {
    const tab = await browser.newPage();
    const { foreign } = await watchRequests(tab, server.url);
    await tab.goto(`${server.url}harness`);
    const list = photos.map(({ bytes, type }) => ({ type, base64: bytes.toString("base64") }));
    const answers = await tab.evaluate<{ label: string; score: number }[]>(
      inBrowser(`return window.classifyAll(${JSON.stringify(list)});`),
    );
    const compared = compare(answers.map(({ label, score }) => ({ class: label, probability: score })));
    if (process.env.FEWLABELS_PICTURES) console.log("transformers.js, Chromium", JSON.stringify(compared));
    expect(compared.flipped).toBeLessThanOrEqual(Math.ceil(count / 20)); // its browser build resizes with the canvas
    expect(foreign).toEqual([]);
    await tab.close();
  }, 180_000);
});

const library = "/modules/@huggingface/transformers";
const harness = `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<script type="importmap">{"imports":{
  "onnxruntime-web/webgpu":"${library}/node_modules/onnxruntime-web/dist/ort.webgpu.bundle.min.mjs",
  "onnxruntime-common":"${library}/node_modules/onnxruntime-common/dist/esm/index.js"}}</script>
<script type="module">
import { pipeline, env, RawImage } from "${library}/dist/transformers.web.js";
env.allowRemoteModels = false; env.allowLocalModels = true; env.localModelPath = "/models/"; env.useBrowserCache = false; env.useWasmCache = false;
env.backends.onnx.wasm.wasmPaths = location.origin + "${library}/node_modules/onnxruntime-web/dist/";
const loading = pipeline("image-classification", "mine");
window.classifyAll = async (pictures) => {
  const classify = await loading;
  const answers = [];
  for (const { type, base64 } of pictures) {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    answers.push((await classify(await RawImage.fromBlob(new Blob([bytes], { type })))).at(0));
  }
  return answers;
};
</script>`;
