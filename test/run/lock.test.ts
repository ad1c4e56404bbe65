/** One writer to a run folder at a time; nobody waits for one that is gone. */
import { existsSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { UsageError } from "../../src/errors.js";
import { RunFolder } from "../../src/run/index.js";
import { RunLock } from "../../src/run/lock.js";

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
  const lock = RunLock.take(folder);
  const { started } = JSON.parse(readFileSync(path(), "utf8"));
  lock.release();
  return started;
}

describe("RunLock", () => {
  test("is a file while it is held, and refuses a second writer by process and folder", () => {
    const lock = RunLock.take(folder);
    expect(existsSync(path())).toBe(true);
    expect(() => RunLock.take(folder)).toThrow(UsageError);
    expect(() => RunLock.take(folder)).toThrow(
      new RegExp(`${folder}: process ${process.pid} is training in this run folder since .*delete .*lock`),
    );
    lock.release();
    expect(existsSync(path())).toBe(false);
    RunLock.take(folder).release();
  });

  test.each<[string, object | string, number?]>([
    ["a process that is no more", { pid: 2 ** 22 + 1 }],
    ["a process whose number another one has now", { started: "1" }],
    ["another machine, long ago", { host: "elsewhere" }, 20],
    ["a power failure, cut off", '{"pid": 1'],
    ["nothing at all", ""],
  ])("of %s holds nobody up", (_, holder, minutes) => {
    leave(holder, minutes);
    const lock = RunLock.take(folder);
    expect(JSON.parse(readFileSync(path(), "utf8"))).toMatchObject({ pid: process.pid, host: hostname() });
    lock.release();
  });

  test.each<[string, object]>([
    ["this process", {}],
    ["another machine, of late", { host: "elsewhere", pid: 2 ** 22 + 1 }],
  ])("of %s is respected", (_, holder) => {
    leave(holder);
    expect(() => RunLock.take(folder)).toThrow(UsageError);
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
