/** One writer to a run folder at a time; nobody waits for one that is gone. */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { UsageError } from "../../src/errors.js";
import { startHeartbeat } from "../../src/files/lock/heartbeat.js";
import { FolderLock } from "../../src/files/lock/lock.js";
import { RunFolder } from "../../src/run/index.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "fewlabels-lock-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
const path = () => join(folder, "lock");

/** What a holder of that kind has left in the folder. */
function leave(holder: object | string, ageMinutes = 0): void {
  const mine = { pid: process.pid, thread: 0, host: hostname(), started: startOfThisProcess(), since: "2026-11-25" };
  writeFileSync(path(), typeof holder === "string" ? holder : JSON.stringify({ ...mine, ...holder }));
  const then = Date.now() / 1000 - 60 * ageMinutes;
  utimesSync(path(), then, then);
}

function startOfThisProcess(): string {
  const lock = FolderLock.take(folder);
  const { started } = JSON.parse(readFileSync(path(), "utf8"));
  lock.release();
  return started;
}

describe("FolderLock", () => {
  test("is a file while it is held, and refuses a second writer by process and folder", () => {
    const lock = FolderLock.take(folder);
    expect(existsSync(path())).toBe(true);
    expect(() => FolderLock.take(folder)).toThrow(UsageError);
    expect(() => FolderLock.take(folder)).toThrow(
      new RegExp(`${folder}: process ${process.pid} is training in this run folder since .*delete .*lock`),
    );
    lock.release();
    expect(existsSync(path())).toBe(false);
    FolderLock.take(folder).release();
  });

  test.each<[string, object | string, number?]>([
    ["a process that is no more", { pid: 2 ** 22 + 1 }],
    ["a process whose number another one has now", { started: "1" }],
    ["another machine, long ago", { host: "elsewhere" }, 20],
    ["a power failure, cut off", '{"pid": 1'],
    ["nothing at all", ""],
  ])("of %s holds nobody up", (_, holder, minutes) => {
    leave(holder, minutes);
    const lock = FolderLock.take(folder);
    expect(JSON.parse(readFileSync(path(), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
    lock.release();
  });

  test.skipIf(!existsSync("/proc/self/stat"))("of a dead process that nobody has reaped holds nobody up", async () => {
    // Its parent becomes a program that reaps nobody; only then it ends.
    const script = "(read line <&3) & echo $!; exec sleep 20";
    const parent = spawn("sh", ["-c", script], { stdio: ["ignore", "pipe", "ignore", "pipe"] });
    const pid = Number(await new Promise((resolve) => parent.stdout!.once("data", resolve)));
    while (readFileSync(`/proc/${parent.pid}/comm`, "utf8") !== "sleep\n") await sleep(5);
    (parent.stdio[3] as Writable).end();
    const fields = () => {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    };
    while (fields()[0] !== "Z") await sleep(5);
    leave({ pid, started: fields()[19] });
    FolderLock.take(folder).release();
    parent.kill("SIGKILL");
  });

  test.each<[string, object]>([
    ["this process", {}],
    ["another machine, of late", { host: "elsewhere", pid: 2 ** 22 + 1 }],
  ])("of %s is respected", (_, holder) => {
    leave(holder);
    expect(() => FolderLock.take(folder)).toThrow(UsageError);
    expect(readFileSync(path(), "utf8")).toContain("2026-11-25");
  });
});

describe("a name that nobody chose", () => {
  test("is made a folder of its own, another one where it is taken", () => {
    const wanted = join(folder, "runs", "digits-supervised-20261125-120000");
    const claimed = [1, 2, 3].map(() => RunFolder.claim(wanted));
    expect(claimed).toEqual([wanted, `${wanted}-2`, `${wanted}-3`]);
    for (const out of claimed) expect(() => RunFolder.assertFree(out)).not.toThrow();
  });

  test("where a run was killed before it had written anything, its folder is free again", () => {
    const out = join(folder, "early");
    RunFolder.create(out, {}, { versions: {}, dataFingerprint: "" }).close();
    rmSync(join(out, "config.json"));
    writeFileSync(join(out, "lock"), "{}");
    writeFileSync(join(out, ".tmp-config.json"), "{");
    expect(() => RunFolder.assertFree(out)).not.toThrow();
    writeFileSync(join(out, "mine.txt"), "");
    expect(() => RunFolder.assertFree(out)).toThrow(/is not empty/);
  });
});

describe("a job that starts again on another machine", () => {
  const elsewhere = { host: "elsewhere", pid: 77, beats: true };

  test("takes over the lock of one that is not heard of any more, and waits for that", () => {
    leave(elsewhere);
    expect(() => FolderLock.take(folder)).toThrow(/process 77 on elsewhere is training/);
    const began = performance.now();
    const lock = FolderLock.take(folder, { watchMs: 300 });
    expect(performance.now() - began).toBeGreaterThan(290);
    expect(readFileSync(path(), "utf8")).toContain(`"pid":${process.pid}`);
    lock.release();
    leave({ ...elsewhere, beats: undefined }); // an earlier version's: nobody knows
    expect(() => FolderLock.take(folder, { watchMs: 300 })).toThrow(/process 77 on elsewhere/);
  });

  test("is refused by one that lives, at its next beat, however busy that is", () => {
    leave(elsewhere);
    const stop = startHeartbeat(path(), readFileSync(path(), "utf8"), 100);
    const began = performance.now();
    expect(() => FolderLock.take(folder, { watchMs: 20_000 })).toThrow(/process 77 on elsewhere is training/); // this thread sleeps
    expect(performance.now() - began).toBeLessThan(10_000);
    stop();
  });

  test("one that was believed dead touches and removes no lock but its own, and writes nothing more", async () => {
    vi.stubEnv("SLURM_JOB_ID", "7");
    const out = join(folder, "run");
    const run = RunFolder.create(out, {}, { versions: {}, dataFingerprint: "" });
    expect(JSON.parse(readFileSync(join(out, "lock"), "utf8"))).toMatchObject({ pid: process.pid, beats: true });
    vi.unstubAllEnvs();
    const stop = startHeartbeat(join(out, "lock"), readFileSync(join(out, "lock"), "utf8"), 20);
    leave(elsewhere, 1);
    renameSync(path(), join(out, "lock"));
    const before = statSync(join(out, "lock")).mtimeMs;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(statSync(join(out, "lock")).mtimeMs).toBe(before);
    const words = /run: process 77 on elsewhere has taken this run folder over at 2026-11-25/;
    expect(() => run.writeCheckpoint(1, {})).toThrow(words);
    expect(() => run.writeResult({})).toThrow(words);
    vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
    expect(() => run.append({ type: "step" })).toThrow(words);
    vi.restoreAllMocks();
    expect(run.checkpointSteps()).toEqual([]);
    run.close();
    expect(existsSync(join(out, "lock"))).toBe(true);
    stop();
  });
});
