/** `--tensorboard`: what a run logs of numbers, in TensorBoard's own form as well. */
import { join } from "node:path";
import { type EventFile, openEventFile } from "../files/writers/event-file.js";
import type { EvaluationEvent, StepEvent, TrainEvent } from "./events.js";

export interface TensorBoard {
  /** Events without numbers are passed over. Throws DiskError where the file cannot be written. */
  add(event: TrainEvent): void;
  close(): void;
}

/**
 * A new file `events.out.tfevents.*` in the run folder, made at the first event: a run that goes on writes a second one, which says from where it
 * counts. TensorBoard shows a run by the name of its folder.
 */
export function tensorBoard(folder: string, startStep: number, now: () => number = Date.now): TensorBoard {
  let file: EventFile | undefined;
  const opened = () => {
    if (file) return file;
    const seconds = now() / 1000;
    file = openEventFile(join(folder, `events.out.tfevents.${Math.floor(seconds)}.fewlabels-${startStep}`), seconds);
    if (startStep > 0) file.add({ seconds, step: startStep + 1 });
    return file;
  };
  return {
    add(event) {
      const scalars = event.type === "step" ? ofStep(event) : event.type === "evaluation" ? ofEvaluation(event) : {};
      if (!("step" in event) || event.step === undefined || Object.keys(scalars).length === 0) return;
      opened().add({ seconds: now() / 1000, step: event.step, scalars });
    },
    close() {
      file?.close();
      file = undefined;
    },
  };
}

function ofStep({
  metrics,
  learningRate,
  emaDecay,
  imagesPerSecond,
  stepSeconds,
  epoch,
}: StepEvent): Record<string, number> {
  const named = Object.entries(metrics).map(([name, value]) => [`train/${name}`, value] as const);
  return {
    ...Object.fromEntries(named),
    learningRate,
    ...(emaDecay === undefined ? {} : { emaDecay }),
    epoch,
    "speed/imagesPerSecond": imagesPerSecond,
    "speed/stepSeconds": stepSeconds,
  };
}

/** "error/test/teacher": figures of student and teacher stand side by side. */
function ofEvaluation({ test, val }: EvaluationEvent): Record<string, number> {
  const scalars: Record<string, number> = {};
  for (const [split, roles] of Object.entries({ val, test })) {
    for (const [role, { n, ...figures }] of Object.entries(roles ?? {})) {
      for (const [name, value] of Object.entries(figures)) scalars[`${name}/${split}/${role}`] = value;
    }
  }
  return scalars;
}
