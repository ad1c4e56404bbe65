import type { ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readDefinition } from "../../src/experiments/definition.js";
import { holdFolder } from "../../src/run/hold-folder.js";
import { type PlannedRun, planExperiment } from "../../src/experiments/plan.js";
import { call } from "../../src/experiments/run-all.js";
import { prepareRun } from "../../src/experiments/run-state.js";
import { RunLock } from "../../src/run/lock.js";
import { writeTiny } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-run-state-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tiny = readDefinition("tiny", writeTiny(folder));
const runsIn = (out: string): readonly PlannedRun[] =>
  planExperiment(tiny, { scale: "small", out: join(folder, out) }).runs;

describe("one command in a folder of runs", () => {
  it("a second one is refused while the first is at work, and only then", async () => {
    const out = join(folder, "held");
    await holdFolder(out, async () => {
      await expect(holdFolder(out, async () => {})).rejects.toThrow(
        /held: process \d+ is at work in this folder of runs since/,
      );
    });
    await expect(holdFolder(out, () => Promise.reject(new Error("gone wrong")))).rejects.toThrow("gone wrong");
    await holdFolder(out, async () => {});
    expect(readdirSync(out)).toEqual([]);
  });

  it("a run folder in which somebody else trains is neither removed nor written to", async () => {
    const [run] = runsIn("trained");
    mkdirSync(run!.folder, { recursive: true });
    writeFileSync(join(run!.folder, "config.json"), "{}");
    const lock = RunLock.take(run!.folder);
    await expect(prepareRun(run!)).rejects.toThrow(/another process is training in this run folder/);
    expect(existsSync(join(run!.folder, "config.json"))).toBe(true);
    lock.release();
    expect(await prepareRun(run!)).toBe("new");
  });
});

it("a run that is killed is said to have been, and by what", async () => {
  const children = new Set<ChildProcess>();
  const done = call(["list", "methods"], children);
  for (const child of children) child.kill("SIGKILL");
  await expect(done).rejects.toThrow(/fewlabels list was killed by SIGKILL: was there too little memory/);
});
