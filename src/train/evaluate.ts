/** Error and loss of a model over a set of images, never a training step. */
import { type EvaluationSet, evaluationSet } from "../batches/evaluation-set.js";
import type { RunConfig } from "../config/resolve.js";
import { crossEntropy } from "../losses/index.js";
import type { Model } from "../nn/index.js";
import type { ClassResult, RoleResult, RoleResults } from "../run/events.js";
import type { PreparedData } from "../session/data.js";
import { noGrad, scope, tensor } from "../torch/index.js";

export interface Evaluation extends RoleResult {
  /** `[true class][predicted class]`, counts. */
  readonly confusion: readonly (readonly number[])[];
}

/** Mode `eval`: running statistics, no dropout, no noise. Images without a label are not counted. */
export async function evaluateModel(model: Model, images: EvaluationSet, numClasses: number): Promise<Evaluation> {
  return (await evaluateAll({ model }, images, numClasses)).model!;
}

/** Every model of a method on the same images, batch by batch. */
export async function evaluateAll(
  models: Readonly<Record<string, Model>>,
  images: EvaluationSet,
  numClasses: number,
): Promise<Record<string, Evaluation>> {
  const counts = Object.entries(models).map(([role, model]) => {
    const confusion = Array.from({ length: numClasses }, () => new Array<number>(numClasses).fill(0));
    return { role, model, confusion, lossSum: 0 };
  });
  try {
    for (let k = 0; k < images.batches; k++) {
      const waiting = images.prepare(k);
      if (waiting) await waiting;
      for (const count of counts) {
        const { predicted, y, loss } = noGrad(() => scope(() => judge(count.model, images.batch(k))));
        predicted.forEach((guess, i) => {
          count.confusion[y[i]!]![guess]! += 1;
        });
        count.lossSum += loss;
      }
    }
  } finally {
    images.close();
  }
  return Object.fromEntries(
    counts.map(({ role, confusion, lossSum }) => {
      const n = confusion.flat().reduce((sum, count) => sum + count, 0);
      const right = confusion.reduce((sum, row, k) => sum + row[k]!, 0);
      return [role, { error: n === 0 ? Number.NaN : (100 * (n - right)) / n, loss: lossSum / n, n, confusion }];
    }),
  );
}

/** Predicted classes, and the sum (not mean) of cross-entropies. */
function judge(model: Model, { x, y }: ReturnType<EvaluationSet["batch"]>) {
  const logits = model.forward(x, "eval");
  const target = tensor(y, [y.length], "int64").toDevice(logits.device);
  return { predicted: logits.argmax(1).toNumbers(), y, loss: crossEntropy(logits, target, { divideBy: 1 }).item() };
}

export type Split = "test" | "val";

/** The images of a split that have a label. */
export function splitImages(
  data: PreparedData,
  split: Split,
  config: Pick<RunConfig, "testBatch">,
  device: string,
): EvaluationSet {
  const known = (labels: Int32Array, rows: Int32Array) => rows.filter((i) => labels[i]! >= 0);
  if (split === "val") {
    return evaluationSet(data.train, data.trainLabels, {
      rows: data.split.validation,
      batch: config.testBatch,
      device,
    });
  }
  const all = Int32Array.from({ length: data.testLabels.length }, (_, i) => i);
  return evaluationSet(data.test, data.testLabels, {
    rows: known(data.testLabels, all),
    batch: config.testBatch,
    device,
  });
}

/** The part of evaluations that events and results hold. */
export function roleResults(evaluations: Readonly<Record<string, Evaluation>>): RoleResults {
  return Object.fromEntries(
    Object.entries(evaluations).map(([role, { error, loss, n }]) => [role, { error, loss, n }]),
  );
}

/** Error by true class. */
export function classResults({ confusion }: Pick<Evaluation, "confusion">, classes: readonly string[]): ClassResult[] {
  return confusion.map((row, k) => {
    const n = row.reduce((sum, count) => sum + count, 0);
    return { class: classes[k]!, error: n === 0 ? Number.NaN : (100 * (n - row[k]!)) / n, n };
  });
}

/** The class that nearly all images are taken for, if there is one: a sign of collapse. */
export function collapsedClass({ confusion, n }: Evaluation, share = 0.9): number | undefined {
  const guesses = confusion.map((_, k) => confusion.reduce((sum, row) => sum + row[k]!, 0));
  const largest = guesses.indexOf(Math.max(...guesses));
  return guesses.length > 1 && guesses[largest]! > share * n ? largest : undefined;
}
