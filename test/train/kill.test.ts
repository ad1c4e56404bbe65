/** The real program, killed and interrupted: what it continues to is what it would have been. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeTraining, fewlabels, start } from "../cli/run-cli.js";
import { asFlags, checkpointFiles, folderOfThisFile, smallRun, written } from "../support/train-run.js";

const folder = folderOfThisFile();

const STEPS = 120;
const flags = asFlags({ ...smallRun, steps: STEPS, checkpointEvery: 5, evalEvery: 20 });

describeTraining("the program, killed in mid-run", () => {
  test("kill -9 at whatever moment, then --resume: the same weights, errors and steps as without", async () => {
    const [whole, out] = [join(folder, "whole"), join(folder, "killed")];
    expect((await fewlabels(["train", ...flags, "--out", whole])).code).toBe(0);

    const run = start(["train", ...flags, "--out", out]);
    await written(join(out, "checkpoints/step-10"));
    // Anywhere within the next few steps, in a step, a log line or the writing of a checkpoint.
    await new Promise((resolve) => setTimeout(resolve, Math.floor(performance.now() * 1000) % 60));
    run.child.kill("SIGKILL");
    await run.finished;

    const resumed = await fewlabels(["train", "--resume", out, "--json"]);
    expect(resumed.code).toBe(0);
    expect(checkpointFiles(out, STEPS)).toEqual(checkpointFiles(whole, STEPS));
    const result = (path: string) => JSON.parse(readFileSync(join(path, "result.json"), "utf8"));
    expect(result(out).test).toEqual(result(whole).test);
    const steps = readFileSync(join(out, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === "step")
      .map(({ step }) => step);
    expect(steps).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));

    // And interrupted politely, against the same uninterrupted run.
    const polite = join(folder, "polite");
    const interrupted = start(["train", ...flags, "--out", polite]);
    await written(join(polite, "checkpoints/step-10"));
    interrupted.child.kill("SIGINT");
    expect((await interrupted.finished).code).toBe(130);
    expect((await fewlabels(["train", "--resume", polite])).code).toBe(0);
    expect(checkpointFiles(polite, STEPS)).toEqual(checkpointFiles(whole, STEPS));
    expect(result(polite).test).toEqual(result(whole).test);
  }, 180_000);
});
