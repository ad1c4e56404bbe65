import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findDefinition } from "../../src/experiments/catalog.js";
import { figuresOf } from "../../src/experiments/figures.js";
import { definitionText, planExperiment } from "../../src/experiments/plan.js";
import { collectResults } from "../../src/experiments/results.js";
import { summarize } from "../../src/experiments/summary.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-figures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("Mean Teacher's Figure 3 has the classification cost of student and teacher", () => {
  const definition = findDefinition("mean-teacher/figure-3");
  const plan = planExperiment(definition, { scale: "small", out: folder, only: ["*/500-labels"], seeds: [1] });
  for (const { folder: run, given } of plan.runs) {
    const of = (error: number) => ({ student: { error }, teacher: { error } });
    const teacher = given.get("method") === "mean-teacher" ? { teacherClassification: 0.5 } : {};
    const events = [100, 200, 300, 400].flatMap((step) => [
      { type: "step", step, metrics: { classification: 1, ...teacher } },
      { type: "evaluation", step, test: of(20) },
    ]);
    mkdirSync(run, { recursive: true });
    writeFileSync(`${run}.definition.json`, definitionText(given));
    writeFileSync(join(run, "config.json"), JSON.stringify({ format: 1, versions: {}, config: { steps: 400 } }));
    writeFileSync(join(run, "metrics.jsonl"), `${events.map((event) => JSON.stringify(event)).join("\n")}\n`);
    writeFileSync(join(run, "result.json"), JSON.stringify({ predictor: "student", error: 20, test: of(20) }));
  }
  const results = collectResults(plan);
  const figures = figuresOf(definition, results, summarize(definition, results));
  const { svg } = figures.find(({ name }) => name === "cost-curves")!;
  for (const series of ["Mean Teacher, student", "Mean Teacher, teacher", "Pi-model"]) expect(svg).toContain(series);
  expect(svg).not.toContain("Pi-model, ");
});
