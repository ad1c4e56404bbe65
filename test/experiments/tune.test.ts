import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { profileNames, readProfile } from "../../src/experiments/catalog.js";
import { definitionText } from "../../src/experiments/plan.js";
import { changesOf, missingOf, planTuning, pointsOf, tunedOf } from "../../src/experiments/tune.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-tune-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

mkdirSync(join(folder, "scales/small"), { recursive: true });
writeFileSync(
  join(folder, "scales/small/tiny.yaml"),
  `
summary: tiny
base: { dataset: digits, steps: 10, model.dropout: 0.1 }
methods:
  supervised: { method: { emaDecay: 0.9 } }
  pi-model: { method: { consistencyWeight: 1 } }
tune: { labels: 50, val: 100, seeds: [11, 12] }
grid:
  supervised: { method.emaDecay: [0.5, 0.9] }
  pi-model: { method.consistencyWeight: [1, 10] }
`,
);

describe("tuning", () => {
  it("tries every combination, the last option changing fastest", () => {
    expect(pointsOf({ a: [1, 2], b: ["x", "y"] })).toEqual([
      { a: 1, b: "x" },
      { a: 1, b: "y" },
      { a: 2, b: "x" },
      { a: 2, b: "y" },
    ]);
  });

  it("chooses by the mean validation error, never by the test's, and the profile uses it", () => {
    const plan = planTuning(readProfile("tiny", folder), { out: join(folder, "runs") });
    expect(plan.runs.length).toBe(8);
    expect(Object.fromEntries(plan.runs[0]!.given)).toMatchObject({ val: 100, labels: 50, seed: 11, labelSeed: 11 });
    // Validation says weight 10 and decay 0.9; the test error says the opposite.
    const errors = new Map([
      ["method.emaDecay=0.5", [30, 50]],
      ["method.emaDecay=0.9", [35, 40]],
      ["method.consistencyWeight=1", [22, 20]],
      ["method.consistencyWeight=10", [10, 30]],
    ]);
    for (const run of plan.runs) {
      const error = errors.get(run.arm.column.name)![run.seed - 11]!;
      mkdirSync(run.folder, { recursive: true });
      writeFileSync(`${run.folder}.definition.json`, definitionText(run.given));
      writeFileSync(join(run.folder, "config.json"), JSON.stringify({ format: 1, versions: {}, config: {} }));
      writeFileSync(join(run.folder, "metrics.jsonl"), "");
      const measured = (percent: number) => ({ student: { error: percent, loss: 1, n: 100 } });
      writeFileSync(
        join(run.folder, "result.json"),
        JSON.stringify({ predictor: "student", error: 100 - error, test: measured(100 - error), val: measured(error) }),
      );
    }
    const tuned = tunedOf(plan, new Date("2026-11-25T12:00:00Z"));
    expect(tuned.chosen).toEqual({
      supervised: { "method.emaDecay": 0.9 },
      "pi-model": { "method.consistencyWeight": 10 },
    });
    expect(tuned.tried["pi-model"]?.[0]).toEqual({ setting: { "method.consistencyWeight": 1 }, errors: [22, 20] });
    writeFileSync(join(folder, "scales/small/tiny-tuned.json"), JSON.stringify(tuned));
    expect(readProfile("tiny", folder).methods["pi-model"]).toEqual({ "method.consistencyWeight": 10 });
    expect(readProfile("tiny", folder, { tuned: false }).methods["pi-model"]).toEqual({
      "method.consistencyWeight": 1,
    });
  });

  it("says what was laid over the profile, and which of it changes the runs", () => {
    const overrides = { data: "/d", threads: 1, logEvery: 10, steps: 2, model: { width: 0.5 } };
    const { base } = tunedOf(
      planTuning(readProfile("tiny", folder), { out: join(folder, "none"), overrides }),
      new Date(),
    );
    expect(base).toEqual({ dataset: "digits", steps: 2, "model.dropout": 0.1, "model.width": 0.5 });
    expect(changesOf(overrides)).toEqual(["--model.width", "--steps"]);
    expect(changesOf({ data: "/d", checkpointEvery: 100 })).toEqual([]);
  });

  it("records the validation images and labels of the runs, and does without none", () => {
    const profile = readProfile("tiny", folder);
    const plan = (overrides: object) => planTuning(profile, { out: join(folder, "none"), overrides: { ...overrides } });
    expect(tunedOf(plan({}), new Date()).tune).toEqual({ labels: 50, val: 100, seeds: [11, 12] });
    expect(tunedOf(plan({ val: "20", labels: "70" }), new Date()).tune).toEqual({
      labels: 70,
      val: 20,
      seeds: [11, 12],
    });
    expect(() => plan({ val: "0" })).toThrow(/expected at least 1 for --val, got 0 for supervised.*validation images/);
  });

  it("a run without a validation error is not one to choose by", () => {
    const plan = planTuning(readProfile("tiny", folder, { tuned: false }), { out: join(folder, "runs") });
    const result = join(plan.runs[0]!.folder, "result.json");
    const before = readFileSync(result, "utf8");
    writeFileSync(result, JSON.stringify({ ...JSON.parse(before), val: undefined }));
    expect(missingOf(plan, tunedOf(plan, new Date()))).toEqual(["supervised"]);
    writeFileSync(result, before);
  });

  it("a method of which a run is missing is not chosen for", () => {
    const plan = planTuning(readProfile("tiny", folder, { tuned: false }), { out: join(folder, "runs") });
    const [first] = plan.runs;
    rmSync(join(first!.folder, "result.json"));
    const tuned = tunedOf(plan, new Date());
    expect(Object.keys(tuned.chosen)).toEqual(["pi-model"]);
    expect(missingOf(plan, tuned)).toEqual(["supervised"]);
  });

  it.each(profileNames())("%s: as many settings for every method, seeds that no table uses", (name) => {
    const { grid, tune } = readProfile(name);
    const counts = Object.values(grid).map((options) => pointsOf(options).length);
    expect(new Set(counts).size).toBeLessThanOrEqual(1);
    for (const seed of [1, 2, 3]) expect(tune.seeds).not.toContain(seed);
  });
});
