/** Disks that are full, folders that may not be written to or go away: a sentence, exit code 1, nothing half. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readCheckpoint, readEvents } from "../../src/run/index.js";
import { folderOfThisFile, smallRun } from "../support/train-run.js";
import { describeTraining, fewlabels, start } from "./run-cli.js";

const folder = folderOfThisFile();
const flags = (given: object) =>
  Object.entries({ ...smallRun, ...given }).flatMap(([key, value]) => [
    `--${key.includes(".") ? key : key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);
const mounts: string[] = [];
afterAll(() => {
  for (const path of mounts) spawnSync("umount", ["-l", path]);
});

/** A file system of that size, or undefined where nobody may mount one. */
function smallDisk(name: string, size: string): string | undefined {
  const path = join(folder, name);
  mkdirSync(path);
  if (spawnSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path]).status !== 0) return undefined;
  mounts.push(path);
  return path;
}

const steps = (out: string) => readdirSync(join(out, "checkpoints")).sort();

describeTraining("a run on a disk that is full", () => {
  const disk = smallDisk("disk", "600k");
  const mayMount = disk !== undefined;

  test.skipIf(!mayMount)(
    "ends with path, need and remedy; the checkpoints that are there stay whole",
    async () => {
      const out = join(disk!, "run");
      const run = await fewlabels(["train", ...flags({ steps: 60, checkpointEvery: 20, "model.width": 1, out })]);
      expect(run.code, run.err).toBe(1);
      expect(run.err).toMatch(/cannot write .*ENOSPC.*MB are free.*The disk is full: free some space/);
      expect(run.err).toMatch(/The checkpoint of step \d+ takes [\d.]+ MB\. .*--resume/);
      expect(run.err).not.toMatch(/ at |fault in fewlabels/);
      for (const name of steps(out)) expect(readCheckpoint(join(out, "checkpoints", name)).step).toBeGreaterThan(0);
      expect(existsSync(join(out, "lock"))).toBe(false);
    },
    120_000,
  );

  test.skipIf(!mayMount)(
    "gives up older checkpoints before the newest",
    async () => {
      const out = join(smallDisk("room", "1100k")!, "run");
      const run = await fewlabels(["train", ...flags({ steps: 8, checkpointEvery: 2, "model.width": 1, out })]);
      expect(run.code, run.err).toBe(0);
      expect(steps(out)).toContain("step-8");
      expect(steps(out).length).toBeLessThan(3); // --keep-checkpoints 3 does not fit
    },
    120_000,
  );

  test.skipIf(!mayMount)(
    "at the last step still gives its result and says what is missing, and with more room a resume ends it",
    async () => {
      const place = smallDisk("last", "400k")!;
      const out = join(place, "run");
      const run = await fewlabels([
        "train",
        ...flags({ steps: 4, checkpointEvery: 0, "model.width": 2, "dataset.train": 60, labels: 20, out }),
        "--json",
      ]);
      expect(run.code, run.err).toBe(1);
      expect(JSON.parse(run.out.trim().split("\n").at(-1)!)).toMatchObject({ steps: 4, method: "mean-teacher" });
      expect(run.err).toMatch(/cannot write .*step-4.*The disk is full/);
      expect(existsSync(join(out, "checkpoints")) ? steps(out) : []).toEqual([]);
      expect(existsSync(join(out, "result.json"))).toBe(false);
      spawnSync("mount", ["-o", "remount,size=8m", place]);
      const again = await fewlabels(["train", "--resume", out, "--json"]);
      expect(again.code, again.err).toBe(0);
      expect(steps(out)).toEqual(["step-4"]);
      const withoutTimes = (text: string) => ({
        ...JSON.parse(text.trim().split("\n").at(-1)!),
        ...{ imagesPerSecond: 0, stepSecondsMedian: 0, elapsedSeconds: 0, peakMemoryMB: 0 },
      });
      expect(withoutTimes(again.out)).toEqual(withoutTimes(run.out));
    },
    120_000,
  );
});

describeTraining("a run whose output goes nowhere", () => {
  test("a full stdout is said on stderr, and the run leaves a checkpoint to go on from", async () => {
    const out = join(folder, "full");
    const child = spawnSync(process.execPath, ["bin/fewlabels.js", "train", ...flags({ steps: 4000, out })], {
      stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
      encoding: "utf8",
      timeout: 100_000,
    });
    expect(child.status, child.stderr).toBe(1);
    expect(child.stderr).toMatch(/cannot write to stdout: .*ENOSPC/);
    expect(child.stderr).toMatch(/continue with: fewlabels train --resume/);
    expect(child.stderr).not.toMatch(/ at |fault in fewlabels/);
    expect(steps(out)).toHaveLength(1);
  }, 120_000);

  test("a run folder that is taken away in mid-run ends it with a sentence, and is not made again in half", async () => {
    const out = join(folder, "away");
    const run = start(["train", ...flags({ steps: 100_000, checkpointEvery: 50, out })]);
    while (!existsSync(join(out, "checkpoints", "step-50"))) await new Promise((resolve) => setTimeout(resolve, 20));
    renameSync(out, join(folder, "elsewhere"));
    const { code, err } = await run.finished;
    expect(code, err).toBe(1);
    expect(err).toMatch(/away: the run folder has been deleted or moved while the run was writing to it/);
    expect(err).not.toMatch(/ at |fault in fewlabels/);
    expect(existsSync(out)).toBe(false);
  }, 120_000);

  test("a file where the run folder should be, and a folder below a file, are refused in a sentence", async () => {
    const file = join(folder, "file");
    writeFileSync(file, "");
    const taken = await fewlabels(["train", ...flags({ steps: 2, out: file })]);
    expect([taken.code, taken.err]).toEqual([2, expect.stringMatching(/file is a file. Give a folder with --out/)]);
    const below = await fewlabels(["train", ...flags({ steps: 2, out: join(file, "run") })]);
    expect([below.code, below.err]).toEqual([1, expect.stringMatching(/cannot write .*ENOTDIR.*choose another place/)]);
    const long = await fewlabels(["train", ...flags({ steps: 2, out: join(folder, "x".repeat(300)) })]);
    expect([long.code, long.err]).toEqual([1, expect.stringMatching(/cannot write .*ENAMETOOLONG.*shorter name/)]);
  }, 120_000);
});

describeTraining("two processes and one run folder", () => {
  test("the second is refused with exit code 2, and one that was killed holds nobody up", async () => {
    const out = join(folder, "shared");
    const first = start(["train", ...flags({ steps: 1_000_000, checkpointEvery: 20, out })]);
    while (!existsSync(join(out, "checkpoints", "step-20"))) await new Promise((resolve) => setTimeout(resolve, 20));
    const second = await fewlabels(["train", "--resume", out]);
    expect([second.code, second.err]).toEqual([2, expect.stringMatching(/process \d+ is training in this run folder/)]);
    first.child.kill("SIGKILL");
    await first.finished;
    expect(existsSync(join(out, "lock"))).toBe(true);
    const third = start(["train", "--resume", out]);
    const before = readEvents(join(out, "metrics.jsonl")).filter(({ type }) => type === "start").length;
    for (;;) {
      const starts = readEvents(join(out, "metrics.jsonl")).filter(({ type }) => type === "start").length;
      if (starts > before) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    third.child.kill("SIGINT");
    expect((await third.finished).code).toBe(130);
    expect(existsSync(join(out, "lock"))).toBe(false);
  }, 180_000);

  test("runs started at the same moment without a name have a folder each, with their own configuration and result", async () => {
    const cwd = join(folder, "cwd");
    mkdirSync(cwd);
    const bin = join(process.cwd(), "bin/fewlabels.js");
    const { spawn } = await import("node:child_process");
    const runs = [1, 2, 3].map((seed) => {
      const child = spawn(process.execPath, [bin, "train", ...flags({ steps: 2, seed })], { cwd, stdio: "ignore" });
      return new Promise((resolve) => child.on("exit", resolve));
    });
    expect(await Promise.all(runs)).toEqual([0, 0, 0]);
    const folders = readdirSync(join(cwd, "runs"));
    expect(folders).toHaveLength(3);
    const seeds = folders.map((name) => {
      const read = (file: string) => JSON.parse(readFileSync(join(cwd, "runs", name, file), "utf8"));
      expect(read("result.json").seed).toBe(read("config.json").seed);
      return read("config.json").seed;
    });
    expect(seeds.sort()).toEqual([1, 2, 3]);
    rmSync(cwd, { recursive: true });
  }, 120_000);
});
