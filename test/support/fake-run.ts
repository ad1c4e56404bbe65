/** Run folders as a training would leave them, without one. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface FakeRun {
  readonly method?: string;
  readonly steps?: number;
  /** The last step in the log, which has one every 10. */
  readonly logged?: number;
  /** Test error of the teacher; without it the run has no result. */
  readonly done?: number;
  /** Milliseconds since 1970 of the first line. */
  readonly started?: number;
}

const started = Date.UTC(2026, 10, 26);

export function stepLine(step: number, loss = 2 / Math.sqrt(step), time = started + 100 * step): string {
  return `${JSON.stringify({
    time: new Date(time).toISOString(),
    type: "step",
    step,
    totalSteps: 100,
    epoch: step / 50,
    metrics: { classification: loss, consistency: loss / 10, weight: Math.min(10, step / 10) },
    learningRate: 0.003,
    imagesPerSecond: 500,
    stepSeconds: 0.2,
    etaSeconds: 10,
  })}\n`;
}

export function evaluationLine(step: number, student: number, teacher: number): string {
  const figures = (error: number) => ({ error, loss: error / 40, n: 1000 });
  return `${JSON.stringify({ time: new Date(started).toISOString(), type: "evaluation", step, test: { student: figures(student), teacher: figures(teacher) } })}\n`;
}

export function fakeRun(path: string, { method = "mean-teacher", steps = 100, logged = steps, done }: FakeRun): void {
  mkdirSync(join(path, "checkpoints"), { recursive: true });
  const config = {
    dataset: "digits",
    method,
    model: "convnet-tiny",
    labels: "40",
    steps,
    seed: 1,
    methodOptions: { tau: 1 },
  };
  writeFileSync(join(path, "config.json"), JSON.stringify(config));
  const count = Math.floor(logged / 10);
  const lines = Array.from({ length: count }, (_, i) => stepLine(10 * (i + 1)));
  const last = logged > 0 ? [evaluationLine(logged, 20, 15)] : [];
  writeFileSync(join(path, "metrics.jsonl"), [...lines, ...last].join(""));
  if (done !== undefined) {
    writeFileSync(join(path, "result.json"), JSON.stringify({ predictor: "teacher", error: done, steps }));
  }
}
