// The models of a sitting: what is kept of them, how they are rated, and the commands that make them.
import { appendFileSync, existsSync, mkdirSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { writeWhole } from "../../src/files/write-whole.js";
import type { Asking } from "../../src/studio/asking.js";
import { commandLine, runCommand } from "../../src/studio/command.js";
import { exportModel } from "../../src/studio/export.js";
import { addModel, judged, nextRun, pruneRuns, rated, readModels } from "../../src/studio/models.js";
import { openStudio } from "../../src/studio/studio.js";
import { startTraining } from "../../src/studio/training.js";
import { folderOfThisFile } from "../support/train-run.js";

const folder = folderOfThisFile();
const row = (run: string) => ({ run, at: "2026-11-26T08:00:00.000Z", labels: 12, seconds: 3, tested: 10, wrong: 2 });

test("what a model said keeps its classes when people add and drop some", async () => {
  const [dir, out] = [join(folder, "kept"), join(folder, "kept-labels")];
  mkdirSync(dir);
  for (const name of ["a.png", "b.png", "c.png"]) writeWhole(join(dir, name), "");
  const studio = openStudio({ dir, out, testShare: 0.5, seed: 1, classes: ["bird", "cat", "dog"] });
  addModel(out, row("runs/0001"));
  mkdirSync(join(out, "runs/0001"), { recursive: true });
  writeWhole(join(out, "runs/0001/result.json"), "{}");
  const guesses = { classes: ["cat", "dog"], best: Int32Array.of(0, 1, 1), confidence: Float32Array.of(1, 1, 1) };
  const doubt = { row: 1, suggested: 2, margin: 0.5 };
  const ask = async (kind: string) => {
    if (kind === "doubts") studio.dropClass("", "bird"); // while the doubts are being looked for
    return kind === "guess" ? guesses : [doubt];
  };
  const asking = {
    rows: Int32Array.of(0, 1, 2),
    codes: () => studio.codes,
    damaged: new Map(),
    mind: { ask },
  } as unknown as Asking;
  let resolve = () => {};
  const seen = new Promise<void>((done) => (resolve = done));
  const training = startTraining(studio, asking, {
    ...{ method: "supervised", steps: 1, threads: 1, every: 1 },
    onChange: () => training.doubts.length > 0 && resolve(),
  });
  training.tick();
  await seen;
  studio.addClass("", "fox");
  expect(training.confusion!.classes).toEqual(["bird", "cat", "dog"]);
  expect(training.confusion!.counts).toHaveLength(3);
  expect(training.doubts).toEqual([{ row: 1, suggested: "dog", margin: 0.5 }]);
  training.close();
  studio.close();
});

describe("without a test set that could still get a label, a run holds out its own", () => {
  const names = ["a", "b", "c", "d", "e"].map((name) => `${name}.png`);
  const start = (place: string, labels?: string) => {
    const dir = join(folder, place);
    mkdirSync(dir);
    for (const name of names) writeWhole(join(dir, name), "");
    if (labels !== undefined) writeWhole(join(folder, `${place}.csv`), labels);
    const labelsFile = labels === undefined ? undefined : join(folder, `${place}.csv`);
    const more = { labelsFile, testShare: 0.2, seed: 1, classes: ["cat", "dog"] };
    const studio = openStudio({ dir, out: join(folder, `${place}-labels`), ...more });
    const damaged = new Map<number, string>();
    const asking = { rows: Int32Array.of(0, 1, 2, 3, 4), codes: () => studio.codes, damaged } as unknown as Asking;
    const training = startTraining(studio, asking, {
      ...{ method: "supervised", steps: 1, threads: 1, every: 0 },
      onChange: () => {},
    });
    return { studio, training, damaged };
  };
  const starts = ({ training, studio }: ReturnType<typeof start>) => {
    training.tick();
    const found = [training.waiting, training.running !== undefined, training.command.includes("testLabels")];
    training.close();
    studio.close();
    return found;
  };

  test("where every picture had its label from the start", () => {
    const file = ["file,label", ...names.map((name, i) => `${name},${i < 2 ? "cat" : "dog"}`), ""].join("\n");
    expect(starts(start("all-given", file))).toEqual([undefined, true, false]);
  });

  test("where the pictures that were drawn are skipped or damaged; while one is open it is waited for", () => {
    const [skipped, broken] = [start("skipped"), start("broken")];
    for (const { studio, training } of [skipped, broken]) {
      const others = [...names.keys()].filter((row) => !studio.reserve.includes(row));
      studio.label("", "cat", others.slice(0, 2));
      studio.label("", "dog", others.slice(2));
      training.tick();
      expect([training.waiting, training.command]).toEqual([
        expect.stringContaining("a label of the test set"),
        expect.stringContaining("testLabels"),
      ]);
    }
    skipped.studio.act("", "skip", skipped.studio.reserve);
    for (const row of broken.studio.reserve) broken.damaged.set(row, "is no picture");
    for (const one of [skipped, broken]) expect(starts(one)).toEqual([undefined, true, false]);
  });
});

test("the lock is kept alive while a training runs, and given up to whoever has taken it over", () => {
  const [dir, out] = [join(folder, "locked"), join(folder, "locked-labels")];
  mkdirSync(dir);
  for (const name of ["a", "b", "c", "d"]) writeWhole(join(dir, `${name}.png`), "");
  const studio = openStudio({ dir, out, testShare: 0, seed: 1, classes: ["cat", "dog"] });
  studio.label("", "cat", [0, 1]);
  studio.label("", "dog", [2, 3]);
  const asking = {
    rows: Int32Array.of(0, 1, 2, 3),
    codes: () => studio.codes,
    damaged: new Map(),
  } as unknown as Asking;
  const training = startTraining(studio, asking, {
    ...{ method: "supervised", steps: 1, threads: 1, every: 0 },
    onChange: () => {},
  });
  training.tick();
  expect(training.running).toBeDefined();
  const path = join(out, "runs/lock");
  utimesSync(path, 1, 1);
  const now = vi.spyOn(Date, "now").mockReturnValue(Date.now() + 60_000);
  training.tick();
  expect(statSync(path).mtimeMs).toBeGreaterThan(1000);
  const other = { pid: 1, thread: 0, host: "elsewhere", started: "", since: "2026-11-28T08:00:00.000Z" };
  writeWhole(path, JSON.stringify(other));
  now.mockReturnValue(Date.now() + 120_000);
  expect(training.tick).not.toThrow();
  expect(training.problem).toMatch(/process 1 on elsewhere has taken/);
  now.mockRestore();
  training.close();
  studio.close();
  expect(existsSync(path)).toBe(true);
});

describe("the list of models", () => {
  test("is read back, a line that was cut short apart, with errors and intervals", () => {
    expect(readModels(folder)).toEqual([]);
    addModel(folder, row("runs/0001"));
    appendFileSync(join(folder, "models.jsonl"), '{"run":"runs/00');
    appendFileSync(join(folder, "models.jsonl"), "\n[]\nnull\n{"); // a full disk
    addModel(folder, row("runs/0002"));
    expect(readModels(folder)).toEqual([row("runs/0001"), row("runs/0002")]);
    const { error } = rated(row("runs/0001"));
    expect(error.share).toBe(0.2);
    expect([error.low, error.high].map((v) => v.toFixed(3))).toEqual(["0.057", "0.510"]);
    expect(() => addModel(join(folder, "none"), row("x"))).toThrow(/cannot write/);
  });

  test("runs are counted on; those of the last three models stay, what failed, was stopped or not rated goes", () => {
    expect(nextRun(folder)).toBe("runs/0001");
    for (const name of ["0001", "0002", "0009", "0010", "0011", "0012", "notes"])
      mkdirSync(join(folder, "runs", name), { recursive: true });
    for (const name of ["0009", "0011"]) addModel(folder, row(`runs/${name}`));
    expect(nextRun(folder)).toBe("runs/0013");
    pruneRuns(folder);
    expect(readdirSync(join(folder, "runs")).sort()).toEqual(["0002", "0009", "0011", "notes"]);
  });
});

test("the rating counts test pictures that could be read; a class the model does not know is an error", () => {
  const tests = {
    rows: [
      ["a", "cat"],
      ["b", "dog"],
      ["c", "dog"],
      ["d", "bird"],
      ["e", "cat"],
    ].map(([name, own]) => ({ name: name!, class: own! })),
    none: 0,
    skipped: 0,
  };
  const guesses = new Map([
    ["a", "cat"],
    ["b", "cat"],
    ["c", "dog"],
    ["d", "dog"],
  ]);
  const { tested, wrong, confusion } = judged(tests, ["cat", "dog", "bird"], (name) => guesses.get(name));
  expect([tested, wrong]).toEqual([4, 2]);
  expect(confusion.counts).toEqual([
    [1, 0, 0],
    [1, 1, 0],
    [0, 1, 0],
  ]);
});

describe("commands", () => {
  test("are shown as a shell takes them", () => {
    expect(commandLine(["train", "--data", "my photos"])).toBe("fewlabels train --data 'my photos'");
  });

  test("end with their complaint, never with a throw", async () => {
    expect(await runCommand(["nonsense"]).done).toMatchObject({
      code: 2,
      problem: expect.stringMatching(/unknown command "nonsense"/),
    });
  }, 120_000);

  test("an export of what is not there, or into no format, is refused in words", async () => {
    await expect(exportModel(folder, "runs/0010", "word")).rejects.toThrow(/no format "word". Valid: onnx/);
    await expect(exportModel(folder, "runs/0010", "onnx")).rejects.toThrow(/0010/);
  }, 120_000);
});
