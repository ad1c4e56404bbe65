import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, it, vi } from "vitest";
import { readDefinition } from "../../src/experiments/definition/read.js";
import { type PlannedRun, planExperiment } from "../../src/experiments/plan.js";
import { ExperimentProgress } from "../../src/experiments/progress.js";
import { writeTiny } from "./tiny.js";

const folder = mkdtempSync(join(tmpdir(), "fewlabels-progress-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());
const tiny = readDefinition("tiny", writeTiny(folder));

/** Two arms of 300 steps, two runs each, and how far they are. */
function start(out: string) {
  const { runs } = planExperiment(tiny, { scale: "small", out: join(folder, out) });
  const progress = new ExperimentProgress(runs, 1);
  return { progress, runs: runs as readonly [PlannedRun, PlannedRun, PlannedRun, PlannedRun] };
}

function finish({ folder: path }: PlannedRun, elapsedSeconds: number): void {
  mkdirSync(join(path, "checkpoints"), { recursive: true });
  writeFileSync(join(path, "config.json"), "{}");
  writeFileSync(join(path, "result.json"), JSON.stringify({ elapsedSeconds }));
}

it("the time to go after a resume is that of whole runs, not of the rest of one", () => {
  const { progress, runs } = start("resumed");
  progress.event({ type: "started", run: runs[0], resumed: true });
  finish(runs[0], 30);
  progress.event({ type: "finished", run: runs[0], seconds: 3 });
  expect(progress.state()).toEqual({ done: 1, total: 4, share: 0.25, etaSeconds: 90 });
});

it("what a run logged after the checkpoint from which it goes on is not taken for its speed", () => {
  const { progress, runs } = start("back");
  const at = (step: number) => {
    progress.event({ type: "step", run: runs[0], step });
    vi.advanceTimersByTime(1000);
  };
  for (const step of [140, 100, 110, 120]) at(step);
  expect(progress.state().etaSeconds).toBeCloseTo((4 * 300 - 120) / 10, 9);
});

it("a failed run is not left to do, nor is one that needs its predictions", () => {
  const { progress, runs } = start("failed");
  finish(runs[0], 30);
  progress.event({ type: "finished", run: runs[0], seconds: 30 });
  progress.event({ type: "failed", run: runs[1], message: "" });
  expect(progress.state()).toEqual({ done: 1, total: 4, share: expect.closeTo(1 / 3, 9), etaSeconds: 60 });
  const needy = new ExperimentProgress([runs[0], { ...runs[1], needs: runs[0].key }], 1);
  needy.event({ type: "failed", run: runs[0], message: "" });
  expect(needy.state().share).toBe(1);
});

it("a run under way does not outdo what a finished one of its arm has shown", () => {
  const { progress, runs } = start("final");
  const [first, second] = runs.filter(({ arm }) => arm === runs[0].arm) as [PlannedRun, PlannedRun];
  finish(first, 30);
  progress.event({ type: "finished", run: first, seconds: 30 });
  progress.event({ type: "step", run: second, step: 0 });
  vi.advanceTimersByTime(10_000);
  progress.event({ type: "step", run: second, step: 10 });
  expect(progress.state().etaSeconds).toBeCloseTo(0.1 * (3 * 300 - 10), 9);
});
