import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { findDefinition } from "../../src/experiments/catalog.js";
import { definitionText, planExperiment } from "../../src/experiments/plan.js";
import { collectResults } from "../../src/experiments/results.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-results-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it("Mean Teacher's ablations count the validation error, as the paper draws it, and the test error where nothing is held out", () => {
  for (const scale of ["paper", "small"] as const) {
    const definition = findDefinition("mean-teacher/figure-4d");
    const plan = planExperiment(definition, { scale, out: join(folder, scale), only: ["mean-teacher/1"], seeds: [1] });
    const [run] = plan.runs;
    expect(run!.given.get("val")).toBe(scale === "paper" ? 7325 : undefined);
    mkdirSync(run!.folder, { recursive: true });
    writeFileSync(`${run!.folder}.definition.json`, definitionText(run!.given));
    writeFileSync(join(run!.folder, "config.json"), JSON.stringify({ format: 1, versions: {}, config: {} }));
    writeFileSync(join(run!.folder, "metrics.jsonl"), "");
    const measured = (error: number) => ({ student: { error: error + 1 }, teacher: { error } });
    const result = {
      predictor: "teacher",
      error: 5,
      test: measured(5),
      ...(scale === "paper" && { val: measured(7) }),
    };
    writeFileSync(join(run!.folder, "result.json"), JSON.stringify(result));
    expect(collectResults(plan).arms.map(({ errors }) => errors)).toEqual([[scale === "paper" ? 7 : 5]]);
  }
});
