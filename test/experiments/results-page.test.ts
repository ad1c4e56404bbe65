import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { findDefinition, readProfile } from "../../src/experiments/catalog.js";
import { armsOf, definitionText } from "../../src/experiments/plan.js";
import type { ExperimentResults } from "../../src/experiments/results.js";
import { keptResults, resultsPage } from "../../src/experiments/results-page.js";
import { summarize } from "../../src/experiments/summary.js";

/** Results of Table 2 with these errors, without runs. */
function results(errors: Readonly<Record<string, readonly number[]>>, seeds = [1, 2, 3]): ExperimentResults {
  const arms = Object.entries(errors).map(([row, values]) => ({
    row,
    column: "4000",
    errors: values,
    seeds: seeds.slice(0, values.length),
    roles: {},
    seconds: values.map(() => 60),
    steps: 600,
    options: {},
    curves: [],
  }));
  const machine = { cpu: "some processor", cores: 2, memoryGB: 8, device: "cpu" };
  return {
    experiment: "mean-teacher/table-2",
    scale: "small",
    seeds,
    arms,
    missing: [],
    machine,
    versions: {},
    dates: ["2026-11-25T20:00:00Z", "2026-11-25T21:00:00Z"],
  };
}

const verdicts = (given: ExperimentResults) =>
  Object.fromEntries(
    summarize(findDefinition("mean-teacher/table-2"), given)
      .comparisons.filter(({ column }) => column === "4000")
      .map(({ claim, verdict }) => [`${claim.better} < ${claim.worse}`, verdict]),
  );

describe("what became of the claims", () => {
  it("seen, seen in the mean, not seen and not run are told apart", () => {
    expect(
      verdicts(results({ "mean-teacher": [30, 31, 32], "pi-model": [35, 36.5, 37], supervised: [30, 38, 36.9] })),
    ).toEqual({
      "mean-teacher < temporal-ensembling": "not run",
      "mean-teacher < pi-model": "seen",
      "pi-model < supervised": "not seen",
      "mean-teacher < supervised": "leaning",
    });
  });

  it("two seeds never make a claim seen, however equal they are", () => {
    const { warnings } = summarize(
      findDefinition("mean-teacher/table-2"),
      results({ "mean-teacher": [30, 30] }, [1, 2]),
    );
    expect(warnings[0]).toContain("2 seeds are few: the exact sign-flip test cannot go below p = 0.5");
    expect(
      verdicts(results({ "mean-teacher": [30, 30], supervised: [40, 40] }, [1, 2]))["mean-teacher < supervised"],
    ).toBe("leaning");
  });

  it("two settings of one row can be compared", () => {
    const arm = { ...results({ "mean-teacher": [20, 21, 22] }).arms[0]!, row: "mean-teacher" };
    const arms = [
      { ...arm, column: "0", errors: [20, 21, 22] },
      { ...arm, column: "1", errors: [25, 26.5, 27] },
    ];
    const given = { ...results({}), experiment: "mean-teacher/figure-4f", arms };
    const { comparisons } = summarize(findDefinition("mean-teacher/figure-4f"), given);
    expect(comparisons.map(({ column, verdict }) => [column, verdict])).toEqual([["0 against 1", "seen"]]);
  });

  it("only seeds that both arms have are compared", () => {
    const [, , , last] = summarize(
      findDefinition("mean-teacher/table-2"),
      results({ "mean-teacher": [30], supervised: [40, 10, 10] }),
    ).comparisons.filter(({ column }) => column === "4000");
    expect(last?.test?.difference).toBe(-10);
  });
});

describe("docs/results.md", () => {
  it("names machine, day, published numbers and what has not run", () => {
    const page = resultsPage([results({ "mean-teacher": [30, 31, 32], supervised: [40, 41, 43] })]);
    expect(page).toContain("Run 2026-11-25 on 2 x some processor (cpu), 6 minutes of training in all");
    expect(page).toContain("| Mean Teacher | 31.00 ± 1.00 (3) | 12.31 ± 0.28 [T] |");
    expect(page).toMatch(
      /Mean Teacher has a lower error than supervised training \(4000\): seen; errors 31\.00 and 41\.33 %/,
    );
    expect(page).toMatch(
      /- \*\*Seen\*\*: Mean Teacher has a lower error than supervised training \(`mean-teacher\/table-2`, 4000\)\./,
    );
    expect(page).toMatch(/- `fixmatch\/cifar10`: FixMatch has a lower error than Pseudo-Label; /);
  });

  it("names settings that are others today", () => {
    const kept = results({ "mean-teacher": [30, 31, 32] });
    const [arm] = armsOf(findDefinition("mean-teacher/table-2"), "small", readProfile("cifar10")).filter(
      ({ key }) => key === "mean-teacher/4000",
    );
    const today = JSON.parse(definitionText(arm!.given));
    const withOptions = (options: Record<string, unknown>) => ({ ...kept, arms: [{ ...kept.arms[0]!, options }] });
    expect(resultsPage([withOptions(today)])).not.toContain("have changed since");
    expect(resultsPage([withOptions({ ...today, steps: 77 })])).toContain(
      `Settings that have changed since these runs: mean-teacher/4000: steps 77 -> ${today.steps}.`,
    );
  });

  it("says what arms have in place of their profile's network, steps and rows", () => {
    const options = { model: "wide-resnet", steps: 400, batch: 32 };
    const own = results({ "mean-teacher": [30] });
    const arms = [
      { ...own.arms[0]!, options },
      { ...own.arms[0]!, column: "1000", options: { ...options, batch: 16 } },
    ];
    expect(resultsPage([{ ...own, shrunk: "CIFAR-10, small", arms }])).toContain(
      "scale small (CIFAR-10, small; here instead: wide-resnet, 400 steps, batches of 32 or 16 rows)",
    );
    const { base } = readProfile("cifar10");
    const usual = { model: "convnet-tiny", steps: base.steps, batch: base.batch };
    const asProfile = [{ ...own.arms[0]!, options: usual }];
    expect(resultsPage([{ ...own, shrunk: "CIFAR-10, small", arms: asProfile }])).toContain("(CIFAR-10, small). Run");
  });

  it("columns say how many labels and images they had, where the paper has others", () => {
    const arm = results({ "mean-teacher": [30] }).arms[0]!;
    const labelsOf = (experiment: string, columns: Readonly<Record<string, Record<string, unknown>>>) => {
      const arms = Object.entries(columns).map(([column, options]) => ({ ...arm, column, options }));
      const summary = summarize(findDefinition(experiment), { ...results({}), experiment, arms });
      return summary.columns.filter(({ name }) => name in columns).map(({ label }) => label);
    };
    const few = { "250": { labels: 50 }, "500": { labels: 100 }, all: { labels: "all" } };
    expect(labelsOf("mean-teacher/table-1", few)).toEqual([
      "250 labels (here 50 labels)",
      "500 labels (here 100 labels)",
      "all labels",
    ]);
    const images = {
      "73257": { labels: 100, "dataset.train": 1000 },
      "573257": { labels: 100, "dataset.train": 10_000 },
    };
    expect(labelsOf("mean-teacher/table-3", images)).toEqual([
      "73,257 images (here 1,000 images)",
      "573,257 images (here 10,000 images)",
    ]);
    expect(labelsOf("mean-teacher/table-2", { "1000": { labels: 1000 }, "4000": { labels: 4000 } })).toEqual([
      "1,000 labels",
      "4,000 labels",
    ]);
  });

  it("is what its command makes of the kept files", () => {
    const path = new URL("../../docs/results.md", import.meta.url);
    expect(existsSync(path)).toBe(true);
    expect(readFileSync(path, "utf8")).toBe(resultsPage(keptResults()));
  });
});
