import { expect, it } from "vitest";
import { reportPage } from "../../src/cli/demo-report.js";
import type { RunResult } from "../../src/run/events.js";

const result = (method: string, error: number): RunResult => ({
  method,
  model: "cnn-13",
  dataset: "digits",
  labels: 50,
  steps: 20,
  seed: 1,
  device: "cpu",
  precision: "fp32",
  predictor: "teacher",
  error,
  test: {},
  perClass: [],
  final: { step: 20, error },
  medianLast20: { split: "test", error, evaluations: 2 },
  imagesPerSecond: 100,
  stepSecondsMedian: 0.1,
  elapsedSeconds: 12,
  peakMemoryMB: 100,
});

it("is one page without scripts, with both runs as a plot and as a table", async () => {
  const page = await reportPage([
    { result: result("supervised", 18.5), curve: { steps: [10, 20], values: [40, 18.5] } },
    { result: result("mean-teacher", 3.25), curve: { steps: [10, 20], values: [30, 3.25] } },
  ]);
  expect(page).toMatch(/^<!doctype html>/);
  expect(page).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)/);
  expect(page).toContain("<td>mean-teacher</td><td>3.25 %</td>");
  expect(page.match(/aria-label="line"/g)).toHaveLength(1);
  expect(page).toMatch(/<svg[^>]*>[\s\S]*supervised[\s\S]*mean-teacher[\s\S]*<\/svg>/);
});
