// The command from outside: runs, tables, report; killed and continued.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, it, vi } from "vitest";
import { overridesOf } from "../../src/cli/commands/experiment/run-with-progress.js";
import { missingFonts } from "../../src/report/fonts.js";
import { writeTiny } from "../experiments/tiny.js";
import { describeTraining, fewlabels, lastJson, start } from "./run-cli.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-experiment-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const file = writeTiny(folder);
const flags = ["--checkpoint-every", "50"];
const run = (out: string, ...more: string[]) => [
  "experiment",
  file,
  "--out",
  join(folder, out),
  "--jobs",
  "2",
  "--threads",
  "1",
  ...flags,
  ...more,
];
const resultsOf = (out: string) => JSON.parse(readFileSync(join(folder, out, "results.json"), "utf8"));
/** All of it but what depends on the clock. */
const numbersOf = (out: string) => resultsOf(out).arms.map(({ seconds, ...rest }: { seconds: unknown }) => rest);

it("an empty FEWLABELS_DATA names no folder", () => {
  vi.stubEnv("FEWLABELS_DATA", "");
  expect(overridesOf(new Map(), "paper")).not.toHaveProperty("data");
  vi.unstubAllEnvs();
});

describeTraining("fewlabels experiment", () => {
  let uninterrupted: unknown;

  it("runs all arms, and writes table, results, report and plots", async () => {
    const { code, out, err } = await fewlabels(run("whole"));
    expect(err).toBe("");
    expect(code).toBe(0);
    expect(out).toMatch(/supervised\s+\d+\.\d\d ± \d+\.\d\d \(2\)\s+12\.50 ± 0\.50 \[T\]/);
    expect(out).toMatch(/the Pi-model is better \(all\): (seen|not seen)/);
    expect(out).toContain("2 seeds are few");
    const files = readdirSync(join(folder, "whole")).sort();
    expect(files).toEqual(["arms", "plots", "report.html", "results.json", "table.csv"]);
    expect(readFileSync(join(folder, "whole/report.html"), "utf8")).toContain("somebody else");
    expect(readdirSync(join(folder, "whole/plots"))).toContain(missingFonts() ? "errors.svg" : "errors.png");
    const [head, ...lines] = readFileSync(join(folder, "whole/table.csv"), "utf8").trim().split("\n");
    expect(head).toMatch(/^row,column,unit,mean,sd/);
    expect(lines.length).toBe(3);
    uninterrupted = numbersOf("whole");
  }, 90_000);

  it("a finished arm is not run again; one whose definition changed is, and the old one is kept", async () => {
    const place = join(folder, "whole/arms/supervised/all/seed-1");
    const before = statSync(join(place, "result.json")).mtimeMs;
    const again = await fewlabels(run("whole", "--json"));
    expect(again.err).toContain("4 finished before");
    expect(statSync(join(place, "result.json")).mtimeMs).toBe(before);
    expect(lastJson(again.out)).toMatchObject({ experiment: expect.any(String), summary: { unit: "error" } });

    const collected = await fewlabels(run("whole", "--collect", "--seeds", "1,2,3"));
    expect(collected.code).toBe(0);
    expect(collected.out).toContain("not all seeds are done: supervised/all 2 of 3");
    expect(existsSync(join(folder, "whole/arms/supervised/all/seed-3"))).toBe(false);

    const changed = await fewlabels(run("whole", "--only", "supervised", "--seeds", "1", "--steps", "310"));
    expect(changed.code).toBe(0);
    expect(existsSync(`${place}.replaced-1/result.json`)).toBe(true);
    expect(JSON.parse(readFileSync(join(place, "result.json"), "utf8")).steps).toBe(310);
  }, 90_000);

  it("killed with -9 at random moments and continued, it gives the same table as uninterrupted", async () => {
    for (let kill = 0; kill < 3; kill++) {
      const { child, finished } = start(run("killed"));
      await sleep(1500 + 1500 * Math.random());
      child.kill("SIGKILL");
      await finished;
    }
    const { code } = await fewlabels(run("killed"));
    expect(code).toBe(0);
    expect(uninterrupted).toHaveLength(2);
    expect(numbersOf("killed")).toEqual(uninterrupted);
  }, 120_000);

  it("interrupted, it ends with 130, leaves checkpoints, and goes on", async () => {
    const { child, finished, seen } = start(run("stopped", "--steps", "30000"));
    await seen(/step [1-9]\d*/);
    const second = await fewlabels(run("stopped", "--steps", "30000"));
    expect([second.code, second.err]).toEqual([2, expect.stringContaining("is at work in this folder of runs since")]);
    child.kill("SIGINT");
    const { code, err } = await finished;
    expect(code).toBe(130);
    expect(err).toContain("the same command goes on where it was");
    expect(existsSync(join(folder, "stopped/arms/supervised/all/seed-1/checkpoints"))).toBe(true);
  }, 90_000);

  it("whose reader goes away it ends as interrupted, leaves no lock, and goes on", async () => {
    const { child, finished, seen } = start(run("piped"));
    await seen(/4 runs, 0 finished before/);
    child.stdout?.destroy();
    const { code, err } = await finished;
    expect(code, err).toBe(130);
    expect(err).toContain("the same command goes on where it was");
    expect(readdirSync(join(folder, "piped"))).not.toContain("lock");
    expect((await fewlabels(run("piped"))).code).toBe(0);
    expect(numbersOf("piped")).toEqual(uninterrupted);
  }, 90_000);

  it("with --dry-run it prints every arm's settings, without data and without training", async () => {
    const dry = [
      ..."experiment mean-teacher/table-2 --scale paper --no-timing --dry-run".split(" "),
      "--only",
      "*/4000",
    ];
    const { code, out, err } = await fewlabels(dry);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/mean-teacher\/4000\n.*dataset cifar10, precision fp32, normalize gcn-zca/);
    expect(out).toMatch(/supervised\/4000 +30,000 +10 /);
  });

  it("says what is wrong, and ends with 2", async () => {
    const name = await fewlabels(["experiment", "mean-teacher/table-22"]);
    expect([name.code, name.err]).toEqual([2, expect.stringContaining('Did you mean "mean-teacher/table-2"?')]);
    const arm = await fewlabels(["experiment", file, "--only", "vat"]);
    expect([arm.code, arm.err]).toEqual([2, expect.stringContaining("--only vat names no arm")]);
    const seeds = await fewlabels(["experiment", file, "--seeds", "1,x"]);
    expect([seeds.code, seeds.err]).toEqual([2, expect.stringContaining("--seeds")]);
    const threads = await fewlabels(["experiment", file, "--threads", "abc", "--dry-run", "--no-timing"]);
    expect([threads.code, threads.err]).toEqual([
      2,
      expect.stringContaining('fewlabels experiment: expected a whole number in 1..1024 for --threads, got "abc"'),
    ]);
    const idle = await fewlabels(["experiment", file, "--strong", "fixmatch", "--dry-run", "--no-timing"]);
    expect([idle.code, idle.err]).toEqual([2, expect.stringContaining("--strong has no effect in any of these runs")]);
  }, 60_000);
});

describeTraining("fewlabels experiment tune", () => {
  it("shows the grid of an experiment's profile, and trains nothing", async () => {
    const { code, out } = await fewlabels(["experiment", "tune", "mean-teacher/table-1", "--dry-run"]);
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toHaveLength(16);
    expect(out).toMatch(/^mean-teacher\/method\.consistencyWeight=100: dataset mnist.*val 500/m);
    const json = await fewlabels(["experiment", "tune", "mnist", "--dry-run", "--json", "--steps", "2"]);
    expect(json.code).toBe(0);
    expect(json.out.trim().split("\n")).toHaveLength(1);
    const { grid } = lastJson(json.out) as { grid: { options: { steps: unknown } }[] };
    expect(grid.map(({ options }) => Number(options.steps))).toEqual(Array(16).fill(2));
  });

  it("says what is wrong, and ends with 2", async () => {
    const none = await fewlabels(["experiment", "tune", "as-is"]);
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("as-is declares no grid")]);
    const changed = await fewlabels(["experiment", "tune", "mnist", "--steps", "2", "--out", join(folder, "tuned")]);
    expect([changed.code, changed.err]).toEqual([
      2,
      expect.stringMatching(/with --steps the runs are not those .*--write FILE/),
    ]);
    expect(existsSync(join(folder, "tuned"))).toBe(false);
    const val = await fewlabels(["experiment", "tune", "mnist", "--dry-run", "--val", "0"]);
    expect([val.code, val.err]).toEqual([2, expect.stringContaining("expected at least 1 for --val, got 0")]);
    const threads = await fewlabels(["experiment", "tune", "mnist", "--dry-run", "--threads", "0"]);
    expect([threads.code, threads.err]).toEqual([2, expect.stringContaining("--threads")]);
    const name = await fewlabels(["experiment", "tune", "mnost"]);
    expect([name.code, name.err]).toEqual([2, expect.stringContaining('Did you mean "mnist"?')]);
  });
});

describeTraining("fewlabels report", () => {
  it("makes one page of any runs", async () => {
    const page = join(folder, "page.html");
    const { code, out } = await fewlabels(["report", join(folder, "killed"), "--out", page]);
    expect(code).toBe(0);
    expect(out).toMatch(/supervised\s+\d+\.\d\d ± \d+\.\d\d\s+2/);
    expect(readFileSync(page, "utf8")).toMatch(/^<!doctype html>/);
    expect(existsSync(join(folder, "page-plots/errors.svg"))).toBe(true);
    const none = await fewlabels(["report", folder, "--out", page].with(1, join(folder, "nothing")));
    expect([none.code, none.err]).toEqual([2, expect.stringContaining("there is no folder")]);
  }, 60_000);
});
