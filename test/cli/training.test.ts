import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { flat, pictureFolder } from "../support/pictures.js";
import { describeTraining, fewlabels, lastJson, start } from "./run-cli.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "fewlabels-training-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const small =
  "--dataset digits --dataset.train 300 --dataset.test 100 --labels 50 --model convnet-tiny --batch 20 --threads 1 --log-every 1".split(
    " ",
  );
const train = (out: string, ...more: string[]) => fewlabels(["train", ...small, "--out", join(folder, out), ...more]);

describeTraining("fewlabels train", () => {
  it("ends with the result as one JSON line, everything else on stderr", async () => {
    const { code, out, err } = await train("json", "--steps", "6", "--json");
    expect(err).toMatch(/mean-teacher on digits: 50 labeled/);
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(1);
    const result = lastJson(out);
    const role = { error: expect.any(Number), loss: expect.any(Number), n: 100 };
    expect(result).toMatchObject({
      method: "mean-teacher",
      model: "convnet-tiny",
      dataset: "digits",
      labels: 50,
      steps: 6,
      seed: 1,
      device: expect.any(String),
      precision: expect.any(String),
      predictor: "teacher",
      error: expect.any(Number),
      test: { student: role, teacher: role },
      imagesPerSecond: expect.any(Number),
      stepSecondsMedian: expect.any(Number),
      elapsedSeconds: expect.any(Number),
      peakMemoryMB: expect.any(Number),
    });
    expect(JSON.parse(readFileSync(join(folder, "json/result.json"), "utf8"))).toEqual(result);
    expect(JSON.parse(readFileSync(join(folder, "json/config.json"), "utf8"))).toMatchObject({
      steps: 6,
      versions: { fewlabels: expect.any(String) },
      dataFingerprint: expect.anything(),
    });
    const again = await train("json", "--steps", "6");
    expect(again.code).toBe(2);
    expect(again.err).toMatch(/already holds a run/);
  }, 60_000);

  it("takes a YAML file, and flags go before it", async () => {
    const file = join(folder, "run.yaml");
    writeFileSync(
      file,
      "dataset:\n  name: digits\n  train: 300\n  test: 100\nlabels: 50\nmodel: convnet-tiny\nbatch: 20\nsteps: 4\nseed: 7\n",
    );
    const { code, out } = await fewlabels(["train", file, "--seed", "9", "--out", join(folder, "yaml"), "--json"]);
    expect(code).toBe(0);
    expect(lastJson(out)).toMatchObject({ seed: 9, steps: 4 });
  }, 60_000);

  it("exits 3 on missing and truncated data, naming the file", async () => {
    const none = await fewlabels([
      "train",
      "--dataset",
      "cifar10",
      "--data",
      join(folder, "no"),
      "--labels",
      "10",
      "--out",
      join(folder, "d1"),
    ]);
    expect(none).toMatchObject({ code: 3, err: expect.stringMatching(/cifar10: .*\/no/) });
    expect(none.err).not.toMatch(/^ {4}at /m);
    mkdirSync(join(folder, "short"));
    appendFileSync(join(folder, "short/data_batch_1.bin"), Buffer.alloc(1000));
    const short = await fewlabels([
      "train",
      "--dataset",
      "cifar10",
      "--data",
      join(folder, "short"),
      "--labels",
      "10",
      "--out",
      join(folder, "d2"),
    ]);
    expect(short.code).toBe(3);
    expect(short.err).toMatch(/data_batch_1\.bin.*30,?730,?000.*1,?000/s);
    expect(existsSync(join(folder, "d2/result.json"))).toBe(false);
  }, 60_000);

  it("exits 3 where a labels file is missing", async () => {
    const { code, err } = await train("labels", "--labels", join(folder, "none.csv"), "--steps", "2");
    expect(err).toMatch(/none\.csv/);
    expect(code).toBe(3);
  }, 60_000);

  it("writes a checkpoint on SIGINT, exits 130, and continues to the same result as without", async () => {
    const out = join(folder, "interrupted");
    const run = start(["train", ...small, "--steps", "40", "--out", out, "--json"]);
    await run.seen(/step \d+\/40/);
    run.child.kill("SIGINT");
    const { code, err, out: printed } = await run.finished;
    expect(code).toBe(130);
    expect(err).toMatch(/continue with: fewlabels train --resume/);
    expect(printed).toBe("");
    const changed = await fewlabels(["train", "--resume", out, "--steps", "50"]);
    expect(changed.code).toBe(2);
    expect(changed.err).toMatch(/--steps is 50, but the run in .* was started with 40/);
    const resumed = await fewlabels(["train", "--resume", out, "--json"]);
    expect(resumed.code).toBe(0);
    const whole = await train("whole", "--steps", "40", "--json");
    const { test, error } = lastJson(whole.out);
    expect(lastJson(resumed.out)).toMatchObject({ test, error } as object);
  }, 120_000);
});

describeTraining("fewlabels evaluate", () => {
  it("finds the error that training found, and prints classes and confusion", async () => {
    await train("evaluated", "--steps", "4", "--json");
    const run = join(folder, "evaluated");
    const result = JSON.parse(readFileSync(join(run, "result.json"), "utf8"));
    const json = await fewlabels(["evaluate", run, "--json"]);
    expect(json.code).toBe(0);
    expect(lastJson(json.out)).toEqual(result); // exactly the object of result.json
    expect(JSON.parse(json.out.trim().split("\n").at(-2)!)).toMatchObject({
      split: "test",
      perClass: {},
      confusion: {},
    });
    const text = await fewlabels(["evaluate", run]);
    expect(text.out).toMatch(/teacher \(the result\)/);
    expect(text.out).toMatch(/confusion of the teacher/);
  }, 60_000);
});

describeTraining("fewlabels bench", () => {
  it("measures without touching the working folder", async () => {
    const cwd = join(folder, "empty");
    mkdirSync(cwd);
    const { code, out } = await fewlabels(
      ["bench", "--model", "convnet-tiny", "--batch", "20", "--steps", "3", "--warmup", "1", "--json"],
      { cwd },
    );
    expect(code).toBe(0);
    expect(lastJson(out)).toMatchObject({
      steps: 3,
      imagesPerSecond: expect.any(Number),
      memoryMB: { max: expect.any(Number) },
    });
    expect(existsSync(join(cwd, "runs"))).toBe(false);
  }, 60_000);

  it("of own pictures: as many steps as were asked for, of the batch and the network that they chose, which it says", async () => {
    const names = ["a/1.png", "a/2.png", "a/3.png", "b/1.png", "b/2.png", "b/3.png"];
    const pictures = Object.fromEntries(names.map((name, i) => [name, flat([40 * i, 90, 250 - 40 * i], 8, 8)]));
    const { dir, remove } = await pictureFolder(pictures);
    try {
      const own = ["--dataset", "folder", "--data", dir, "--threads", "1"];
      const bench = async (...flags: string[]) => {
        const { code, out, err } = await fewlabels(["bench", ...own, "--warmup", "1", "--json", ...flags]);
        expect([code, err]).toEqual([0, expect.stringContaining("warning: chosen for")]);
        return lastJson(out);
      };
      const scratch = await bench("--steps", "2");
      expect(scratch).toMatchObject({
        steps: 2,
        batch: 8,
        labeledBatch: 4,
        modelOptions: { width: 0.25, dropout: 0.2 },
      });
      const run = join(folder, "own");
      await fewlabels(["train", ...own, "--model", "convnet-tiny", "--steps", "1", "--out", run]);
      const weights = join(run, "checkpoints/step-1/student.safetensors");
      expect(await bench("--steps", "160", "--model.weights", weights)).toMatchObject({ steps: 160, batch: 8 });
    } finally {
      await remove();
    }
  }, 120_000);
});
