// The list of runs: which folders are runs, what a row says of each, and that it follows what happens to them.
import { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { RunChanges } from "../../../src/web/dashboard/api.js";
import { findRuns, isRunId } from "../../../src/web/dashboard/find-runs.js";
import { flatten } from "../../../src/web/dashboard/routes.js";
import { readRow } from "../../../src/web/dashboard/run-row.js";
import { watchRuns } from "../../../src/web/dashboard/watch-runs.js";
import { fakeRun, stepLine } from "../../support/fake-run.js";
import { folderOfThisFile } from "../../support/train-run.js";

const folder = folderOfThisFile();
const root = join(folder, "runs");

beforeAll(() => {
  fakeRun(join(root, "a"), { steps: 100, done: 12.5 });
  fakeRun(join(root, "group/b"), { steps: 100, logged: 40, method: "fixmatch" });
  fakeRun(join(root, "<b>&\"'\n,=1+1"), { steps: 10 });
  fakeRun(join(folder, "outside"), {});
  mkdirSync(join(root, "no run"));
  mkdirSync(join(root, ".hidden"));
  fakeRun(join(root, ".hidden/c"), {});
  symlinkSync(join(folder, "outside"), join(root, "link"));
  fakeRun(join(root, "broken"), {});
  writeFileSync(join(root, "broken/config.json"), "{");
});

describe("findRuns", () => {
  test("finds run folders at any depth, not in hidden ones and not through links", async () => {
    expect(findRuns(root).ids).toEqual(["<b>&\"'\n,=1+1", "a", "broken", "group/b"]);
  });

  test("a run folder itself is one run", async () => {
    expect(findRuns(join(root, "a")).ids).toEqual(["."]);
  });

  test.each([
    "../outside",
    "a/../../outside",
    "/a",
    "a/",
    "a//b",
    "..",
    "",
    "link",
    ".hidden/c",
    "no run",
    "a\\b",
    "a\0",
  ])("%j is no run below it", (id) => {
    expect(isRunId(root, id)).toBe(false);
  });

  test("what it found is one", () => {
    expect(["a", "group/b", "<b>&\"'\n,=1+1"].map((id) => isRunId(root, id))).toEqual([true, true, true]);
    expect(isRunId(join(root, "a"), ".")).toBe(true);
    fakeRun(join(folder, "odd/a\\b"), {});
    expect(findRuns(join(folder, "odd")).ids.map((id) => isRunId(join(folder, "odd"), id))).toEqual([true]);
  });
});

describe("readRow", () => {
  test("an evaluation far back in the log is found", () => {
    const dir = join(folder, "far");
    fakeRun(dir, { steps: 9000 });
    const evaluation = { type: "evaluation", step: 1, test: { student: { error: 7, loss: 1, n: 10 } } };
    const lines = Array.from({ length: 2000 }, (_, i) =>
      JSON.stringify({ type: "step", step: i + 2, x: "-".repeat(60) }),
    );
    appendFileSync(join(dir, "metrics.jsonl"), `${JSON.stringify(evaluation)}\n${lines.join("\n")}\n`);
    expect(readRow(folder, "far")).toMatchObject({ step: 2001, error: 7, errorOf: "student, test" });
  });

  test.each([
    ["studentAverage", ["student", "studentAverage", "teacher"], "studentAverage"],
    ["student", ["student", "teacher"], "student"],
    [undefined, ["student", "studentAverage", "teacher"], "studentAverage"],
    [undefined, ["student", "teacher"], "teacher"],
    [undefined, ["student"], "student"],
    ["teacher", ["student"], "student"],
  ])("a run under way whose result will be that of %s, with %j: the error is that of %s", (predictor, roles, own) => {
    const dir = join(folder, `under-way-${predictor}-${roles.length}`);
    fakeRun(dir, {});
    if (predictor !== undefined) writeFileSync(join(dir, "inference.json"), JSON.stringify({ predictor }));
    const test = Object.fromEntries(roles.map((role, i) => [role, { error: 10 + i, loss: 1, n: 10 }]));
    appendFileSync(join(dir, "metrics.jsonl"), `${JSON.stringify({ type: "evaluation", step: 50, test })}\n`);
    expect(readRow(dir, ".")).toMatchObject({ error: 10 + roles.indexOf(own), errorOf: `${own}, test` });
  });

  test("says what a finished, a stopped and a damaged run are", async () => {
    expect(readRow(root, "a")).toMatchObject({ state: "done", step: 100, error: 12.5, errorOf: "teacher, test" });
    expect(readRow(root, "group/b")).toMatchObject({
      state: "stopped",
      method: "fixmatch",
      step: 40,
      steps: 100,
    });
    expect(readRow(root, "broken")).toMatchObject({
      state: "damaged",
      problem: "config.json is damaged: not JSON",
    });
  });

  test("a lock of a process that lives means running, one of a process that does not means stopped", async () => {
    const path = join(root, "group/b/lock");
    const lock = (pid: number, host = hostname()) =>
      writeFileSync(path, JSON.stringify({ pid, thread: 0, host, started: "", since: "" }));
    lock(1, "elsewhere");
    expect(readRow(root, "group/b").state).toBe("running");
    lock(2 ** 22 + 1);
    expect(readRow(root, "group/b").state).toBe("stopped");
    rmSync(path);
  });
});

test("a watch tells what is new, what has grown and what is gone, and nothing else", async () => {
  const path = join(folder, "watched");
  fakeRun(join(path, "one"), { steps: 50, logged: 10 });
  fakeRun(join(path, "two"), { steps: 50, logged: 10 });
  const watch = watchRuns(path, 5);
  expect((await watch.list()).runs.map(({ id, step }) => [id, step])).toEqual([
    ["one", 10],
    ["two", 10],
  ]);
  const told: RunChanges[] = [];
  let wake = () => {};
  const next = () =>
    new Promise<void>((resolve) => {
      wake = resolve;
    });
  const leave = watch.subscribe((changes) => {
    told.push(changes);
    wake();
  });
  const change = async (work: () => void) => {
    const heard = next();
    work();
    await heard;
    return told.at(-1)!;
  };
  const grown = await change(() => appendFileSync(join(path, "one/metrics.jsonl"), stepLine(20)));
  expect(grown.runs.map(({ id, step }) => [id, step])).toEqual([["one", 20]]);
  expect((await change(() => rmSync(join(path, "two"), { recursive: true }))).gone).toEqual(["two"]);
  expect((await change(() => fakeRun(join(path, "three"), {}))).runs.map(({ id }) => id)).toEqual(["three"]);
  leave();
  appendFileSync(join(path, "one/metrics.jsonl"), stepLine(30));
  await new Promise((resolve) => setTimeout(resolve, 30));
  expect(told).toHaveLength(3);
});

test("a configuration is laid flat under the names of its flags", () => {
  expect(flatten({ steps: 5, methodOptions: { tau: 1 }, modules: ["a"], resume: null })).toEqual({
    steps: "5",
    "method.tau": "1",
    modules: '["a"]',
    resume: "null",
  });
});
