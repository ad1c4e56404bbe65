/** Runs cut into stages, each with its own make-up, learning-rate schedule and (where it asks for one) a fresh student. */
import { UsageError } from "../../errors.js";
import type { Model } from "../../nn/index.js";

export interface Stage {
  readonly name: string;
  /** First step of the run that belongs to it. */
  readonly start: number;
  readonly steps: number;
  /** Whether it learns from pseudo-labels too. */
  readonly both: boolean;
}

export interface StageOptions {
  readonly rounds: number;
  readonly teacherShare: number | undefined;
  readonly fineTuneShare: number;
}

/** The run cut into stages; students get equal parts of what teacher and fine-tuning leave. */
export function stagesOf({ rounds, teacherShare, fineTuneShare }: StageOptions, totalSteps: number): Stage[] {
  const first = teacherShare ?? (1 - fineTuneShare) / (rounds + 1);
  if (first + fineTuneShare >= 1) {
    throw new UsageError(
      `self-training: expected teacherShare and fineTuneShare to leave steps for the student, got ${first} and ${fineTuneShare}`,
    );
  }
  const each = (1 - first - fineTuneShare) / rounds;
  const students = Array.from({ length: rounds }, (_, i) => ({ name: `student-${i + 1}`, share: each, both: true }));
  const plan = [
    { name: "teacher", share: first, both: false },
    ...students,
    ...(fineTuneShare > 0 ? [{ name: "fine-tune", share: fineTuneShare, both: false }] : []),
  ];
  let end = 0;
  return plan.map(({ name, share, both }, i) => {
    const start = Math.round(totalSteps * end);
    end = i === plan.length - 1 ? 1 : end + share;
    return { name, start, steps: Math.round(totalSteps * end) - start, both };
  });
}

/** Copies the weights and statistics of `fresh`, and lets go of it. The model's own draws go on where they are. */
export function startAfresh(model: Model, fresh: Model): void {
  const { tensors } = fresh.stateDict();
  model.loadStateDict({ tensors, values: {} });
  for (const t of Object.values(tensors)) t.release();
}
