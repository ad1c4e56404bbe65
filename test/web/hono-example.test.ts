// `examples/hono-server.mjs` as a user starts it: the class of `predict`, and an answer for what is no picture.
import { type ChildProcess, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { openPredictor } from "../../src/inference/predict.js";
import { describeEngine } from "../support/engine.js";
import { noisy } from "../support/pictures.js";
import { configure, folderOfThisFile, trainToEnd } from "../support/train-run.js";

const example = fileURLToPath(new URL("../../examples/hono-server.mjs", import.meta.url));
const folder = folderOfThisFile();
let child: ChildProcess | undefined;

/** The address it prints; rejects with what it said where it ends. */
function started(run: string): Promise<string> {
  const server = spawn(process.execPath, [example, run, "0"], { stdio: ["ignore", "pipe", "pipe"] });
  child = server;
  let said = "";
  server.stderr.on("data", (text) => {
    said += text;
  });
  return new Promise((resolve, reject) => {
    server.stdout.once("data", (text) => resolve(String(text).trim()));
    server.once("close", () => reject(new Error(`the example ended: ${said}`)));
  });
}

describeEngine("the Hono example", () => {
  afterAll(() => {
    child?.kill();
  });

  test("classifies a posted picture as predict does, and refuses what is none", async () => {
    const run = join(folder, "run");
    await trainToEnd(configure(run, { method: "supervised", steps: 3 }));
    const png = await noisy(1, [90, 30, 160], { width: 40, height: 30 }).png().toBuffer();
    const file = join(folder, "one.png");
    writeFileSync(file, png);
    const url = await started(run);
    const post = (body: string | Uint8Array<ArrayBuffer>) => fetch(url, { method: "POST", body });
    const answer = await post(Uint8Array.from(png));
    expect(answer.status).toBe(200);
    const got = (await answer.json()) as { class: string; probability: number };
    for await (const prediction of (await openPredictor(run, { threads: 1 })).predict([file])) {
      if ("error" in prediction) throw new Error(prediction.error);
      expect(got.class).toBe(prediction.class);
      expect(got.probability).toBeCloseTo(prediction.probability, 5);
    }
    const refused = await post("hello");
    expect(refused.status).toBe(422);
    expect(((await refused.json()) as { error: string }).error).toMatch(/not a picture/);
  }, 120_000);
});
