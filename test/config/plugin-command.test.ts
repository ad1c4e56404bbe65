/** Methods from outside the package, through the real command line: the example of docs/tutorial-method.md. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeTraining, fewlabels, lastJson, start } from "../cli/run-cli.js";
import { writeTiny } from "../experiments/tiny.js";
import { addPictures, noisy } from "../support/pictures.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const example = join(root, "examples/entropy-minimization.mjs");

/** A project that has fewlabels installed and a copy of the example. */
let project: string;
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "fewlabels-method-"));
  mkdirSync(join(project, "node_modules"));
  symlinkSync(root, join(project, "node_modules/fewlabels"), "dir");
  copyFileSync(example, join(project, "my-method.mjs"));
});
afterAll(() => rmSync(project, { recursive: true }));

it("the tutorial shows the example line by line as it is", () => {
  const lines = new Set(readFileSync(example, "utf8").split("\n"));
  const page = readFileSync(join(root, "docs/tutorial-method.md"), "utf8");
  const shown = [...page.matchAll(/^```js\n([\s\S]*?)^```$/gm)].flatMap(([, code]) => code!.trimEnd().split("\n"));
  expect(shown.length).toBeGreaterThan(20);
  expect(shown.filter((line) => !lines.has(line))).toEqual([]);
});

const moons =
  "--dataset two-moons --dataset.train 300 --dataset.test 200 --labels 10 --model mlp --batch 30 --labeled-batch 10 --threads 1 --precision fp32 --log-every 1".split(
    " ",
  );
const train = (...args: string[]) => fewlabels(["train", ...moons, ...args], { cwd: project });
const read = (...path: string[]) => JSON.parse(readFileSync(join(project, ...path), "utf8"));

describeTraining("fewlabels train --method ./my-method.mjs", () => {
  it("trains it, with its own options as flags, and the run folder alone is enough to evaluate", async () => {
    const flags = ["--method", "./my-method.mjs", "--method.entropyWeight", "0.7", "--method.rampUpSteps", "2"];
    const { code, out, err } = await train(...flags, "--steps", "6", "--out", "flag", "--json");
    expect(err).toMatch(/entropy-minimization on two-moons/);
    expect(code).toBe(0);
    expect(lastJson(out)).toMatchObject({ method: "entropy-minimization", predictor: "teacher", steps: 6 });
    expect(read("flag/config.json")).toMatchObject({
      method: "entropy-minimization",
      modules: { method: join(project, "my-method.mjs") },
      methodOptions: { entropyWeight: 0.7, rampUpSteps: 2, emaDecay: 0.99 },
    });
    const weights = readFileSync(join(project, "flag/metrics.jsonl"), "utf8").match(/"weight":[\d.]+/g);
    expect(weights).toEqual(['"weight":0', '"weight":0.35', ...new Array(4).fill('"weight":0.7')]);
    const evaluated = await fewlabels(["evaluate", join(project, "flag"), "--json"]); // from another folder
    expect(lastJson(evaluated.out)).toEqual(lastJson(out));
  }, 60_000);

  it("takes it from a YAML file, seen from that file's folder", async () => {
    mkdirSync(join(project, "configs"));
    copyFileSync(example, join(project, "configs/beside.mjs"));
    const yaml =
      "dataset:\n  name: two-moons\n  train: 300\n  test: 200\nlabels: 10\nmodel: mlp\nbatch: 30\nsteps: 3\n";
    writeFileSync(join(project, "configs/run.yaml"), `${yaml}method:\n  name: ./beside.mjs\n  entropyWeight: 0.9\n`);
    const run = await fewlabels(["train", "configs/run.yaml", "--out", "yaml", "--json"], { cwd: project });
    expect(run.err).not.toMatch(/unknown/);
    expect(run.code).toBe(0);
    expect(read("yaml/config.json")).toMatchObject({
      modules: { method: join(project, "configs/beside.mjs") },
      methodOptions: { entropyWeight: 0.9 },
    });
  }, 60_000);

  it("is interrupted and continued to the same errors, without naming the file again", async () => {
    const flags = ["--method", "./my-method.mjs", "--steps", "400"];
    const run = start(["train", ...moons, ...flags, "--out", "cut"], { cwd: project });
    await run.seen(/step \d+\/400/);
    run.child.kill("SIGINT");
    expect((await run.finished).code).toBe(130);
    const resumed = await fewlabels(["train", "--resume", join(project, "cut"), "--json"]);
    expect(resumed.code).toBe(0);
    const whole = await train(...flags, "--out", "whole", "--json");
    const { test, error } = lastJson(whole.out);
    expect(lastJson(resumed.out)).toMatchObject({ test, error } as object);
    for (const method of ["./my-method.mjs", "entropy-minimization"]) {
      const again = await train("--method", method, "--out", "whole", "--resume", "--json"); // finished
      expect([again.err, again.code]).toEqual([expect.stringContaining("nothing to resume"), 0]);
    }
    const other = await train("--method", "uda", "--out", "whole", "--resume");
    expect(other).toMatchObject({ code: 2, err: expect.stringContaining('started with "entropy-minimization"') });
  }, 120_000);

  it("that is gone is named as what the run needs, with what to do", async () => {
    copyFileSync(example, join(project, "moving.mjs"));
    expect((await train("--method", "./moving.mjs", "--steps", "1", "--out", "moving")).code).toBe(0);
    mkdirSync(join(project, "moved"));
    renameSync(join(project, "moving.mjs"), join(project, "moved/moving.mjs"));
    for (const command of [
      ["evaluate", "moving"],
      ["train", "--resume", "moving"],
    ]) {
      const { code, err } = await fewlabels(command, { cwd: project });
      expect([code, err]).toEqual([2, expect.stringMatching(/^\/.*moving\.mjs: there is no such file any more/)]);
    }
    const config = JSON.stringify({
      ...read("moving/config.json"),
      modules: { method: join(project, "moved/moving.mjs") },
    });
    writeFileSync(join(project, "moving/config.json"), config);
    expect((await fewlabels(["evaluate", "moving"], { cwd: project })).code).toBe(0);
  }, 60_000);

  it("is found in a YAML file behind a flag that is true or false", async () => {
    const lines = [
      "dataset: two-moons",
      "model: mlp",
      "method: ./my-method.mjs",
      "steps: 1",
      "batch: 30",
      "labeledBatch: 10",
      "labels: 10",
    ];
    writeFileSync(join(project, "bool.yaml"), lines.join("\n"));
    for (const flag of ["--class-balanced", "--no-tensorboard"]) {
      const { code, err } = await fewlabels(["train", flag, "bool.yaml", "--out", flag.slice(2)], { cwd: project });
      expect([code, err]).toEqual([0, ""]);
    }
  }, 60_000);

  it("is refused where it imports another copy of fewlabels, with the folders of both", async () => {
    const copy = join(project, "other/node_modules/fewlabels");
    mkdirSync(join(copy, "dist"), { recursive: true });
    copyFileSync(join(root, "dist/package.js"), join(copy, "dist/package.js"));
    writeFileSync(join(copy, "package.json"), '{ "type": "module", "exports": "./dist/package.js" }');
    writeFileSync(join(project, "other/mine.mjs"), 'import "fewlabels";\n');
    const { code, err } = await train("--method", "./other/mine.mjs", "--out", "other/run");
    expect(code).toBe(2);
    expect(err).toMatch(/imports the fewlabels in .*other\/node_modules\/fewlabels\/, and this is the one in /);
    expect(err).toContain("`npx fewlabels` in the folder of the file");
  });

  it("shows its options in the help", async () => {
    const { code, out } = await fewlabels(["train", "--method", example, "--help"]);
    expect(code).toBe(0);
    expect(out.replace(/\s+/g, " ")).toMatch(/--method\.entropyWeight <number> largest weight of the entropy/);
    expect(out.replace(/\s+/g, " ")).toMatch(/\[entropy-minimization,/);
  });

  it("says where an error in its step comes from: not a fault of ours", async () => {
    const text = readFileSync(example, "utf8").replace(
      "step({ labeled",
      'step() { throw new TypeError("mine"); }, old({ labeled',
    );
    writeFileSync(join(project, "faulty.mjs"), text);
    const { code, err } = await train("--method", "./faulty.mjs", "--out", "faulty");
    expect(code).toBe(1);
    expect(err).toMatch(/TypeError: mine/);
    expect(err).toContain(`The error comes from ${join(project, "faulty.mjs")}`);
    expect(err).not.toMatch(/please report/);
  }, 60_000);

  it("exits 2 with one clear line where the file is missing or is no method, and knows its own options only", async () => {
    const missing = await train("--method", "./nowhere.mjs");
    expect(missing).toMatchObject({ code: 2, err: expect.stringContaining(join(project, "nowhere.mjs")) });
    writeFileSync(join(project, "empty.mjs"), "export const x = 1;\n");
    const empty = await train("--method", "./empty.mjs");
    expect(empty).toMatchObject({ code: 2, err: expect.stringContaining("exports no method") });
    const other = await train("--method", "./my-method.mjs", "--method.eps", "3");
    expect(other).toMatchObject({ code: 2, err: expect.stringMatching(/has no option --method\.eps/) });
    for (const { err } of [missing, empty, other]) expect(err).not.toMatch(/^ {4}at /m);
    const typo = await train("--method", "mean-techer");
    expect(typo).toMatchObject({ code: 2, err: expect.stringMatching(/Did you mean "mean-teacher"\?/) });
  }, 60_000);
});

describeTraining("a file from outside in commands that start others", () => {
  beforeAll(() => copyFileSync(join(root, "examples/plain-net.mjs"), join(project, "net.mjs")));
  const quick = ["--steps", "3", "--batch", "20", "--labeled-batch", "10", "--dataset.train", "200"];

  it("`experiment` trains and times it, and runs anew what was trained with another content of it", async () => {
    writeTiny(project, (text) => text.replace(/dataset: .*/, "dataset: { name: digits, test: 100 }"));
    const given = ["--only", "supervised", "--seeds", "1", "--model", "./net.mjs", "--model.channels", "4", ...quick];
    const run = () => fewlabels(["experiment", "tiny.yaml", ...given, "--out", "tiny"], { cwd: project });
    const first = await run();
    expect([first.err, first.code]).toEqual(["", 0]);
    expect(read("tiny/arms/supervised/all/seed-1/config.json")).toMatchObject({
      model: "plain-net",
      modules: { model: join(project, "net.mjs") },
      modelOptions: { channels: 4 },
    });
    expect((await run()).out).toContain("1 runs, 1 finished before");
    writeFileSync(join(project, "net.mjs"), `${readFileSync(join(project, "net.mjs"), "utf8")}\n`);
    expect((await run()).out).toContain("1 runs, 0 finished before");
    const dry = await fewlabels(["experiment", "tiny.yaml", ...given, "--dry-run", "--json"], { cwd: project });
    const [arm] = lastJson(dry.out).arms as { secondsPerStep: number; remark?: string }[];
    expect(arm!.remark).toBeUndefined();
    expect(arm!.secondsPerStep).toBeGreaterThan(0);
  }, 120_000);

  it("`compare` trains it, and the command that it recommends names the file", async () => {
    const colors = { red: [190, 40, 40], green: [40, 190, 40] } as const;
    const made = Object.entries(colors).flatMap(([name, color], k) =>
      Array.from({ length: 3 }, (_, i) => [`${name}/${i}.png`, noisy(10 * k + i, color)] as const),
    );
    mkdirSync(join(project, "photos"));
    await addPictures(join(project, "photos"), Object.fromEntries(made));
    const given = ["--model", "./net.mjs", "--dataset.size", "8", "--steps", "3", "--batch", "4", "--threads", "1"];
    const flags = ["compare", "photos", "--folds", "2", "--only", "supervised", ...given, "--json"];
    const { code, out } = await fewlabels(flags, { cwd: project });
    expect(code).toBe(0);
    expect(lastJson(out).command).toContain(`--model ${join(project, "net.mjs")} `);
  }, 120_000);
});
