// Which method for my pictures: folds that share nothing with what they test, steps that fit into a time, one recommendation.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { catalog } from "../../../src/config/catalog.js";
import { planSteps, secondsOf } from "../../../src/experiments/compare/budget.js";
import { compareMethods } from "../../../src/experiments/compare/compare.js";
import { whenOver } from "../../../src/experiments/compare/deadline.js";
import { dealFolds, foldFolder, writeFolds } from "../../../src/experiments/compare/folds.js";
import type { CompareOptions } from "../../../src/experiments/compare/options.js";
import { type Measured, rank } from "../../../src/experiments/compare/recommend.js";
import { secondsBefore, secondsOfRun, shareDone, writeRecord } from "../../../src/experiments/compare/record.js";
import { winnerCommand } from "../../../src/experiments/compare/report.js";
import { definitionText, type PlannedRun } from "../../../src/experiments/plan.js";
import type { LabeledFile } from "../../../src/inference/folder-pictures.js";
import { Rng } from "../../../src/rng.js";
import { pairedTest, tQuantile } from "../../../src/statistics.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("folds", () => {
  const files: LabeledFile[] = [];
  const add = (name: string, content: string, label: number, part: LabeledFile["part"] = "train") => {
    const path = join(folder, `${name}.png`);
    writeFileSync(path, content);
    files.push({ name: `${name}.png`, path, part, label });
  };
  for (let i = 0; i < 7; i++) add(`a${i}`, `a${i}`, 0);
  for (let i = 0; i < 4; i++) add(`b${i}`, `b${i}`, 1);
  add("a-again", "a3", 0);
  add("only", "only", 2);
  add("unknown", "unknown", -1, "unlabeled");
  add("b2-unlabeled", "b2", -1, "unlabeled");
  add("tested", "tested", 0, "test");
  const classes = ["a", "b/c", "d"];

  it("what a labels file hides of class folders is told before anything else", async () => {
    const dir = join(folder, "hidden");
    for (const name of ["a/0", "a/1", "b/0"]) {
      mkdirSync(join(dir, name, ".."), { recursive: true });
      writeFileSync(join(dir, `${name}.png`), name);
    }
    const labelsFile = join(folder, "hidden.csv");
    writeFileSync(labelsFile, "file,label\na/0.png,b\n");
    const remarks: string[] = [];
    const options: CompareOptions = {
      ...{ dir, labelsFile, out: join(folder, "hidden-out"), folds: 2, seed: 1, budgetSeconds: 1, threads: 1 },
      ...{ overrides: {}, catalog, signal: new AbortController().signal },
      onEvent: (event) => void (event.type === "remark" && remarks.push(event.message)),
    };
    await expect(compareMethods(options)).rejects.toThrow(/cannot be split into folds/);
    expect(remarks).toEqual([expect.stringMatching(/^2 pictures in class folders are not in .*hidden\.csv/)]);
  });

  it("every labeled picture is held out once, copies together, the only one of a class never; no test picture is in any", async () => {
    const folds = await dealFolds({ files, classes }, folder, 3, Rng.fromSeed(1));
    expect(folds.count).toBe(3);
    const of = (name: string) => folds.of[folds.labeled.findIndex((one) => one.name === `${name}.png`)];
    expect(of("only")).toBe(-1);
    expect(of("a-again")).toBe(of("a3"));
    expect([...folds.of].filter((fold) => fold < 0)).toHaveLength(1);
    for (const k of [0, 1]) {
      const own = [0, 1, 2].map(
        (fold) => folds.labeled.filter(({ label }, i) => label === k && folds.of[i] === fold).length,
      );
      expect(Math.min(...own)).toBeGreaterThan(0);
    }
    const out = join(folder, "out");
    writeFolds(out, folds);
    expect(readdirSync(out)).toEqual(["folds"]);
    const contents = (fold: number, part: string, name: string) => {
      const place = join(foldFolder(out, fold), part, name);
      return existsSync(place) ? readdirSync(place).map((file) => readFileSync(join(place, file), "utf8")) : [];
    };
    const tested: string[] = [];
    for (const fold of [1, 2, 3]) {
      const part = (name: string) => ["a", "class-1", "d"].flatMap((k) => contents(fold, name, k));
      const [train, test, unlabeled] = [part("train"), part("test"), contents(fold, "unlabeled", ".")];
      expect(train.filter((content) => test.includes(content))).toEqual([]);
      expect(unlabeled.filter((content) => test.includes(content))).toEqual([]);
      expect(unlabeled).toContain("unknown");
      expect(train).toContain("only");
      expect([...train, ...test, ...unlabeled]).not.toContain("tested");
      expect([...train, ...test].sort()).toEqual(folds.labeled.map(({ path }) => readFileSync(path, "utf8")).sort());
      tested.push(...test);
    }
    expect(tested.sort()).toEqual(
      [0, 1, 2, 3, 3, 4, 5, 6].map((i) => `a${i}`).concat([0, 1, 2, 3].map((i) => `b${i}`)),
    );
  });

  it("a class whose name no folder may have gets another folder than a class called after its number", async () => {
    const out = join(folder, "names");
    writeFolds(out, await dealFolds({ files, classes: ["#misc", "class-0", "d"] }, folder, 3, Rng.fromSeed(1)));
    expect(readdirSync(join(foldFolder(out, 1), "train")).sort()).toEqual(["class-0", "class-0-", "d"]);
  });

  it("a named pipe is left out as what cannot be read is, and never waited for", async () => {
    const path = join(folder, "pipe.png");
    execFileSync("mkfifo", [path]);
    const some = [...files, { name: "pipe.png", path, part: "train" as const, label: 0 }];
    const { labeled } = await dealFolds({ files: some, classes }, folder, 3, Rng.fromSeed(1));
    expect(labeled.map(({ name }) => name)).not.toContain("pipe.png");
  });

  it("another label, picture or number of folds is another fingerprint; few pictures are fewer folds, too few an error", async () => {
    const print = async (some: readonly LabeledFile[], count = 3) =>
      (await dealFolds({ files: some, classes }, folder, count, Rng.fromSeed(1))).fingerprint;
    const first = await print(files);
    expect(await print(files)).toBe(first);
    expect(await print(files.slice(1))).not.toBe(first);
    expect(await print(files, 2)).not.toBe(first);
    expect(await print(files.map((file, i) => (i === 2 ? { ...file, label: 1 } : file)))).not.toBe(first);
    const few = files.filter(({ name }) => /^[ab][01]/.test(name));
    expect((await dealFolds({ files: few, classes }, folder, 5, Rng.fromSeed(1))).count).toBe(2);
    await expect(dealFolds({ files: few.slice(0, 3), classes }, folder, 5, Rng.fromSeed(1))).rejects.toThrow(
      /3 different labeled pictures cannot be split/,
    );
    const twice = [...files, { ...files.find(({ name }) => name === "a0.png")!, label: 1 }];
    await expect(dealFolds({ files: twice, classes }, folder, 3, Rng.fromSeed(1))).rejects.toThrow(/labeled twice/);
  });
});

describe("what is refused before anything runs", () => {
  const photos = join(folder, "photos");
  for (const k of ["a", "b"]) {
    mkdirSync(join(photos, k), { recursive: true });
    for (let i = 0; i < 3; i++)
      writeFileSync(
        join(photos, k, `${i}.png`),
        Buffer.concat([Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]), Buffer.from(`${k}${i}`)]),
      );
  }
  const ask = (more: Partial<CompareOptions>) =>
    compareMethods({
      dir: photos,
      out: join(folder, "refused"),
      folds: 2,
      seed: 1,
      budgetSeconds: 60,
      threads: 1,
      overrides: {},
      catalog,
      signal: new AbortController().signal,
      onEvent: () => {},
      ...more,
    });

  it("a method that is not on the list, weights that are nowhere, a folder among the pictures, other pictures than before", async () => {
    await expect(ask({ only: ["supervized"] })).rejects.toThrow(
      /--only: unknown method of the list "supervized".*supervised/,
    );
    await expect(ask({ overrides: { "model.weights": "nowhere" } })).rejects.toThrow(/"nowhere"/);
    await expect(ask({ overrides: { "model.width": -1 } })).rejects.toThrow(/model\.width/);
    await expect(ask({ overrides: { strong: "fixmatch" }, only: ["supervised"] })).rejects.toThrow(
      /fewlabels compare: --strong has no effect in any of these runs/,
    );
    await expect(ask({ out: join(photos, "out") })).rejects.toThrow(/lies among the pictures/);
    expect(existsSync(join(folder, "refused"))).toBe(false);
    mkdirSync(join(folder, "refused"));
    writeRecord(join(folder, "refused"), { fingerprint: "another", options: "{}", runSeconds: {}, spentSeconds: 1 });
    await expect(ask({})).rejects.toThrow(/compares other pictures, labels or folds/);
    expect(readdirSync(join(folder, "refused"))).toEqual(["compare.json"]);
    writeFileSync(join(folder, "refused/compare.json"), "{");
    await expect(ask({})).rejects.toThrow(/compare\.json is damaged/);
  });
});

it("the command of the recommended method leaves out what only others read", () => {
  const asked = { dir: "photos", labelsFile: undefined, unlabeledDir: undefined, catalog };
  const overrides = { strong: "fixmatch", model: "convnet-tiny", seen: 0 };
  const given = "fewlabels train --dataset folder --data photos --method";
  expect(winnerCommand({ ...asked, overrides }, "fixmatch")).toBe(
    `${given} fixmatch --strong fixmatch --model convnet-tiny --seen 0`,
  );
  expect(winnerCommand({ ...asked, overrides }, "supervised")).toBe(
    `${given} supervised --model convnet-tiny --seen 0`,
  );
});

describe("budget", () => {
  const costs = [
    { method: "cheap", secondsPerStep: 0.1, fixedSeconds: 2 },
    { method: "dear", secondsPerStep: 0.3, fixedSeconds: 2 },
  ];
  it("the same steps for all, as many as fit; the dear one goes first; nothing where nothing fits", () => {
    const plan = (left: number) => planSteps(costs, { left, runs: 2, wanted: 100, least: 10 });
    expect(plan(1000)).toEqual({ steps: 100, methods: ["cheap", "dear"] });
    expect(plan(40)).toEqual({ steps: 32, methods: ["cheap", "dear"] }); // (0.85 x 40 / 2 - 4) / 0.4 = 32.5
    expect(plan(12.1)).toEqual({ steps: 31, methods: ["cheap"] }); // both: 2 steps; one: (5.14 - 2) / 0.1
    expect(plan(6)).toEqual({ steps: 0, methods: [] });
  });
  it("a run that goes on has taken time before; one of other options has not", () => {
    const run = { key: "knn/all/seed-1", folder: join(folder, "run"), given: new Map([["steps", 4]]) };
    const record = { fingerprint: "", options: "", runSeconds: { [run.key]: 50 }, spentSeconds: 60 };
    const planned = run as unknown as PlannedRun;
    expect(secondsBefore(record, planned)).toBe(0);
    mkdirSync(join(run.folder, "checkpoints/step-2"), { recursive: true });
    writeFileSync(join(run.folder, "checkpoints/step-2/state.json"), "{}");
    writeFileSync(join(run.folder, "config.json"), '{ "steps": 8 }');
    expect(shareDone(planned)).toBe(0);
    writeFileSync(`${run.folder}.definition.json`, definitionText(run.given));
    expect(secondsBefore(record, planned)).toBe(50);
    expect(shareDone(planned)).toBe(2 / 8);
    for (const of of [shareDone, (other: PlannedRun) => secondsBefore(record, other)])
      expect(of({ ...planned, given: new Map([["steps", 5]]) })).toBe(0);
    // Of 70 seconds since its first step a part was killed, of which the record knows nothing.
    writeFileSync(join(run.folder, "result.json"), '{ "elapsedSeconds": 70 }');
    expect(secondsOfRun(record, planned)).toBe(70);
    expect(secondsOfRun({ ...record, runSeconds: { [run.key]: 80 } }, planned)).toBe(80);
  });
  it("a budget of months is over when it is over, not at once", () => {
    vi.useFakeTimers();
    try {
      const [end, late] = [Date.now() + 1000 * 3600 * 1000, vi.fn()];
      const left = () => (end - Date.now()) / 1000;
      whenOver(left, late);
      vi.advanceTimersByTime(999 * 3600 * 1000);
      expect(late).not.toHaveBeenCalled();
      vi.advanceTimersByTime(3600 * 1000);
      expect(late).toHaveBeenCalledOnce();
      const never = vi.fn();
      whenOver(() => 1, never)();
      vi.advanceTimersByTime(5000);
      expect(never).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });
  it("times as people write them", () => {
    expect(["90s", "30m", "1h30m", "0.5h"].map((text) => secondsOf(text, "x", "--budget"))).toEqual([
      90, 1800, 5400, 1800,
    ]);
    for (const bad of ["", "30", "0m", "m", "-5m", "1m2h"])
      expect(() => secondsOf(bad, "x", "--budget")).toThrow(/x: .*--budget/);
  });
});

describe("recommendation", () => {
  const one = (method: string, seconds: number, errors: readonly number[]): Measured => ({
    method,
    label: method,
    errors,
    seconds,
    steps: 1,
  });
  it("a dear method that is lower on every fold beats the cheap one; a difference within chance does not", () => {
    const clear = rank([one("cheap", 1, [30, 32, 31, 29, 33]), one("dear", 50, [20, 23, 20, 19, 23])], 5);
    expect(clear.recommendation).toMatchObject({ method: "dear" });
    expect(clear.recommendation!.reason).toContain(
      "every other one is shown to be worse; cheaper, and shown to be worse: cheap (31.0 %",
    );
    const unclear = rank([one("cheap", 1, [30, 20, 31, 22, 33]), one("dear", 50, [20, 30, 20, 29, 23])], 5);
    expect(unclear.recommendation).toMatchObject({ method: "cheap" });
    expect(unclear.recommendation!.reason).toContain("not shown to be more than chance");
  });
  it("of those about as cheap the lowest mean; what lacks folds is shown and not recommended", () => {
    const { recommendation, rows } = rank(
      [one("a", 1, [30, 20, 40]), one("b", 1.8, [25, 24, 33]), one("c", 40, [24, 26, 30]), one("partial", 1, [1, 1])],
      3,
    );
    expect(recommendation!.method).toBe("b");
    expect(rows.find(({ method }) => method === "partial")).toMatchObject({ complete: false });
    expect(rank([one("partial", 1, [1])], 3).recommendation).toBeUndefined();
    expect(rank([one("a", 1, [3, 4, 5])], 3).recommendation!.reason).toContain("the only one");
  });
  it("the interval allows for shared training pictures: sd sqrt(1/n + 1/(n - 1)) times Student's quantile", () => {
    const [first, second] = [
      [30, 32, 31, 29],
      [20, 25, 20, 22],
    ];
    const differences = first.map((value, i) => value - second[i]!);
    const mean = differences.reduce((a, b) => a + b, 0) / 4;
    const sd = Math.sqrt(differences.reduce((sum, d) => sum + (d - mean) ** 2, 0) / 3);
    const { half95, difference } = pairedTest(first, second, 1 / 3);
    expect(difference).toBeCloseTo(mean, 12);
    expect(half95).toBeCloseTo(tQuantile(0.975, 3) * sd * Math.sqrt(1 / 4 + 1 / 3), 9);
  });
});
